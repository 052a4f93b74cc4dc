package bluesky

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"rcas/ingestor/feed"
	"rcas/market"
)

// Source is the name of the source in posts.
const Source = "bluesky"

// collection is the kind of record that holds posts.
const collection = "app.bsky.feed.post"

// Event is what one message of a Jetstream said. Of Post, Deleted, Gone and Info at most one is set; none is for what does not
// concern posts.
type Event struct {
	// Seq is the host's own number of the event; zero where it has none.
	Seq int64
	// Time is when the host saw the event; zero for advisories.
	Time time.Time
	// Post is a new post.
	Post *market.Tweet
	// Deleted is the identifier of a post that its author deleted.
	Deleted string
	// Gone is the account that was deleted or taken down.
	Gone string
	// Updated tells that the record of a post was replaced.
	Updated bool
	// Info is the name of an advisory: OutdatedCursor.
	Info string
	// Unknown tells that the message is of a kind that the protocol did not have.
	Unknown bool
}

// ServerError is a stream's last word before it closes: ConsumerTooSlow, ….
type ServerError struct{ Name, Message string }

func (e *ServerError) Error() string { return fmt.Sprintf("jetstream says %s: %s", e.Name, e.Message) }

// message holds the fields of both wires: bare events on version 1, message and error frames on version 2.
type message struct {
	Type string `json:"$type"`

	DID     string          `json:"did"`
	TimeUS  int64           `json:"time_us"`
	Cursor  int64           `json:"cursor"`
	Kind    string          `json:"kind"`
	Commit  *commit         `json:"commit"`
	Account *account        `json:"account"`
	Payload json.RawMessage `json:"payload"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
}

// payload is a version 2 event. Its account field has the same place and form as on version 1.
type payload struct {
	Type    string    `json:"$type"`
	Seq     int64     `json:"seq"`
	DID     string    `json:"did"`
	Time    time.Time `json:"time"`
	Account *account  `json:"account"`
	Name    string    `json:"name"`
	commit
}

type commit struct {
	Rev        string          `json:"rev"`
	Operation  string          `json:"operation"`
	Collection string          `json:"collection"`
	Rkey       string          `json:"rkey"`
	Record     json.RawMessage `json:"record"`
}

type account struct {
	Active bool   `json:"active"`
	Status string `json:"status"`
}

type record struct {
	Text      *string  `json:"text"`
	Langs     []string `json:"langs"`
	CreatedAt string   `json:"createdAt"`
}

// Decode reads a message of either version. The error is [feed.ErrMalformed], or a [*ServerError] where the stream ends.
func Decode(text []byte) (Event, error) {
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return Event{}, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	switch {
	case m.Type == "error":
		return Event{}, &ServerError{Name: m.Error, Message: m.Message}
	case m.Type == "message":
		return decodeV2(m.Payload)
	case m.Type != "":
		return Event{Unknown: true}, nil
	case m.Kind == "" || m.DID == "" || m.TimeUS <= 0:
		return Event{}, fmt.Errorf("%w: an event without kind, did or time_us", feed.ErrMalformed)
	}
	event := Event{Seq: m.Cursor, Time: time.UnixMicro(m.TimeUS).UTC()}
	var err error
	switch m.Kind {
	case "commit":
		err = event.commit(m.DID, m.Commit)
	case "account":
		event.account(m.DID, m.Account)
	case "identity", "sync":
	default:
		event.Unknown = true
	}
	return event, err
}

func decodeV2(text json.RawMessage) (Event, error) {
	var p payload
	if err := json.Unmarshal(text, &p); err != nil {
		return Event{}, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	_, kind, _ := strings.Cut(p.Type, "#")
	if kind == "info" {
		return Event{Info: p.Name}, nil
	}
	if p.DID == "" || p.Seq <= 0 || p.Time.IsZero() {
		return Event{}, fmt.Errorf("%w: an event without did, seq or time", feed.ErrMalformed)
	}
	event := Event{Seq: p.Seq, Time: p.Time.UTC()}
	var err error
	switch kind {
	case "commit":
		err = event.commit(p.DID, &p.commit)
	case "account":
		event.account(p.DID, p.Account)
	case "identity", "sync":
	default:
		event.Unknown = true
	}
	return event, err
}

func (e *Event) account(did string, a *account) {
	if a != nil && !a.Active && (a.Status == "deleted" || a.Status == "takendown") {
		e.Gone = did
	}
}

func (e *Event) commit(did string, c *commit) error {
	if c == nil || c.Collection == "" || c.Rkey == "" {
		return fmt.Errorf("%w: a commit without collection or rkey", feed.ErrMalformed)
	}
	if c.Collection != collection {
		return nil
	}
	id := did + "/" + c.Collection + "/" + c.Rkey
	switch c.Operation {
	case "delete":
		e.Deleted = id
	case "update":
		e.Updated = true
	case "create":
		var r record
		if err := json.Unmarshal(c.Record, &r); err != nil {
			return fmt.Errorf("%w: %w", feed.ErrMalformed, err)
		}
		if r.Text == nil {
			return fmt.Errorf("%w: a post without text", feed.ErrMalformed)
		}
		e.Post = &market.Tweet{
			Source: Source, ID: id, Author: did, Text: *r.Text, Lang: language(r.Langs), Time: postTime(r.CreatedAt, c.Rev, e.Time),
		}
	default:
		e.Unknown = true
	}
	return nil
}

// postTime is when the post was made: what its author's software says, unless that lies in the future; then when the author's
// server took it in, which the revision tells; then when the host saw it. The first two are the same on every host and at every
// repetition, which a part of the key has to be.
func postTime(createdAt, rev string, seen time.Time) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, createdAt); err == nil && t.Before(seen.Add(market.MaxFuture)) {
		return t.UTC().Truncate(time.Microsecond)
	}
	if t, err := tidTime(rev); err == nil && t.Before(seen.Add(market.MaxFuture)) && t.After(market.Oldest) {
		return t
	}
	return seen
}

// tidAlphabet is that of timestamp identifiers, in sort order: https://atproto.com/specs/tid.
const tidAlphabet = "234567abcdefghijklmnopqrstuvwxyz"

var errNoTID = errors.New("not a timestamp identifier")

// tidTime returns the time within a timestamp identifier: thirteen digits of five bits, of which the last ten bits are no time.
func tidTime(tid string) (time.Time, error) {
	if len(tid) != 13 {
		return time.Time{}, errNoTID
	}
	var n uint64
	for i := range len(tid) {
		digit := strings.IndexByte(tidAlphabet, tid[i])
		if digit < 0 {
			return time.Time{}, errNoTID
		}
		n = n<<5 | uint64(digit)
	}
	return time.UnixMicro(int64(n >> 10 & (1<<53 - 1))).UTC(), nil
}

// language returns the first two letters of the first language tag ("en-US" is en), or "" where there is none of that form.
func language(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	tag, _, _ := strings.Cut(strings.ToLower(tags[0]), "-")
	if len(tag) != 2 || strings.Trim(tag, "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return tag
}
