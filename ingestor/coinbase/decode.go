package coinbase

import (
	"encoding/json"
	"errors"
	"time"

	"rcas/ingestor/exchange"
)

// match is a trade on the matches channel; last_match, which comes first after subscribing, has the same form.
type match struct {
	Type    string           `json:"type"`
	TradeID int64            `json:"trade_id"`
	Product string           `json:"product_id"`
	Price   *exchange.Number `json:"price"`
	Size    *exchange.Number `json:"size"`
	Time    time.Time        `json:"time"`
	// Of error messages.
	Message string `json:"message"`
	Reason  string `json:"reason"`
}

// Decode reads one message of the feed. Types that it does not know are ignored, as the documentation asks.
func Decode(text []byte) (exchange.Message, error) {
	var m match
	err := json.Unmarshal(text, &m) // of a message that is JSON at all, the type is known even so
	switch {
	case m.Type == "":
		return exchange.Message{Malformed: 1}, nil
	case m.Type == "error":
		return exchange.Message{Refused: m.Message + ": " + m.Reason}, errors.New("coinbase ended the subscription")
	case m.Type != "match" && m.Type != "last_match":
		return exchange.Message{}, nil
	case err != nil || m.Product == "":
		return exchange.Message{Malformed: 1}, nil
	}
	return m.message(m.Product), nil
}

func (m *match) message(product string) exchange.Message {
	if m.TradeID <= 0 || m.Price == nil || m.Size == nil || m.Time.IsZero() {
		return exchange.Message{Malformed: 1}
	}
	return exchange.Message{Trades: []exchange.Trade{{
		Product: product, ID: m.TradeID, Time: m.Time, Price: float64(*m.Price), Volume: float64(*m.Size),
	}}}
}
