package backfill_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed/feedtest"
)

// tape is what a simulated coin was traded for, in order. Trades are numbered one by one.
type tape struct {
	base   string
	trades []exchange.Trade
}

// newTape trades a coin over a time: perMinute trades in a minute on average, and none for a while in the middle.
func newTape(rng *rand.Rand, base string, from, to time.Time, perMinute float64) *tape {
	t := &tape{base: base}
	id := int64(1 + rng.IntN(1_000_000))
	halted := from.Add(to.Sub(from) / 3)
	price := 100.0
	for at := from; ; id++ {
		at = at.Add(time.Duration(rng.ExpFloat64() * float64(time.Minute) / perMinute)).Truncate(time.Microsecond)
		if at.After(halted) && at.Before(halted.Add(10*time.Minute)) {
			at = halted.Add(10 * time.Minute)
		}
		if !at.Before(to) {
			return t
		}
		price = float64(int(price*(1+rng.NormFloat64()/1000)*100)) / 100
		t.trades = append(t.trades, exchange.Trade{ID: id, Time: at, Price: price, Volume: float64(1+rng.IntN(1000)) / 1024})
	}
}

// candles of the tape's minutes, those without a trade left out.
func (t *tape) candles() []exchange.Candle {
	var all []exchange.Candle
	for _, trade := range t.trades {
		start := trade.Time.Truncate(time.Minute)
		if n := len(all); n == 0 || !all[n-1].Start.Equal(start) {
			all = append(all, exchange.Candle{Start: start, Open: trade.Price, High: trade.Price, Low: trade.Price})
		}
		c := &all[len(all)-1]
		c.High, c.Low, c.Close, c.Volume = max(c.High, trade.Price), min(c.Low, trade.Price), trade.Price, c.Volume+trade.Volume
	}
	return all
}

// venue is a simulated exchange's REST endpoint.
type venue struct {
	tapes []*tape
	chaos *feedtest.Chaos
	now   time.Time

	mu       sync.Mutex
	requests int
	before   map[string][]exchange.Candle // the page answered before, by product, to repeat
	unlucky  map[string]int               // misfortunes in a row, by product: they pass
	empty    map[string]bool              // whether the last answer was empty without reason, by product
	blames   []string
}

func (v *venue) of(product string) *tape {
	for _, t := range v.tapes {
		if strings.HasPrefix(product, t.base) {
			return t
		}
	}
	return nil
}

func (v *venue) blame(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.blames = append(v.blames, fmt.Sprintf(format, args...))
}

// page returns the candles that begin in [from, to), as misfortune has it: with holes, of another time, those of the page before, or shuffled.
func (v *venue) page(product string, from, to time.Time) []exchange.Candle {
	all := v.of(product).candles()
	within := func(from, to time.Time) []exchange.Candle {
		var page []exchange.Candle
		for _, c := range all {
			if !c.Start.Before(from) && c.Start.Before(to) {
				page = append(page, c)
			}
		}
		return page
	}
	page := within(from, to)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.unlucky[product]++; v.unlucky[product] > 2 { // the third answer is true
		v.unlucky[product], v.empty[product], v.before[product] = 0, false, page
		return page
	}
	switch {
	case !v.empty[product] && v.chaos.Strikes("empty page", 0.08):
		v.empty[product] = true
		return nil
	case len(page) > 60 && v.chaos.Strikes("hole", 0.08):
		return slices.Delete(slices.Clone(page), 20, 60)
	case len(within(from.Add(-2*time.Hour), from)) > 0 && v.chaos.Strikes("wrong page", 0.08): // of a quiet coin it might look right
		return within(from.Add(-2*time.Hour), to.Add(-time.Hour))
	case len(v.before[product]) > 0 && v.chaos.Strikes("repeated page", 0.08):
		return v.before[product]
	case v.chaos.Strikes("out of order", 0.3):
		page = slices.Clone(page)
		for i := range page {
			j := v.chaos.Intn(i + 1)
			page[i], page[j] = page[j], page[i]
		}
	}
	v.unlucky[product], v.empty[product], v.before[product] = 0, false, page
	return page
}

// serve starts the endpoint, of which each venue's tests describe the paths.
func (v *venue) serve(t *testing.T, answer func(r *http.Request) (int, any)) string {
	return feedtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.requests++
		v.mu.Unlock()
		if v.chaos.Refuse(w, r, 0.25) {
			return
		}
		status, body := answer(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	})).URL
}

type object = map[string]any

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// coinbase speaks as Coinbase Exchange does: 300 candles, newest first, and the trades below a number.
func (v *venue) coinbase(r *http.Request) (int, any) {
	query := r.URL.Query()
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/products":
		list := []object{}
		for _, t := range v.tapes {
			list = append(list, object{"id": t.base + "-USD", "base_currency": t.base, "quote_currency": "USD", "status": "online"})
		}
		return http.StatusOK, list
	case len(path) == 3 && path[2] == "candles":
		from, err := time.Parse(time.RFC3339, query.Get("start"))
		to, err2 := time.Parse(time.RFC3339, query.Get("end"))
		if n := to.Sub(from)/time.Minute + 1; err != nil || err2 != nil || n > 300 || query.Get("granularity") != "60" {
			v.blame("asked for %d candles: %s", n, r.URL.RawQuery)
			return http.StatusBadRequest, object{"message": "granularity too small for the requested time range. Count of aggregations requested exceeds 300"}
		}
		rows := [][]float64{}
		for _, c := range slices.Backward(v.page(path[1], from, to.Add(time.Minute))) {
			rows = append(rows, []float64{float64(c.Start.Unix()), c.Low, c.High, c.Open, c.Close, c.Volume})
		}
		return http.StatusOK, rows
	case len(path) == 3 && path[2] == "trades":
		after, limit := number(query.Get("after")), number(query.Get("limit"))
		rows := []object{}
		for _, t := range slices.Backward(v.of(path[1]).trades) {
			if t.ID < after && int64(len(rows)) < limit {
				rows = append(rows, object{"trade_id": t.ID, "side": "buy", "size": decimal(t.Volume), "price": decimal(t.Price),
					"time": t.Time.Format("2006-01-02T15:04:05.000000Z")})
			}
		}
		return http.StatusOK, rows
	}
	return http.StatusNotFound, object{"message": "NotFound"}
}

// binance speaks as Binance does: 1,000 klines from a time on, quiet minutes among them, and trades from a number on.
func (v *venue) binance(r *http.Request) (int, any) {
	query := r.URL.Query()
	product := query.Get("symbol")
	switch r.URL.Path {
	case "/api/v3/exchangeInfo":
		list := []object{}
		for _, t := range v.tapes {
			list = append(list, object{"symbol": t.base + "USDT", "status": "TRADING", "baseAsset": t.base, "quoteAsset": "USDT"})
		}
		return http.StatusOK, object{"symbols": list}
	case "/api/v3/klines":
		from, to := time.UnixMilli(number(query.Get("startTime"))).UTC(), time.UnixMilli(number(query.Get("endTime"))+1).UTC()
		if to.Sub(from) > 1000*time.Minute {
			v.blame("asked for %s", to.Sub(from))
		}
		rows := [][]any{}
		for _, c := range quiet(v.page(product, from, to), from, to) {
			trades := map[bool]int{true: 0, false: 1}[c.Quiet]
			rows = append(rows, []any{c.Start.UnixMilli(), decimal(c.Open), decimal(c.High), decimal(c.Low), decimal(c.Close), decimal(c.Volume),
				c.Start.UnixMilli() + 59_999, decimal(c.Volume * c.Close), trades, "0", "0", "0"})
		}
		return http.StatusOK, rows
	case "/api/v3/historicalTrades":
		rows := []object{}
		for _, t := range v.of(product).trades {
			if t.ID >= number(query.Get("fromId")) && int64(len(rows)) < number(query.Get("limit")) {
				rows = append(rows, object{"id": t.ID, "price": decimal(t.Price), "qty": decimal(t.Volume), "time": t.Time.UnixMilli()})
			}
		}
		return http.StatusOK, rows
	}
	return http.StatusNotFound, object{}
}

// quiet puts the flat candles of minutes without a trade between those of a page.
func quiet(page []exchange.Candle, from, to time.Time) []exchange.Candle {
	if !slices.IsSortedFunc(page, func(a, b exchange.Candle) int { return a.Start.Compare(b.Start) }) {
		return page
	}
	var all []exchange.Candle
	last := 100.0
	for i, at := 0, from; i < len(page) && at.Before(to); at = at.Add(time.Minute) {
		if page[i].Start.Equal(at) {
			all, last = append(all, page[i]), page[i].Close
			i++
		} else if i > 0 && page[i].Start.Sub(page[i-1].Start) < 30*time.Minute {
			all = append(all, exchange.Candle{Start: at, Open: last, High: last, Low: last, Close: last, Quiet: true})
		}
	}
	if len(all) < len(page) {
		return page
	}
	return all
}

// kraken speaks as Kraken does: the newest 720 candles, however it is asked, and 1,000 trades from a time on.
func (v *venue) kraken(r *http.Request) (int, any) {
	query := r.URL.Query()
	answer := func(result any) (int, any) { return http.StatusOK, object{"error": []string{}, "result": result} }
	pair := query.Get("pair")
	switch r.URL.Path {
	case "/0/public/AssetPairs":
		pairs := object{}
		for _, t := range v.tapes {
			pairs[t.base+"USD"] = object{"wsname": t.base + "/USD", "status": "online"}
		}
		return answer(pairs)
	case "/0/public/OHLC":
		newest := v.now.Truncate(time.Minute).Add(time.Minute)
		rows := [][]any{}
		for _, c := range v.page(pair, newest.Add(-720*time.Minute), newest) {
			if c.Start.Unix() > number(query.Get("since")) {
				rows = append(rows, []any{c.Start.Unix(), decimal(c.Open), decimal(c.High), decimal(c.Low), decimal(c.Close), decimal(c.Close), decimal(c.Volume), 1})
			}
		}
		return answer(object{pair: rows, "last": newest.Add(-2 * time.Minute).Unix()})
	case "/0/public/Trades":
		if v.chaos.Strikes("rate limit", 0.1) {
			return http.StatusOK, object{"error": []string{"EGeneral:Too many requests"}}
		}
		rows := [][]any{}
		for _, t := range v.of(pair).trades {
			if t.Time.UnixNano() > number(query.Get("since")) && int64(len(rows)) < number(query.Get("count")) {
				rows = append(rows, []any{decimal(t.Price), decimal(t.Volume),
					json.Number(fmt.Sprintf("%d.%06d", t.Time.Unix(), t.Time.Nanosecond()/1000)), "b", "m", "", t.ID})
			}
		}
		return answer(object{pair: rows, "last": "0"})
	}
	return answer(object{})
}
