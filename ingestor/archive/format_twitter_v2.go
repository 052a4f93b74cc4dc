package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"rcas/ingestor/twitter"
	"rcas/market"
)

var twitterV2 = &format{
	name: "X API v2 posts", holds: "posts",
	known: "JSON objects with `author_id`, `public_metrics`, `referenced_tweets`, `edit_history_tweet_ids`, `conversation_id` or `note_tweet`, " +
		"or a client like \"Twitter for iPhone\" under `source`; pages and lines of a stream, `{\"data\":…,\"includes\":…}`; flattened by twarc",
	times:  "`created_at`, RFC 3339",
	ids:    "`id`; of an edit that of the first version",
	origin: "twitter",
	object: func(k keySet, o *object) bool {
		switch {
		case k.any(dataKey):
			return !isRedditPage(o)
		case k.any(v1Keys | userKey | bodyKey | recordKeys):
			return false
		}
		return k.any(v2Keys) || k.all(sentWith) && isClient(o.member("source"))
	},
	decode: decodeV2,
}

// What posts of the v2 API are known by.
var (
	dataKey  = keys("data")
	v2Keys   = keys("author_id", "public_metrics", "referenced_tweets", "edit_history_tweet_ids", "conversation_id", "note_tweet")
	sentWith = keys("source", "text", "created_at")
)

// member returns a member that is a string; "" where it is none.
func (o *object) member(name string) (text string) {
	members(o.raw, func(key, value []byte) {
		if string(key) == name && value[0] == '"' {
			text = plainField(value)
		}
	})
	return text
}

// postV2 is a post of the X API v2.
type postV2 struct {
	ID        flexible `json:"id"`
	CreatedAt flexible `json:"created_at"`
	Text      *string  `json:"text"`
	Lang      string   `json:"lang"`
	AuthorID  flexible `json:"author_id"`
	// Edits are the identifiers of all versions, the first one first.
	Edits    []string `json:"edit_history_tweet_ids"`
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
		Type string `json:"type"`
		originalV2
	} `json:"referenced_tweets"`
	// Author stands in the post where twarc has flattened it. Others write a name.
	Author authorV2 `json:"author"`
}

// originalV2 is what a repost passes on.
type originalV2 struct {
	ID       flexible `json:"id"`
	Text     string   `json:"text"`
	NoteText struct {
		Text string `json:"text"`
	} `json:"note_tweet"`
}

func (t *originalV2) whole() string { return first(t.NoteText.Text, t.Text) }

// userV2 is a user of the X API v2.
type userV2 struct {
	ID       flexible `json:"id"`
	Username string   `json:"username"`
	Metrics  struct {
		Followers count `json:"followers_count"`
	} `json:"public_metrics"`
}

// authorV2 is a user, or a name alone.
type authorV2 struct{ userV2 }

func (a *authorV2) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &a.Username)
	}
	return json.Unmarshal(data, &a.userV2)
}

// includes are the objects that an envelope adds to its posts.
type includes struct {
	Users  []userV2     `json:"users"`
	Tweets []originalV2 `json:"tweets"`
}

// decodeV2 reads a post, or {"data":…,"includes":…}, where data is one post (a line of a stream) or a list (a page of a search). Of a list,
// posts that can't be read don't keep the others from being read.
func decodeV2(o *object, emit func(event) error) error {
	if !o.keys.any(dataKey) {
		return decodePostV2(o.raw, &includes{}, o.cfg, emit)
	}
	var page struct {
		Data     json.RawMessage `json:"data"`
		Includes includes        `json:"includes"`
	}
	if err := o.into(&page); err != nil {
		return err
	}
	posts := []json.RawMessage{page.Data}
	if data := bytes.TrimSpace(page.Data); data[0] == '[' {
		if err := json.Unmarshal(data, &posts); err != nil {
			return malformed(err)
		}
	}
	var bad []error
	for _, data := range posts {
		err := decodePostV2(data, &page.Includes, o.cfg, emit)
		if u, ok := errors.AsType[*unreadable](err); ok {
			bad = append(bad, u)
		} else if err != nil {
			return err
		}
	}
	return errors.Join(bad...)
}

func decodePostV2(raw []byte, with *includes, cfg *Config, emit func(event) error) error {
	var p postV2
	if err := json.Unmarshal(raw, &p); err != nil {
		return malformed(err)
	}
	if p.Text == nil && p.NoteText.Text == "" {
		return &unreadable{reasonNoText, fmt.Errorf("post %.40q", p.ID)}
	}
	t := &market.Tweet{
		Source: sourceTwitter, ID: string(p.ID), Author: first(p.Author.Username, string(p.AuthorID)), Lang: language(p.Lang),
		Text: unescape(first(p.NoteText.Text, deref(p.Text))), Followers: int64(p.Author.Metrics.Followers),
	}
	if m := p.Metrics; m != nil {
		t.RetweetCount, t.ReplyCount, t.FavoriteCount, t.QuoteCount =
			int64(m.Retweets), int64(m.Replies), int64(m.Likes), int64(m.Quotes)
	}
	for _, u := range with.Users {
		if u.ID == p.AuthorID && u.ID != "" {
			t.Author, t.Followers = first(u.Username, t.Author), int64(u.Metrics.Followers)
		}
	}
	for _, reference := range p.Referenced {
		if reference.Type != "retweeted" {
			continue
		}
		// The repost's own text is cut, the original's is not.
		t.Repost = true
		original := reference.whole()
		for i := range with.Tweets {
			if with.Tweets[i].ID == reference.ID {
				original = first(with.Tweets[i].whole(), original)
			}
		}
		t.Text = first(unescape(original), t.Text)
	}
	edited := len(p.Edits) > 0 && p.Edits[0] != "" && p.Edits[0] != t.ID
	if edited { // is the first version once more, as it is to the live source
		t.ID = p.Edits[0]
	}
	return finish(t, string(p.CreatedAt), cfg.zone(), func(e event) error {
		if edited {
			e.tweet.Time = twitter.Written(t.ID, e.tweet.Time)
		}
		return emit(e)
	})
}
