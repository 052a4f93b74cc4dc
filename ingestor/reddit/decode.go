package reddit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rcas/ingestor/feed"
	"rcas/market"
)

// Source is the name of the source in posts.
const Source = "reddit"

// Listing is a page of comments or submissions, newest first.
type Listing struct {
	Things []Thing
	// Malformed are the entries that could not be read.
	Malformed []json.RawMessage
	// After is the full name to ask the next page with; "" at the last one.
	After string
}

// errNoSubreddit is an answer to a subreddit that is not there.
var errNoSubreddit = errors.New("the subreddit does not exist; is its name written right?")

// Thing is an entry of a listing.
type Thing struct {
	// Post is nil where the author or a moderator removed the text.
	Post *market.Tweet
	Name string
	Time time.Time

	comment bool
}

// thing is a comment (t1) or a submission (t3).
type thing struct {
	Name      string      `json:"name"`
	Author    string      `json:"author"`
	Created   json.Number `json:"created_utc"`
	Score     int64       `json:"score"`
	Body      *string     `json:"body"`
	Title     *string     `json:"title"`
	Selftext  string      `json:"selftext"`
	Comments  int64       `json:"num_comments"`
	Crosspost string      `json:"crosspost_parent"`
}

// UnmarshalJSON reads a listing; a bad entry costs only itself.
func (l *Listing) UnmarshalJSON(text []byte) error {
	var page struct {
		Kind string `json:"kind"`
		Data struct {
			After    string `json:"after"`
			Children []struct {
				Kind string          `json:"kind"`
				Data json.RawMessage `json:"data"`
			} `json:"children"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &page); err != nil {
		return err
	}
	if page.Kind != "Listing" {
		return fmt.Errorf("%w: no listing but %.40q", feed.ErrMalformed, page.Kind)
	}
	*l = Listing{After: page.Data.After}
	for _, child := range page.Data.Children {
		if child.Kind == "t5" { // what the search for a subreddit gives
			return fmt.Errorf("%w: a list of subreddits, not of posts", errNoSubreddit)
		}
	}
	for _, child := range page.Data.Children {
		t, err := decode(child.Data)
		if err != nil || !(child.Kind == "t1" && t.comment || child.Kind == "t3" && !t.comment) {
			l.Malformed = append(l.Malformed, child.Data)
			continue
		}
		l.Things = append(l.Things, t)
	}
	return nil
}

func decode(text json.RawMessage) (Thing, error) {
	var d thing
	if err := json.Unmarshal(text, &d); err != nil {
		return Thing{}, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	seconds, err := strconv.ParseFloat(d.Created.String(), 64)
	if err != nil || d.Name == "" || d.Body == nil && d.Title == nil || !(seconds > 0 && seconds < 1e11) {
		return Thing{}, fmt.Errorf("%w: an entry without name, text or time", feed.ErrMalformed)
	}
	t := Thing{Name: d.Name, Time: time.Unix(int64(seconds), 0).UTC(), comment: d.Body != nil}
	words, ok := d.text()
	if !ok {
		return t, nil
	}
	t.Post = &market.Tweet{
		Source: Source, ID: d.Name, Time: t.Time, Author: d.Author, Text: words, Repost: d.Crosspost != "",
		FavoriteCount: max(d.Score, 0), ReplyCount: max(d.Comments, 0),
	}
	if removed(d.Author) {
		t.Post.Author = ""
	}
	return t, nil
}

// text returns what there is to read, and whether it is still there.
func (d *thing) text() (string, bool) {
	if d.Body != nil {
		return *d.Body, !removed(*d.Body)
	}
	if d.Selftext == "" || removed(d.Selftext) {
		return *d.Title, !removed(*d.Title)
	}
	return strings.TrimSpace(*d.Title + "\n\n" + d.Selftext), !removed(*d.Title)
}

func removed(s string) bool { return s == "[deleted]" || s == "[removed]" }
