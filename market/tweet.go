package market

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Tweet is any short public post: a tweet, a Reddit comment, a Bluesky post. Its JSON form is what travels on the
// TWEETS stream and what `rcas replay` reads as normalised NDJSON.
type Tweet struct {
	// Source names the network: twitter, reddit, bluesky, ….
	Source string `json:"source"`
	// ID is the network's own identifier, unique within the source.
	ID string `json:"id"`
	// Time is when the author posted it, UTC.
	Time time.Time `json:"time"`
	// Author is the author's handle or id at the source; may be empty.
	Author string `json:"author,omitempty"`
	// Lang is the ISO 639-1 code of the text's language; empty when neither source nor detector could say.
	Lang string `json:"lang,omitempty"`
	// Text is the post as its reader sees it, entities unescaped.
	Text string `json:"text"`
	// Symbols are the coins that the post speaks of, sorted, without repeats.
	Symbols []string `json:"symbols"`
	// Repost tells that the post only passes on somebody else's (a retweet, a repost, a crosspost).
	Repost bool `json:"repost,omitempty"`
	// Deleted asks that text and author of the post (source, id) be forgotten; nothing else of the message counts. An ID that ends in
	// a slash stands for all that begin with it.
	Deleted bool `json:"deleted,omitempty"`
	// Counts as known when the post was read.
	Followers     int64 `json:"followers,omitempty"`
	QuoteCount    int64 `json:"quote_count,omitempty"`
	ReplyCount    int64 `json:"reply_count,omitempty"`
	RetweetCount  int64 `json:"retweet_count,omitempty"`
	FavoriteCount int64 `json:"favorite_count,omitempty"`
	// ReceivedAt is when RCAS read the post, UTC.
	ReceivedAt time.Time `json:"received_at"`
}

// MaxTextBytes bounds the text of one post. The longest post of any supported network (a Reddit comment, 10,000
// characters) fits several times; a longer one is cut at a rune, never refused.
const MaxTextBytes = 128 << 10

// maxNameBytes bounds source, id, author, symbol, venue and trade id: they are part of keys.
const maxNameBytes = 512

// Oldest is the earliest event time accepted: Bitcoin's genesis block. Anything older is a broken clock or a broken
// parser, and would open a chunk of its own.
var Oldest = time.Date(2009, 1, 3, 0, 0, 0, 0, time.UTC)

// MaxFuture is how far ahead of this machine's clock an event may be and still be accepted; feeds run a little ahead.
const MaxFuture = 10 * time.Second

// Errors of Validate. They are the reasons under which a source counts what it drops.
var (
	ErrFuture    = errors.New("time lies in the future")
	ErrAncient   = errors.New("time lies before 2009-01-03")
	ErrNoID      = errors.New("identifier is missing")
	ErrNoTime    = errors.New("time is missing")
	ErrBadName   = errors.New("name is too long or holds control characters")
	ErrBadPrice  = errors.New("price is not a positive finite number")
	ErrBadVolume = errors.New("volume is not a finite number of zero or more")
	ErrNoSymbol  = errors.New("symbol is missing")
)

// Clean makes the post storable: invalid UTF-8 becomes U+FFFD, NUL (which PostgreSQL cannot store) goes, the text is cut at
// [MaxTextBytes], times become UTC, negative counts become zero.
func (t *Tweet) Clean() {
	t.Text = Text(t.Text, MaxTextBytes)
	t.Author = Text(t.Author, maxNameBytes)
	t.Time = t.Time.UTC()
	t.ReceivedAt = t.ReceivedAt.UTC()
	for _, n := range []*int64{&t.Followers, &t.QuoteCount, &t.ReplyCount, &t.RetweetCount, &t.FavoriteCount} {
		*n = max(*n, 0)
	}
}

// Validate tells whether the post can enter RCAS at the time now.
func (t *Tweet) Validate(now time.Time) error {
	if t.ID == "" || t.Source == "" {
		return ErrNoID
	}
	for _, name := range [...]string{t.Source, t.ID, t.Lang} {
		if err := validateName(name); err != nil {
			return err
		}
	}
	for _, symbol := range t.Symbols {
		if err := validateName(symbol); err != nil {
			return err
		}
	}
	return validateTime(t.Time, now)
}

// Text returns s as valid UTF-8 without NUL, cut to at most limit bytes at a rune boundary.
func Text(s string, limit int) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func validateName(s string) error {
	if len(s) > maxNameBytes || !utf8.ValidString(s) {
		return fmt.Errorf("%w: %.40q", ErrBadName, s)
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return fmt.Errorf("%w: %.40q", ErrBadName, s)
		}
	}
	return nil
}

func validateTime(t, now time.Time) error {
	switch {
	case t.IsZero():
		return ErrNoTime
	case t.Before(Oldest):
		return fmt.Errorf("%w: %s", ErrAncient, t.Format(time.RFC3339))
	case t.After(now.Add(MaxFuture)):
		return fmt.Errorf("%w: %s", ErrFuture, t.Format(time.RFC3339))
	}
	return nil
}
