package market

import (
	"encoding/json"
	"fmt"
	"time"
)

// DecodeTweet reads a message of the TWEETS stream. The door made it valid; whoever publishes past the door gets an error here.
func DecodeTweet(data []byte, now time.Time) (*Tweet, error) {
	t := new(Tweet)
	if err := json.Unmarshal(data, t); err != nil {
		return nil, fmt.Errorf("not a post: %w", err)
	}
	if t.Deleted {
		return t, nil
	}
	t.Clean()
	if err := t.Validate(now); err != nil {
		return nil, fmt.Errorf("not a valid post: %w", err)
	}
	return t, nil
}

// DecodePrice reads a message of the PRICES stream; see [DecodeTweet].
func DecodePrice(data []byte, now time.Time) (*Price, error) {
	p := new(Price)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("not a price: %w", err)
	}
	if err := p.Validate(now); err != nil {
		return nil, fmt.Errorf("not a valid price: %w", err)
	}
	return p, nil
}
