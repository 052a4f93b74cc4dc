package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"rcas/ingestor"
	"rcas/ingestor/archive"
	"rcas/market"
)

// Answer tells what became of a request. Read = Accepted + the sum of Dropped, unless nothing could be stored. Whether a post or
// trade was known already shows only in the database.
type Answer struct {
	// Read counts posts or trades, and lines that can't be read.
	Read int64 `json:"read"`
	// Accepted are safely in the stream.
	Accepted int64 `json:"accepted"`
	// Dropped counts by reason, and First tells the first case of each.
	Dropped map[string]int64  `json:"dropped,omitempty"`
	First   map[string]string `json:"first,omitempty"`
	// Error is why the request was refused, or not read to its end.
	Error string `json:"error,omitempty"`
}

func (a *Answer) drop(reason, first string) {
	if a.Dropped == nil {
		a.Dropped, a.First = map[string]int64{}, map[string]string{}
	}
	if a.Dropped[reason]++; a.Dropped[reason] == 1 {
		a.First[reason] = first
	}
}

// kinds of lines, as they stand in paths and subjects.
const (
	posts  = "posts"
	prices = "prices"
)

// Errors of take that are the sender's. Others are of reading the body.
var (
	errBadName = errors.New("a source or venue must be 1 to 64 letters, digits, dots, dashes or underscores")
	errNothing = errors.New("there is no line in it; send one JSON object a line")
	errNoLine  = errors.New("nothing of it can be read; first says why")
)

// errSink marks errors of the sink: RCAS itself cannot go on.
var errSink = errors.New("RCAS cannot store anything now; send it again later")

// goodName is what sources and venues may be called here. They become part of counters, subjects and keys.
var goodName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// desk is one run of the source.
type desk struct {
	*Push
	data context.Context // for the sink
	sink ingestor.Sink
	fail context.CancelCauseFunc // ends the run
}

// take reads lines of a kind, hands them to the sink and waits until they are safe. name is the source or venue of lines that
// don't tell theirs; "" stands for [Source].
func (d *desk) take(kind, name string, body io.Reader) (Answer, error) {
	if name == "" {
		name = Source
	}
	if !goodName.MatchString(name) {
		return Answer{}, errBadName
	}
	r := &request{desk: d, name: name}
	r.ctx = ingestor.WithDrops(d.data, func(reason string) { r.answer.drop(reason, r.told(reason)) })
	var err error
	if kind == posts {
		err = archive.ReadPosts(body, name, archive.Lines[market.Tweet]{Take: r.tweet, Drop: r.drop})
	} else {
		err = archive.ReadPrices(body, name, archive.Lines[market.Price]{Take: r.price, Drop: r.drop})
	}
	if !errors.Is(err, errSink) {
		err = errors.Join(err, r.safe(d.sink.Sync(d.data)))
	}
	if r.unread > 0 && r.unread == r.answer.Read { // one bad line in a request is its sender's mistake, and told to it
		d.state.Illegible([]byte(r.unreadable))
	} else {
		d.state.Legible(int(r.answer.Read - r.unread))
	}
	a := &r.answer
	if !errors.Is(err, errSink) {
		a.Accepted = a.Read
		for _, n := range a.Dropped {
			a.Accepted -= n
		}
	}
	switch {
	case err != nil:
		return *a, err
	case a.Read == 0:
		return *a, errNothing
	case r.unread == a.Read:
		return *a, errNoLine
	}
	return *a, nil
}

// request is one message or body.
type request struct {
	*desk
	ctx    context.Context
	name   string
	line   int       // the one at the sink
	at     time.Time // and its time
	unread int64
	// unreadable tells of the last line that could not be read.
	unreadable string
	answer     Answer
}

func (r *request) tweet(line int, t *market.Tweet) error {
	if !r.named(line, t.Source) {
		return nil
	}
	r.at = t.Time
	return r.safe(r.sink.Tweet(r.ctx, t))
}

func (r *request) price(line int, p *market.Price) error {
	if !r.named(line, p.Venue) {
		return nil
	}
	r.at = p.Time
	return r.safe(r.sink.Price(r.ctx, p))
}

// named counts what was read, and drops it where its source or venue is no name.
func (r *request) named(line int, name string) bool {
	r.answer.Read++
	r.line = line
	if goodName.MatchString(name) {
		return true
	}
	r.sink.Drop(r.name, "bad name")
	r.answer.drop("bad name", fmt.Sprintf("line %d: %.80q; %v", line, name, errBadName))
	return false
}

// told says what became of the one at the sink.
func (r *request) told(reason string) string {
	if reason != ingestor.DropFuture {
		return fmt.Sprintf("line %d", r.line)
	}
	now := time.Now().UTC()
	return fmt.Sprintf("line %d: its time, %s, is %s ahead of this machine's clock, which says %s: set the one right that is wrong, and send it again",
		r.line, r.at.UTC().Format(time.RFC3339), r.at.Sub(now).Round(time.Second), now.Format(time.RFC3339))
}

// remedies say what to change, by the reason why a line can't be read.
var remedies = map[string]string{
	"no time": "tell it as time, in RFC 3339 or as seconds since 1970", "no text": "tell it as text",
	"no id":   "give it an id of its own, so that it is stored once when it comes twice",
	"no post": "a post has id, time and text; trades go to /prices",
}

// drop counts a line that can't be read.
func (r *request) drop(line int, reason string, err error) {
	r.answer.Read++
	r.unread++
	r.sink.Drop(r.name, reason)
	text := fmt.Sprintf("line %d: %v", line, err)
	if remedy, ok := remedies[reason]; ok {
		text += "; " + remedy
	}
	r.answer.drop(reason, text)
	r.unreadable = text
}

// safe marks an error of the sink. Unless that has been told to stop, it ends the run.
func (r *request) safe(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%w: %w", errSink, err)
	if r.data.Err() == nil {
		r.fail(err)
	}
	return err
}
