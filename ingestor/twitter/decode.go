package twitter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"strconv"
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
	// Tweets are the posts referred to.
	Tweets []struct {
		ID string `json:"id"`
		words
	} `json:"tweets"`
}

// words are a post's text: Text may be cut, and Note has all of it then.
type words struct {
	Text *string `json:"text"`
	Note struct {
		Text string `json:"text"`
	} `json:"note_tweet"`
}

func (w *words) whole() string {
	if w.Note.Text == "" && w.Text != nil {
		return html.UnescapeString(*w.Text)
	}
	return html.UnescapeString(w.Note.Text)
}

type post struct {
	ID string `json:"id"`
	words
	CreatedAt time.Time `json:"created_at"`
	Lang      string    `json:"lang"`
	AuthorID  string    `json:"author_id"`
	// Edits are the identifiers of all versions, the first one first; each edit is a post of its own to X.
	Edits   []string `json:"edit_history_tweet_ids"`
	Metrics struct {
		Retweets int64 `json:"retweet_count"`
		Replies  int64 `json:"reply_count"`
		Likes    int64 `json:"like_count"`
		Quotes   int64 `json:"quote_count"`
	} `json:"public_metrics"`
	Referenced []struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"referenced_tweets"`
}

// Bill counts what X bills of an answer: every post and every user in it, those referred to among them.
type Bill struct {
	Posts, Users int
}

// Post is a post of X. Edit tells that it is a later version; it has the identifier and, where that tells it, the time of the first.
type Post struct {
	*market.Tweet
	Edit bool
}

// StreamError is a problem told within the stream, after which it closes.
type StreamError struct {
	Title, Detail string
	// Connections tells that X sees too many connections.
	Connections bool
}

func (e *StreamError) Error() string { return fmt.Sprintf("x says %s: %s", e.Title, e.Detail) }

// Decode reads one line of the stream, and what X bills for it, also with an error. The error is [feed.ErrMalformed], or a
// [*StreamError] where the stream ends. Problems beside a post concern what it refers to (an author who is suspended) and are ignored.
func Decode(line []byte) (Post, Bill, error) {
	var e envelope
	if err := json.Unmarshal(line, &e); err != nil {
		return Post{}, Bill{}, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	if len(e.Data) > 0 {
		p, err := e.post(e.Data)
		return p, e.bill(1), err
	}
	problems := e.Errors
	if e.Title != "" {
		problems = append(problems, e.problem)
	}
	if len(problems) == 0 {
		return Post{}, Bill{}, fmt.Errorf("%w: neither data nor errors", feed.ErrMalformed)
	}
	p := problems[0]
	return Post{}, Bill{}, &StreamError{Title: p.Title, Detail: p.Detail, Connections: p.Connection == "TooManyConnections"}
}

// page is what a search gives.
type page struct {
	posts     []Post
	malformed []json.RawMessage
	bill      Bill
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
	*p = page{next: e.Meta.NextToken, bill: e.bill(len(posts))}
	for _, data := range posts {
		post, err := e.post(data)
		if err != nil {
			p.malformed = append(p.malformed, data)
			continue
		}
		p.posts = append(p.posts, post)
	}
	return nil
}

func (e *envelope) bill(posts int) Bill {
	return Bill{Posts: posts + len(e.Includes.Tweets), Users: len(e.Includes.Users)}
}

func (e *envelope) post(data json.RawMessage) (Post, error) {
	var p post
	if err := json.Unmarshal(data, &p); err != nil {
		return Post{}, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	if p.ID == "" || p.CreatedAt.IsZero() || p.Text == nil {
		return Post{}, fmt.Errorf("%w: a post without id, created_at or text", feed.ErrMalformed)
	}
	t := &market.Tweet{
		Source: Source, ID: p.ID, Author: p.AuthorID, Lang: language(p.Lang), Time: p.CreatedAt.UTC(),
		Text:         p.whole(),
		RetweetCount: p.Metrics.Retweets, ReplyCount: p.Metrics.Replies,
		FavoriteCount: p.Metrics.Likes, QuoteCount: p.Metrics.Quotes,
	}
	edit := len(p.Edits) > 0 && p.Edits[0] != "" && p.Edits[0] != p.ID
	if edit {
		t.ID, t.Time = p.Edits[0], Written(p.Edits[0], t.Time)
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
		if reference.Type != "retweeted" {
			continue
		}
		t.Repost = true
		for i := range e.Includes.Tweets { // the text of a repost itself is cut, however long the original is
			if original := &e.Includes.Tweets[i]; original.ID == reference.ID {
				t.Text = cmp.Or(original.whole(), t.Text)
			}
		}
	}
	return Post{Tweet: t, Edit: edit}, nil
}

// How an identifier of X tells its post's time: milliseconds since the epoch below, in its bits from the 22nd on. See
// https://docs.x.com/fundamentals/x-ids.
const (
	idEpoch = 1_288_834_974_657
	idShift = 22
)

// editable is how long after it was written a post can be edited.
const editable = time.Hour

// Written returns when the post with the identifier was first written, to the second as X tells it, where an edit was made at edited;
// that itself where the identifier tells no such time.
func Written(id string, edited time.Time) time.Time {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return edited
	}
	first := time.UnixMilli(n>>idShift + idEpoch).UTC().Truncate(time.Second)
	if age := edited.Sub(first); age < 0 || age > editable+time.Minute {
		return edited
	}
	return first
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
