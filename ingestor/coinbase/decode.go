package coinbase

import (
	"encoding/json"
	"errors"
	"time"

	"rcas/ingestor/exchange"
)

// product is an entry of GET /products. While only orders are cancelled, or only such taken as do not match, nothing is traded.
type product struct {
	ID         string `json:"id"`
	Base       string `json:"base_currency"`
	Quote      string `json:"quote_currency"`
	Status     string `json:"status"`
	Disabled   bool   `json:"trading_disabled"`
	CancelOnly bool   `json:"cancel_only"`
	PostOnly   bool   `json:"post_only"`
	Auction    bool   `json:"auction_mode"`
}

// halted is the word for why the product does not trade.
func (p product) halted() string {
	switch {
	case p.Status != "online":
		return p.Status
	case p.Disabled:
		return "trading_disabled"
	case p.CancelOnly:
		return "cancel_only"
	case p.PostOnly:
		return "post_only"
	case p.Auction:
		return "auction_mode"
	}
	return ""
}

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
	// Of the acknowledgement of a subscription.
	Channels exchange.List[struct {
		Name     string   `json:"name"`
		Products []string `json:"product_ids"`
	}] `json:"channels"`
}

// Decode reads one message of the feed. Types that it does not know are ignored, as the documentation asks.
func Decode(text []byte) (exchange.Message, error) {
	var m match
	err := json.Unmarshal(text, &m) // of a message that is JSON at all, the type is known even so
	switch {
	case m.Type == "":
		return exchange.Message{Malformed: 1}, nil // also of another form: without a type nothing is known of it
	case m.Type == "error":
		return exchange.Message{Refused: m.Message + ": " + m.Reason}, errors.New("coinbase ended the subscription")
	case m.Type == "subscriptions":
		var accepted []string
		for _, channel := range m.Channels {
			if channel.Name == "matches" {
				accepted = append(accepted, channel.Products...)
			}
		}
		return exchange.Message{Accepted: accepted}, nil
	case m.Type != "match" && m.Type != "last_match":
		return exchange.Message{Unknown: m.Type != "heartbeat"}, nil
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
