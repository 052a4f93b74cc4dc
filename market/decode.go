package market

import (
	"fmt"
	"time"
)

// DecodeTweet reads a message of the TWEETS stream. The door made it valid; whoever publishes past the door gets an error here.
//
// The door judged by the clock of its machine at the time ReceivedAt whether the post lies in the future. A message is judged by that or by
// now, whichever is later: a clock that was stepped back since, or another machine's that is behind, takes nothing away.
func DecodeTweet(data []byte, now time.Time) (*Tweet, error) {
	t := new(Tweet)
	if err := readTweet(data, t); err != nil {
		return nil, fmt.Errorf("not a post: %w", err)
	}
	if t.Deleted {
		return t, nil
	}
	t.Clean()
	if err := t.Validate(later(now, t.ReceivedAt)); err != nil {
		return nil, fmt.Errorf("not a valid post: %w", err)
	}
	return t, nil
}

// DecodePrice reads a message of the PRICES stream; see [DecodeTweet].
func DecodePrice(data []byte, now time.Time) (*Price, error) {
	p := new(Price)
	if err := readPrice(data, p); err != nil {
		return nil, fmt.Errorf("not a price: %w", err)
	}
	if err := p.Validate(later(now, p.ReceivedAt)); err != nil {
		return nil, fmt.Errorf("not a valid price: %w", err)
	}
	return p, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
