package market

import (
	"fmt"
	"math"
	"time"
)

// Price is one trade at one venue. Its JSON form travels on the PRICES stream.
type Price struct {
	// Venue names the exchange: coinbase, binance, kraken, bitfinex, ….
	Venue string `json:"venue"`
	// Symbol is the coin as in the assets file, e.g. BTC. The quote currency is the dollar or a dollar stablecoin.
	Symbol string `json:"symbol"`
	// TradeID is the venue's own identifier, unique per venue and symbol.
	TradeID string `json:"trade_id"`
	// Time is when the trade happened at the venue, UTC.
	Time time.Time `json:"time"`
	// Price in quote currency per coin. A double: decimals of up to 15 significant digits survive unchanged.
	Price float64 `json:"price"`
	// Volume in coins; zero where an archive knows only the price.
	Volume float64 `json:"volume"`
	// ReceivedAt is when RCAS read the trade, UTC.
	ReceivedAt time.Time `json:"received_at"`
	// Fill tells that the trade, or the trade that stands for a bar, came after its minute was over, so that both the venue's trades and
	// its bar of that minute may be there. It is stored only where the minute has none of the other kind.
	Fill bool `json:"fill,omitempty"`
}

// Validate tells whether the trade can enter RCAS at the time now.
func (p *Price) Validate(now time.Time) error {
	if p.Symbol == "" {
		return ErrNoSymbol
	}
	if p.Venue == "" || p.TradeID == "" {
		return ErrNoID
	}
	for _, name := range []string{p.Venue, p.Symbol, p.TradeID} {
		if err := validateName(name); err != nil {
			return err
		}
	}
	if !(p.Price > 0) || math.IsInf(p.Price, 0) {
		return fmt.Errorf("%w: %v", ErrBadPrice, p.Price)
	}
	if !(p.Volume >= 0) || math.IsInf(p.Volume, 0) {
		return fmt.Errorf("%w: %v", ErrBadVolume, p.Volume)
	}
	return validateTime(p.Time, now)
}
