package binance

import (
	"encoding/json"
	"time"

	"rcas/ingestor/exchange"
)

// event is the payload of a stream. Both cases of a letter are named: encoding/json would else take one for the other.
type event struct {
	Type      string           `json:"e"`
	EventTime json.RawMessage  `json:"E"`
	Product   string           `json:"s"`
	ID        int64            `json:"t"`
	Time      int64            `json:"T"`
	Price     *exchange.Number `json:"p"`
	Quantity  *exchange.Number `json:"q"`
}

// Decode reads one message of a combined stream, or of a raw one.
func Decode(text []byte) (exchange.Message, error) {
	var envelope struct {
		Stream string          `json:"stream"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		return exchange.Message{Malformed: 1}, nil
	}
	if envelope.Data != nil {
		text = envelope.Data
	}
	var kind struct {
		Type string          `json:"e"`
		Time json.RawMessage `json:"E"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return exchange.Message{Malformed: 1}, nil
	}
	switch kind.Type {
	case "trade":
		return decodeTrade(text), nil
	case "serverShutdown":
		return exchange.Message{Shutdown: true}, nil
	case "":
		return exchange.Message{Malformed: 1}, nil
	}
	return exchange.Message{Unknown: true}, nil
}

func decodeTrade(text []byte) exchange.Message {
	var e event
	if err := json.Unmarshal(text, &e); err != nil || e.Product == "" || e.ID <= 0 || e.Price == nil || e.Quantity == nil {
		return exchange.Message{Malformed: 1}
	}
	at, ok := instant(e.Time)
	if !ok {
		return exchange.Message{Malformed: 1}
	}
	return exchange.Message{Trades: []exchange.Trade{{
		Product: e.Product, ID: e.ID, Time: at, Price: float64(*e.Price), Volume: float64(*e.Quantity),
	}}}
}

// instant reads a time in milliseconds, the default, or in microseconds, where the URL asks for them: no time in milliseconds
// of the next three thousand years has as many digits as one in microseconds since 2009.
func instant(n int64) (time.Time, bool) {
	switch {
	case n <= 0:
		return time.Time{}, false
	case n >= 1e14:
		return time.UnixMicro(n).UTC(), true
	}
	return time.UnixMilli(n).UTC(), true
}

// past is a trade as the REST endpoint tells it.
type past struct {
	ID       int64            `json:"id"`
	Price    *exchange.Number `json:"price"`
	Quantity *exchange.Number `json:"qty"`
	Time     int64            `json:"time"`
}

func decodePast(product string, answer exchange.List[past]) []exchange.Trade {
	var trades []exchange.Trade
	for _, p := range answer {
		at, ok := instant(p.Time)
		if !ok || p.ID <= 0 || p.Price == nil || p.Quantity == nil {
			continue
		}
		trades = append(trades, exchange.Trade{
			Product: product, ID: p.ID, Time: at, Price: float64(*p.Price), Volume: float64(*p.Quantity),
		})
	}
	return trades
}
