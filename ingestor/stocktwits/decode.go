package stocktwits

import (
	"encoding/json"
	"fmt"
	"html"
	"time"

	"rcas/ingestor/feed"
	"rcas/market"
)

// Source is the name of the source in posts.
const Source = "stocktwits"

// Page is an answer to the question for the messages about a symbol, newest first.
type Page struct {
	Messages []Message
	// Malformed are the messages that could not be read.
	Malformed []json.RawMessage
	// More tells that there are older messages, before Oldest.
	More   bool
	Oldest int64
}

// Message is a post and its number, which grows with time.
type Message struct {
	*market.Tweet
	Number int64
}

type message struct {
	ID        int64     `json:"id"`
	Body      *string   `json:"body"`
	CreatedAt time.Time `json:"created_at"`
	User      struct {
		Username  string `json:"username"`
		Followers int64  `json:"followers"`
	} `json:"user"`
	Likes struct {
		Total int64 `json:"total"`
	} `json:"likes"`
	Reshares struct {
		Count int64 `json:"reshared_count"`
	} `json:"reshares"`
	Reshared     json.RawMessage `json:"reshare_message"`
	Conversation struct {
		Replies int64 `json:"replies"`
	} `json:"conversation"`
}

// UnmarshalJSON reads a page; a bad message costs only itself.
func (p *Page) UnmarshalJSON(text []byte) error {
	var page struct {
		Messages *[]json.RawMessage `json:"messages"`
		Cursor   struct {
			More bool  `json:"more"`
			Max  int64 `json:"max"`
		} `json:"cursor"`
	}
	if err := json.Unmarshal(text, &page); err != nil {
		return err
	}
	if page.Messages == nil {
		return fmt.Errorf("%w: no list of messages", feed.ErrMalformed)
	}
	*p = Page{More: page.Cursor.More, Oldest: page.Cursor.Max}
	for _, raw := range *page.Messages {
		m, err := decode(raw)
		if err != nil {
			p.Malformed = append(p.Malformed, raw)
			continue
		}
		p.Messages = append(p.Messages, m)
	}
	return nil
}

func decode(raw json.RawMessage) (Message, error) {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		return Message{}, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	if m.ID <= 0 || m.Body == nil || m.CreatedAt.IsZero() {
		return Message{}, fmt.Errorf("%w: a message without id, body or created_at", feed.ErrMalformed)
	}
	return Message{Number: m.ID, Tweet: &market.Tweet{
		Source: Source, ID: fmt.Sprint(m.ID), Time: m.CreatedAt.UTC(), Author: m.User.Username, Text: html.UnescapeString(*m.Body),
		Repost: len(m.Reshared) > 0 && string(m.Reshared) != "null", Followers: m.User.Followers, FavoriteCount: m.Likes.Total,
		RetweetCount: m.Reshares.Count, ReplyCount: m.Conversation.Replies,
	}}, nil
}
