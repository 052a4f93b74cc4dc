package twitter

import (
	"encoding/json"
	"fmt"
	"html"
	"strings"
	"time"

	"rcas/ingestor/feed"
	"rcas/market"
)

// Source is the name of the source in posts.
const Source = "twitter"

// envelope is a line of the stream or a page of a search: posts and what they refer to, or problems.
type envelope struct {
	Data     json.RawMessage `json:"data"`
	Includes includes        `json:"includes"`
	Errors   []problem       `json:"errors"`
	Meta     *meta           `json:"meta"`
	problem
}

// problem is one of X's problems, in errors[] or by itself.
type problem struct {
	Title      string `json:"title"`
	Detail     string `json:"detail"`
	Connection string `json:"connection_issue"`
	Disconnect string `json:"disconnect_type"`
}

type meta struct {
	NextToken string `json:"next_token"`
}

type includes struct {
	Users []struct {
		ID       string `json:"id"`
		Username string `json:"username"`
		Metrics  struct {
			Followers int64 `json:"followers_count"`
		} `json:"public_metrics"`
	} `json:"users"`
}

type post struct {
	ID        string    `json:"id"`
	Text      string    `json:"text"`
	CreatedAt time.Time `json:"created_at"`
	Lang      string    `json:"lang"`
	AuthorID  string    `json:"author_id"`
	Note      struct {
		Text string `json:"text"`
	} `json:"note_tweet"`
	Metrics struct {
		Retweets int64 `json:"retweet_count"`
		Replies  int64 `json:"reply_count"`
		Likes    int64 `json:"like_count"`
		Quotes   int64 `json:"quote_count"`
	} `json:"public_metrics"`
	Referenced []struct {
		Type string `json:"type"`
	} `json:"referenced_tweets"`
}

// StreamError is a problem told within the stream, after which it closes.
type StreamError struct {
	Title, Detail string
	// Connections tells that X sees too many connections.
	Connections bool
}

func (e *StreamError) Error() string { return fmt.Sprintf("x says %s: %s", e.Title, e.Detail) }

// Decode reads one line of the stream. The error is [feed.ErrMalformed], or a [*StreamError] where the stream ends. Problems
// beside a post concern what it refers to (an author who is suspended) and are ignored.
func Decode(line []byte) (*market.Tweet, error) {
	var e envelope
	if err := json.Unmarshal(line, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	if len(e.Data) > 0 {
		return e.post(e.Data)
	}
	problems := e.Errors
	if e.Title != "" {
		problems = append(problems, e.problem)
	}
	if len(problems) == 0 {
		return nil, fmt.Errorf("%w: neither data nor errors", feed.ErrMalformed)
	}
	p := problems[0]
	return nil, &StreamError{Title: p.Title, Detail: p.Detail, Connections: p.Connection == "TooManyConnections"}
}

// page is what a search gives.
type page struct {
	posts     []*market.Tweet
	malformed int
	next      string // token of the next page, "" at the last
}

// UnmarshalJSON reads the page; a bad post costs only itself.
func (p *page) UnmarshalJSON(text []byte) error {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return err
	}
	var posts []json.RawMessage
	if len(e.Data) > 0 {
		if err := json.Unmarshal(e.Data, &posts); err != nil {
			return err
		}
	}
	if e.Meta == nil { // even a page without posts has it: without, this is no page
		return fmt.Errorf("%w: no page of posts: %s %s", feed.ErrMalformed, e.Title, e.Detail)
	}
	*p = page{next: e.Meta.NextToken}
	for _, data := range posts {
		t, err := e.post(data)
		if err != nil {
			p.malformed++
			continue
		}
		p.posts = append(p.posts, t)
	}
	return nil
}

func (e *envelope) post(data json.RawMessage) (*market.Tweet, error) {
	var p post
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	if p.ID == "" || p.CreatedAt.IsZero() {
		return nil, fmt.Errorf("%w: a post without id or created_at", feed.ErrMalformed)
	}
	t := &market.Tweet{
		Source: Source, ID: p.ID, Author: p.AuthorID, Lang: language(p.Lang), Time: p.CreatedAt.UTC(),
		Text:         html.UnescapeString(p.Text),
		RetweetCount: p.Metrics.Retweets, ReplyCount: p.Metrics.Replies,
		FavoriteCount: p.Metrics.Likes, QuoteCount: p.Metrics.Quotes,
	}
	if p.Note.Text != "" { // the whole of a post whose text is cut
		t.Text = html.UnescapeString(p.Note.Text)
	}
	for _, user := range e.Includes.Users {
		if user.ID == p.AuthorID && user.ID != "" {
			t.Followers = user.Metrics.Followers
			if user.Username != "" {
				t.Author = user.Username
			}
		}
	}
	for _, reference := range p.Referenced {
		t.Repost = t.Repost || reference.Type == "retweeted"
	}
	return t, nil
}

// language returns the ISO 639-1 code of X's tag; "" for its tags of no language (und, qme, …) and of other forms.
func language(tag string) string {
	tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
	switch {
	case tag == "iw":
		return "he"
	case tag == "in":
		return "id"
	case len(tag) != 2 || strings.Trim(tag, "abcdefghijklmnopqrstuvwxyz") != "":
		return ""
	}
	return tag
}
