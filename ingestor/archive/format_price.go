package archive

import (
	"encoding/json"
	"errors"
	"fmt"

	"rcas/market"
)

var rcasPrice = &format{
	name: "RCAS's own trades", holds: "trades",
	known: "JSON objects with `symbol`, `time` and `price`, and nothing that `rcas` doesn't write: what `rcas sql --json` prints of the table prices, what `/prices/` " +
		"takes",
	units:  "`volume` or `amount`, in coins",
	times:  "`time`",
	ids:    "`trade_id`, else made of time, price and volume",
	origin: "`venue`, else `--venue`",
	object: func(k keySet, o *object) bool {
		return k.all(ownPrice) && !k.any(sideKeys|textKeys) && (o.pass == nil || o.onlyKeys(priceMembers))
	},
	decode: func(o *object, emit func(event) error) error {
		p, err := decodePrice(o.raw, o.cfg)
		if err != nil {
			return err
		}
		return emit(event{price: p})
	},
}

var (
	ownPrice = keys("symbol", "time", "price")
	sideKeys = keys("side", "is_snapshot", "bids", "asks", "isBuyerMaker", "currency")
)

// priceMembers are what RCAS's own trades have; others are those of a table.
var priceMembers = map[string]bool{"symbol": true, "time": true, "price": true, "volume": true, "amount": true, "venue": true, "trade_id": true,
	"received_at": true}

// onlyKeys tells whether the object has no other members than these.
func (o *object) onlyKeys(known map[string]bool) bool {
	only := true
	members(o.raw, func(key, _ []byte) { only = only && known[string(key)] })
	return only
}

// trade is a price as a JSON object.
type trade struct {
	Venue   string   `json:"venue"`
	Symbol  string   `json:"symbol"`
	TradeID flexible `json:"trade_id"`
	Time    flexible `json:"time"`
	Price   flexible `json:"price"`
	Volume  flexible `json:"volume"`
	Amount  flexible `json:"amount"`
}

func decodePrice(raw []byte, cfg *Config) (*market.Price, error) {
	var t trade
	if err := json.Unmarshal(raw, &t); err != nil {
		return nil, malformed(err)
	}
	if t.Time == "" {
		return nil, &unreadable{reasonNoTime, fmt.Errorf("trade of %.40q", t.Symbol)}
	}
	if t.Symbol == "" {
		return nil, malformed(errors.New("the symbol is missing"))
	}
	if t.Price == "" {
		return nil, malformed(errors.New("the price is missing"))
	}
	p := &market.Price{Venue: first(t.Venue, first(cfg.Venue, defaultVenue)), TradeID: string(t.TradeID)}
	var ok bool
	if p.Symbol, ok = coinOf(t.Symbol); !ok {
		return nil, &unreadable{reasonNoDollar, fmt.Errorf("market %.40q", t.Symbol)}
	}
	at, err := parseMoment(string(t.Time), cfg.zone())
	if err != nil {
		return nil, malformed(err)
	}
	p.Time = at.Time
	if p.Price, err = parseNumber(string(t.Price)); err != nil {
		return nil, malformed(fmt.Errorf("price: %w", err))
	}
	volume := first(string(t.Volume), string(t.Amount))
	if p.Volume, err = parseNumber(volume); err != nil {
		return nil, malformed(fmt.Errorf("volume: %w", err))
	}
	switch {
	case p.TradeID == "":
		p.TradeID = contentID(p, string(t.Price)+"\x00"+volume)
	case !wholeID(p.TradeID):
		return nil, malformed(roundedID(p.TradeID))
	}
	return p, nil
}
