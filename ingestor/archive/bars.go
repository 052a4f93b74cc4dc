package archive

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// barForm is what a format of bars knows of its columns beyond their names.
type barForm struct {
	// close are the names of the column of the closing price, where it is called otherwise.
	close []string
	// venue is the exchange that the form belongs to; "" where it tells nothing.
	venue string
	// noVolume says why the volumes are not the coin's, where they never are.
	noVolume string
	// traded tells that each bar has been traded in, whatever its volume.
	traded bool
	// counted tells that bars without a trade have neither volume nor count, as Binance's: others are of an index.
	counted bool
}

// barTable reads bars from the records of a table.
type barTable struct {
	p       *pass
	h       *header
	form    barForm
	markets *markets
	time    timeColumns
	// The columns; -1 for none.
	end, open, high, low, close, volume, coins, quote, count, width int
	// unit is the coin that volume is counted in where its column names one.
	unit     string
	noVolume string
	file     *barFile
}

var (
	quoteVolumeNames = []string{"quote_volume", "quote_asset_volume", "volume_quote", "quote_vol", "turnover"}
	countNames       = []string{"count", "number_of_trades", "num_trades", "trade_count", "tradecount", "trades", "trades_count"}
)

// bars makes the reader of a table of bars.
func (p *pass) bars(h *header, form barForm) (recordReader, error) {
	t := &barTable{
		p: p, h: h, form: form, time: newTimeColumns(h, timeNames...), end: h.of(endNames...),
		open: h.of(openNames...), high: h.of(highNames...), low: h.of(lowNames...), close: h.of(append(closeNames, form.close...)...),
		volume: h.of(volumeNames...), coins: h.of("coin_volume"), quote: h.of(quoteVolumeNames...), count: h.of(countNames...), width: h.of(widthNames...),
		noVolume: form.noVolume,
	}
	if form.close != nil {
		t.close = h.of(form.close...)
	}
	named := ""
	switch {
	case t.volume < 0:
		t.volume, t.unit = h.volumeOfCoin()
		if named = t.unit; named == "CURRENCY" || !isCoin(named) || len(named) < 3 {
			named = ""
		}
	case t.noVolume == "" && h.any(capNames...):
		t.noVolume = "a table with a market cap counts volumes in dollars"
	}
	var err error
	if t.markets, err = p.markets(h, named, form.venue); err != nil {
		return nil, err
	}
	p.tally.venue(t.markets.venue)
	t.file = newBarFile(p, form, t.quote >= 0, t.markets.inverse)
	return t, nil
}

func (t *barTable) source() string { return t.markets.venue }

// about says what the columns are taken for.
func (t *barTable) about() string {
	name := func(column int) string { return t.h.names[column] }
	volume := "no volume"
	switch {
	case t.noVolume != "":
		volume = "no volume (" + t.noVolume + ")"
	case t.volume >= 0 && t.unit != "":
		volume = "volume from " + name(t.volume) + ", in " + t.unit
	case t.volume >= 0:
		volume = "volume from " + name(t.volume) + ", in coins"
	}
	return fmt.Sprintf("time from %s; open, high, low, close from %s, %s, %s, %s; %s; %s", first(t.time.tell(t.h), "the end of the bar"),
		name(t.open), name(t.high), name(t.low), name(t.close), volume, t.markets.origin)
}

func (t *barTable) finish() error { return t.file.finish() }

func (t *barTable) read(record []string) error {
	b, err := t.bar(record)
	if err != nil {
		return err
	}
	b.from = t.p.at
	return t.file.add(b)
}

// bar reads a record.
func (t *barTable) bar(record []string) (*bar, error) {
	b := &bar{}
	var err error
	if b.symbol, b.venue, err = t.markets.of(record); err != nil {
		return nil, err
	}
	if err := t.times(record, b); err != nil {
		return nil, err
	}
	prices := 0
	for _, column := range []struct {
		at    int
		value *float64
	}{{t.open, &b.open}, {t.high, &b.high}, {t.low, &b.low}, {t.close, &b.close}} {
		text := field(record, column.at)
		if strings.EqualFold(text, "nan") {
			*column.value = math.NaN()
		} else if text != "" && !strings.EqualFold(text, "null") {
			prices++
			if *column.value, err = t.p.number(text); err != nil {
				return nil, malformed(fmt.Errorf("%s: %w", t.h.names[column.at], err))
			}
		}
	}
	if prices == 0 {
		return nil, &unreadable{reason: reasonNoTrade}
	}
	for _, column := range []struct {
		at    int
		value *float64
	}{{t.volume, &b.volume}, {t.quote, &b.quote}, {t.count, &b.count}} {
		text := field(record, column.at)
		if strings.EqualFold(text, "nan") || strings.EqualFold(text, "null") || text == "-" {
			continue
		}
		if *column.value, err = t.p.number(text); err != nil {
			return nil, malformed(fmt.Errorf("%s: %w", t.h.names[column.at], err))
		}
	}
	if coins, err := t.p.number(field(record, t.coins)); err == nil && coins > 0 && b.quote >= coins*b.low/1.01 && b.quote <= coins*b.high*1.01 {
		b.volume = coins // the other counts contracts
	}
	// A volume of something else, as of one coin beside the bars of several, would be a wrong one.
	if b.unmeasured = t.volume < 0 || t.noVolume != "" || t.unit != "" && t.unit != b.symbol; b.unmeasured {
		b.volume = 0
	}
	return b, b.check()
}

// times reads when the bar begins, and how long it lasts where the record tells.
func (t *barTable) times(record []string, b *bar) error {
	end := field(record, t.end)
	if len(t.time.columns) == 0 {
		at, err := parseMoment(end, t.p.cfg.zone())
		if err != nil {
			return malformed(err)
		}
		b.start, b.isEnd, b.width = at.Time, true, widthOf(field(record, t.width))
		t.p.zoneTold(at.sure)
		return nil
	}
	at, err := t.time.of(record, t.p.cfg)
	if err != nil {
		return timeError(err)
	}
	t.p.zoneTold(at.sure || at.day) // days are those of UTC everywhere
	b.start, b.day = at.Time, at.day
	if end != "" {
		until, err := parseMoment(end, t.p.cfg.zone())
		if err != nil {
			return malformed(err)
		}
		if b.width = until.Sub(b.start).Round(time.Second); b.width < time.Second || b.width > maxWidth {
			return &unreadable{reasonBadBar, fmt.Errorf("it lasts from %s to %s", b.start, until.Time)}
		}
	}
	if width := widthOf(field(record, t.width)); width > 0 {
		b.width = width
	}
	return nil
}

// timeError makes an error of parseMoment one of a record.
func timeError(err error) error {
	if _, ok := err.(*unreadable); ok {
		return err
	}
	return malformed(err)
}

// interval is a width as files name it: 1m, 5min, 1h, 1 day, 1DAY.
var interval = regexp.MustCompile(`^(\d{1,4}) ?(s|sec|second|m|min|minute|t|h|hr|hour|d|day|w|week)s?$`)

// clockInterval is one as PostgreSQL writes it.
var clockInterval = regexp.MustCompile(`^(\d\d):(\d\d):00$`)

// widthOf reads the width of a bar; 0 where the text names none.
func widthOf(text string) time.Duration {
	if c := clockInterval.FindStringSubmatch(text); c != nil {
		hours, _ := strconv.Atoi(c[1])
		minutes, _ := strconv.Atoi(c[2])
		return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	}
	m := interval.FindStringSubmatch(strings.ToLower(text))
	if m == nil || strings.HasSuffix(text, "M") { // 1M is a month
		return 0
	}
	var n time.Duration
	for _, c := range m[1] {
		n = n*10 + time.Duration(c-'0')
	}
	switch m[2][0] {
	case 's':
		return n * time.Second
	case 'm', 't':
		return n * time.Minute
	case 'h':
		return n * time.Hour
	case 'd':
		return n * 24 * time.Hour
	}
	return n * 7 * 24 * time.Hour
}

// volumeIn is a column that names the unit of the volume in it: "Volume BTC", "Volume_(BTC)".
var volumeIn = regexp.MustCompile(`^VOLUME[ _]*\(?([A-Z0-9]+)\)?$`)

// volumeOfCoin returns the first column with a volume in another unit than dollars, and the unit; -1 where there is none.
func (h *header) volumeOfCoin() (at int, unit string) {
	for i, name := range h.names {
		m := volumeIn.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(name)))
		if m != nil && !isDollar(m[1]) && !noUnits[m[1]] && !(isOtherQuote(m[1]) && alias(m[1]) != "BTC" && m[1] != "ETH" && m[1] != "BNB") {
			h.used[i] = true
			return i, alias(m[1])
		}
	}
	return -1, ""
}

// noUnits are words behind "volume" that name no coin.
var noUnits = map[string]bool{"QUOTE": true, "CONTRACTS": true, "CONTRACT": true, "LOTS": true, "LOT": true, "TICKS": true, "TICK": true, "NOTIONAL": true,
	"COUNT": true, "FIAT": true, "BUY": true, "SELL": true, "TAKER": true, "TOTAL": true, "24H": true, "1D": true, "DOLLAR": true, "DOLLARS": true,
	"VALUE": true, "TURNOVER": true, "UNITS": true, "ADJUSTED": true, "CHANGE": true, "MA": true, "WEIGHTED": true, "OTHER": true, "RANK": true}

// foreignUnit returns the currency, other than the dollar and than coins, that a column of volume is counted in; "" for none.
func foreignUnit(h *header) string {
	for _, name := range h.names {
		m := volumeIn.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(name)))
		if m != nil && isOtherQuote(m[1]) && alias(m[1]) != "BTC" && m[1] != "ETH" && m[1] != "BNB" {
			return m[1]
		}
	}
	return ""
}
