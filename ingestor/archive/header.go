package archive

import (
	"regexp"
	"slices"
	"strings"
)

// header is what the columns of a table are called.
type header struct {
	// names are the columns' names as they stand. A table without them has those of the form that it was known by.
	names []string
	at    map[string]int // plain name → column, the first where several are called the same
	// rows tells that the table has no names, and how its first records look: see headless.
	rows *sample
	// used are the columns that a reader was given the place of: of a file of columns, no others are read.
	used map[int]bool
}

func newHeader(names []string) *header {
	h := &header{names: names, at: map[string]int{}, used: map[int]bool{}}
	for i, name := range names {
		if name = plainName(name); name == "" {
			continue
		}
		if _, taken := h.at[name]; !taken {
			h.at[name] = i
		}
	}
	return h
}

// joints are the borders of words within names like openTime and trdMatchID.
var joints = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// plainName writes the name of a column in lower case with single underscores between its words: "Adj Close", adjClose and ADJ_CLOSE are
// adj_close, "Volume_(BTC)" is volume_btc, <CLOSE> and Close** are close.
func plainName(name string) string {
	name = joints.ReplaceAllString(strings.TrimSpace(name), "${1}_${2}")
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return strings.ContainsRune(" _-.()[]<>*/\t\u00A0'\"", r)
	})
	return strings.Join(words, "_")
}

// has tells whether there are columns of all the names.
func (h *header) has(names ...string) bool {
	for _, name := range names {
		if _, ok := h.at[name]; !ok {
			return false
		}
	}
	return true
}

// any tells whether there is a column of one of the names.
func (h *header) any(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return h.has(name) })
}

// of returns the column of the first of the names that is there; -1 for none.
func (h *header) of(names ...string) int {
	for _, name := range names {
		if i, ok := h.at[name]; ok {
			h.used[i] = true
			return i
		}
	}
	return -1
}

// all returns the columns of the names that are there, in the order of the names.
func (h *header) all(names ...string) (columns []int) {
	for _, name := range names {
		if i, ok := h.at[name]; ok {
			h.used[i] = true
			columns = append(columns, i)
		}
	}
	return columns
}

// field returns the field of a column without the blanks around it; "" where there is no such column.
func field(record []string, column int) string { return strings.TrimSpace(text(record, column)) }

// text returns the field as it is: of what people wrote, blanks are a part.
func text(record []string, column int) string {
	if column < 0 || column >= len(record) {
		return ""
	}
	return record[column]
}

// Names under which columns stand in archives, most telling first.
var (
	timeNames = []string{"created_utc", "created_at_utc", "unix", "unixtime", "unix_timestamp", "epoch", "open_time", "opentime", "time_open",
		"transact_time", "timestamp_ms", "created", "time", "timestamp", "datetime", "date_time", "created_at", "snapped_at", "date",
		"published_at", "posted_at", "post_date", "tweet_created", "tweet_created_at", "tweet_posted_time", "tweet_date", "created_time",
		"date_utc", "time_utc", "t", "time_period_start", "bucket", "start_time", "starttime", "start", "start_at", "time_start", "period_start",
		"begin", "gmt_time", "utc_time", "datetime_utc", "timestamp_utc", "time_exchange", "trade_time", "mts", "ts", "dt", "published",
		"published_date", "publish_date", "publication_date", "pub_date"}
	endNames = []string{"close_time", "closetime", "time_close", "end_time", "time_period_end", "end", "end_at", "time_end",
		"period_end", "timestamp_end", "date_end", "end_date"}
	symbolNames = []string{"symbol", "pair", "product", "product_id", "market", "instrument", "instrument_name", "inst_id", "ticker", "coin",
		"base_currency", "base_asset", "base"}
	venueNames = []string{"venue", "exchange"}
	quoteNames = []string{"currency", "quote_currency", "quote_asset", "vs_currency", "counter_currency", "quoted_in", "price_currency", "quote", "unit",
		"fiat"}
	openNames   = []string{"open", "o", "price_open", "open_price", "open_usd"}
	highNames   = []string{"high", "h", "price_high", "high_price", "high_usd"}
	lowNames    = []string{"low", "l", "price_low", "low_price", "low_usd"}
	closeNames  = []string{"close", "c", "price_close", "close_price", "close_usd"}
	widthNames  = []string{"interval", "timeframe", "resolution", "granularity", "period_id"}
	capNames    = []string{"market_cap", "marketcap", "mcap", "market_cap_usd"}
	volumeNames = []string{"volume", "base_volume", "volume_base", "volumefrom", "volume_from", "volume_traded", "base_asset_volume", "v"}
	priceNames  = []string{"price", "trade_price", "price_usd"}
	amountNames = []string{"home_notional", "base_qty", "amount", "qty", "quantity", "size", "volume", "base_amount", "base_size", "base_volume", "trade_size",
		"last_size"}
	idNames   = append([]string{"id"}, tradeNumbers...)
	sideNames = []string{"side", "is_buyer_maker", "taker_side", "type"}
)

// hasBars tells whether there are the columns of bars.
func (h *header) hasBars() bool {
	return (h.any(timeNames...) || h.any(endNames...)) && h.any(openNames...) && h.any(highNames...) && h.any(lowNames...) && h.any(closeNames...)
}

// hasTrades tells whether there are the columns of trades.
func (h *header) hasTrades() bool {
	return h.any(timeNames...) && h.any(priceNames...) && !h.any("high", "low")
}

// timeColumns finds the time in records. Of several columns, one that counts seconds or tells its zone goes before one that doesn't: a date
// without a zone beside a count is what some program made of it on its own clock.
type timeColumns struct {
	columns []int
	// date and clock are the columns of a date and of a time of day, where they stand apart; offset that of the zone.
	date, clock, offset int
}

func newTimeColumns(h *header, names ...string) timeColumns {
	t := timeColumns{columns: h.all(names...), date: -1, clock: -1, offset: h.of("timezone", "tz", "utc_offset")}
	if h.has("date", "time") {
		t.date, t.clock = h.of("date"), h.of("time")
	}
	return t
}

var (
	// clockTime is a time of day without a date; bareClock one without colons, beside a date.
	clockTime = regexp.MustCompile(`^\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[AaPp][Mm])?$`)
	bareClock = regexp.MustCompile(`^([01]\d|2[0-3])([0-5]\d)([0-5]\d)?$`)
)

func (t *timeColumns) of(record []string, cfg *Config) (moment, error) {
	if t.date >= 0 {
		clock := field(record, t.clock)
		if m := bareClock.FindStringSubmatch(clock); m != nil {
			clock = m[1] + ":" + m[2] + ":" + first(m[3], "00")
		}
		if clockTime.MatchString(clock) {
			return parseMoment(dashed(field(record, t.date))+" "+clock+field(record, t.offset), cfg.zone())
		}
	}
	var found moment
	var firstErr error
	ok := false
	for _, column := range t.columns {
		text := field(record, column)
		if text == "" {
			continue
		}
		m, err := parseMoment(text, cfg.zone())
		switch {
		case err == nil && m.sure:
			return m, nil
		case err == nil && !ok:
			found, ok = m, true
		case err != nil && firstErr == nil:
			firstErr = err
		}
	}
	switch {
	case ok:
		return found, nil
	case firstErr != nil:
		return found, firstErr
	}
	return found, &unreadable{reason: reasonNoTime}
}

// tell names the columns of the time.
func (t *timeColumns) tell(h *header) string {
	var names []string
	for _, column := range t.columns {
		names = append(names, h.names[column])
	}
	return strings.Join(names, " or ")
}
