package kraken

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
)

// envelope is any message of the feed: data of a channel, or the answer to a request.
type envelope struct {
	Channel string            `json:"channel"`
	Data    []json.RawMessage `json:"data"`
	Method  string            `json:"method"`
	Success *bool             `json:"success"`
	Error   string            `json:"error"`
	Product string            `json:"symbol"` // of an error
	Result  struct {
		Product string `json:"symbol"`
	} `json:"result"`
}

// trade is an entry of the trade channel, in snapshots and updates alike. Prices are JSON numbers there.
type trade struct {
	Product string           `json:"symbol"`
	Price   *exchange.Number `json:"price"`
	Volume  *exchange.Number `json:"qty"`
	ID      int64            `json:"trade_id"`
	Time    time.Time        `json:"timestamp"`
}

// Decode reads one message. A bad entry costs only itself.
func Decode(text []byte) (message exchange.Message, err error) {
	var m envelope
	if json.Unmarshal(text, &m) != nil || m.Channel == "" && m.Method == "" && m.Error == "" {
		return exchange.Message{Malformed: 1}, nil
	}
	if m.Error != "" || m.Success != nil && !*m.Success {
		return exchange.Message{Refused: strings.TrimSpace(m.Error + " " + m.Product)}, nil
	}
	switch {
	case m.Channel == "status":
		return exchange.Message{Relist: strings.Contains(string(text), `"online"`)}, nil
	case m.Channel == "heartbeat", m.Method == "pong":
		return exchange.Message{}, nil
	case m.Channel == "" && m.Method == "subscribe":
		return exchange.Message{Accepted: []string{m.Result.Product}}, nil
	case m.Channel != "trade":
		return exchange.Message{Unknown: true}, nil
	}
	for _, entry := range m.Data {
		var t trade
		bad := json.Unmarshal(entry, &t) != nil || t.Product == "" || t.ID <= 0 || t.Price == nil || t.Volume == nil
		if bad || t.Time.IsZero() {
			message.Malformed++
			continue
		}
		message.Trades = append(message.Trades, exchange.Trade{
			Product: t.Product, ID: t.ID, Time: t.Time.Truncate(time.Microsecond),
			Price: float64(*t.Price), Volume: float64(*t.Volume),
		})
	}
	return message, nil
}

// past is a trade as the REST endpoint tells it: [price, volume, seconds, side, order type, miscellaneous, number].
type past struct {
	price, volume exchange.Number
	at            time.Time
	id            int64
}

// UnmarshalJSON reads the array.
func (p *past) UnmarshalJSON(text []byte) error {
	var fields []json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	if len(fields) < 7 {
		return fmt.Errorf("%w: a trade of %d fields, 7 expected", feed.ErrMalformed, len(fields))
	}
	var err error
	for i, target := range []any{&p.price, &p.volume} {
		if err = json.Unmarshal(fields[i], target); err != nil {
			return err
		}
	}
	if p.at, err = seconds(string(fields[2])); err != nil {
		return err
	}
	return json.Unmarshal(fields[6], &p.id)
}

// seconds reads a decimal number of seconds since 1970 from its digits; a double would lose the last of them. The result is
// cut to microseconds, which is what the WebSocket feed gives: a trade must have one time whichever way it came.
func seconds(literal string) (time.Time, error) {
	whole, fraction, _ := strings.Cut(strings.Trim(literal, `"`), ".")
	fraction = (fraction + "000000")[:6]
	s, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || s <= 0 {
		return time.Time{}, fmt.Errorf("%w: %.40q is no time", feed.ErrMalformed, literal)
	}
	µs, err := strconv.ParseUint(fraction, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %.40q is no time", feed.ErrMalformed, literal)
	}
	return time.Unix(s, int64(µs)*1000).UTC(), nil
}
