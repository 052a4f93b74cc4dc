package archive

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"rcas/market"
)

// MaxPushedLine bounds a JSON value that [ReadPosts] and [ReadPrices] read: 1 MiB, room for the longest post with every byte escaped.
const MaxPushedLine = 1 << 20

// Lines is what to do with the values of a stream of JSON: one a line, several a line, pretty, or the elements of arrays. Lines are numbered
// from 1; a value has the number of the line that it begins in.
type Lines[T any] struct {
	// Take takes what a value says. Its error ends the reading.
	Take func(line int, event *T) error
	// Drop is told of a value, or a part of one, that can't be read: a short reason to count by, and the case.
	Drop func(line int, reason string, err error)
}

// ReadPosts reads posts to the end of in, in any JSON form that the package knows; source is that of posts that don't tell
// theirs. What a log shipper wrapped is unwrapped. Values that can't be read, or are longer than [MaxPushedLine], are dropped. The error is in's or Take's.
func ReadPosts(in io.Reader, source string, lines Lines[market.Tweet]) error {
	cfg := &Config{Source: source}
	return readValues(in, lines.Drop, func(line int, raw, head []byte) error {
		return shipped(raw, func(raw []byte) error {
			_, err := decodeJSON(raw, head, cfg, nil, func(e event) error {
				if e.tweet == nil {
					return &unreadable{reasonNoPost, errors.New("it is a price")}
				}
				if err := lines.Take(line, e.tweet); err != nil {
					return &fatal{err}
				}
				return nil
			})
			return err
		})
	})
}

// ReadPrices reads trades to the end of in, JSON objects: symbol (BTC, or a market against the dollar like BTC-USD),
// time, price, and optionally volume or amount, venue and trade_id. A trade without trade_id gets one made of its time, price
// and volume, so that one sent twice is known for what it is. See [ReadPosts] for the rest.
func ReadPrices(in io.Reader, venue string, lines Lines[market.Price]) error {
	cfg := &Config{Venue: venue}
	return readValues(in, lines.Drop, func(line int, raw, _ []byte) error {
		return shipped(raw, func(raw []byte) error {
			p, err := decodePrice(raw, cfg)
			if err != nil {
				return err
			}
			if err := lines.Take(line, p); err != nil {
				return &fatal{err}
			}
			return nil
		})
	})
}

// readValues hands every value to decode.
func readValues(in io.Reader, drop func(int, string, error), decode func(line int, raw, head []byte) error) error {
	values := newValueReader(unmarked(bufio.NewReaderSize(in, bufferBytes)), 1)
	values.limit = MaxPushedLine
	for {
		raw, line, err := values.next()
		u, unread := errors.AsType[*unreadable](err)
		switch {
		case err == io.EOF || errors.Is(err, errUnclosed):
			if err != io.EOF {
				drop(line, reasonMalformed, err)
			}
			return nil
		case unread && u.reason == reasonTooLong:
			drop(line, reasonTooLong, fmt.Errorf("it has more than %d bytes", MaxPushedLine))
			continue
		case unread:
			drop(line, u.reason, err)
			continue
		case errors.Is(err, errLostInArray):
			drop(line, reasonMalformed, err)
			return nil
		case err != nil:
			return err
		}
		for _, record := range unwrapped(raw) {
			err = decode(line, record, values.head())
			if f, ok := errors.AsType[*fatal](err); ok {
				return f.err
			}
			tellDrops(line, err, drop)
		}
	}
}

// unmarked returns a text without its byte order mark, in UTF-8. It waits for no more of it than that.
func unmarked(in *bufio.Reader) *bufio.Reader {
	switch head, _ := in.Peek(2); string(head) {
	case "\xFF\xFE", "\xFE\xFF":
		decoder := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()
		return bufio.NewReaderSize(transform.NewReader(in, decoder), bufferBytes)
	case "\xEF\xBB":
		if head, _ := in.Peek(3); string(head) == "\uFEFF" {
			_, _ = in.Discard(3)
		}
	}
	return in
}

// tellDrops calls drop for each of the errors joined in err.
func tellDrops(line int, err error, drop func(int, string, error)) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			tellDrops(line, one, drop)
		}
	} else if err != nil {
		reason := reasonOf(err)
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			err = fmt.Errorf("%q is a %s, which it cannot be", wrong.Field, wrong.Value)
		}
		drop(line, reason, err)
	}
}

// reasonOf is what the line is counted under.
func reasonOf(err error) string {
	if u, ok := errors.AsType[*unreadable](err); ok {
		return u.reason
	}
	return reasonMalformed
}
