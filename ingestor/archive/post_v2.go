package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"

	"rcas/market"
)

// postV2 is what only posts of the X API v2 have. Its counts stand in an object of their own.
type postV2 struct {
	AuthorID flexible `json:"author_id"`
	NoteText struct {
		Text string `json:"text"`
	} `json:"note_tweet"`
	Metrics *struct {
		Retweets count `json:"retweet_count"`
		Replies  count `json:"reply_count"`
		Likes    count `json:"like_count"`
		Quotes   count `json:"quote_count"`
	} `json:"public_metrics"`
	Referenced []struct {
		Type string   `json:"type"`
		ID   flexible `json:"id"`
	} `json:"referenced_tweets"`
}

// includes are the objects that a v2 envelope adds to its posts.
type includes struct {
	Users []struct {
		ID       flexible `json:"id"`
		Username string   `json:"username"`
		Metrics  struct {
			Followers count `json:"followers_count"`
		} `json:"public_metrics"`
	} `json:"users"`
	Tweets []wholeV2 `json:"tweets"`
}

// wholeV2 is a post in an envelope.
type wholeV2 struct {
	ID        flexible `json:"id"`
	CreatedAt flexible `json:"created_at"`
	Text      *string  `json:"text"`
	Lang      string   `json:"lang"`
	postV2
}

// decodeEnvelope reads {"data":…,"includes":…}, where data is one post (a line of a stream) or a list (a page of a search).
// Of a list, posts that can't be read don't keep the others from being read.
func decodeEnvelope(p *post, emit func(event) error) error {
	var posts []json.RawMessage
	if data := bytes.TrimSpace(p.Data); data[0] != '[' {
		posts = append(posts, data)
	} else if err := json.Unmarshal(data, &posts); err != nil {
		return malformed(err)
	}
	var bad []error
	for _, data := range posts {
		var whole wholeV2
		if err := json.Unmarshal(data, &whole); err != nil {
			bad = append(bad, malformed(err))
			continue
		}
		common := post{ID: whole.ID, CreatedAt: whole.CreatedAt, Text: whole.Text, Lang: whole.Lang}
		t, err := whole.tweet(&common, &p.Includes)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		if err := emit(event{tweet: t}); err != nil {
			return err
		}
	}
	return errors.Join(bad...)
}

// tweet reads a v2 post; p holds what it shares with other forms.
func (v *postV2) tweet(p *post, with *includes) (*market.Tweet, error) {
	if p.Text == nil && v.NoteText.Text == "" {
		return nil, &unreadable{reasonNoText, fmt.Errorf("post %.40q", p.ID)}
	}
	t := &market.Tweet{
		Source: sourceTwitter, ID: string(p.ID), Author: string(v.AuthorID), Lang: language(p.Lang),
		Text: html.UnescapeString(first(v.NoteText.Text, deref(p.Text))),
	}
	if m := v.Metrics; m != nil {
		t.RetweetCount, t.ReplyCount, t.FavoriteCount, t.QuoteCount =
			int64(m.Retweets), int64(m.Replies), int64(m.Likes), int64(m.Quotes)
	}
	for _, u := range with.Users {
		if u.ID == v.AuthorID {
			t.Author, t.Followers = first(u.Username, t.Author), int64(u.Metrics.Followers)
		}
	}
	for _, reference := range v.Referenced {
		if reference.Type != "retweeted" {
			continue
		}
		t.Repost = true
		for i := range with.Tweets {
			// The repost's own text is cut, the original's is not.
			if original := &with.Tweets[i]; original.ID == reference.ID {
				t.Text = html.UnescapeString(first(original.NoteText.Text, first(deref(original.Text), t.Text)))
			}
		}
	}
	return finish(t, p.CreatedAt)
}
