package archive

import (
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"time"

	"rcas/market"
)

// tradeForm is what a format of trades knows of its columns beyond their names.
type tradeForm struct {
	// amount are the names of the column of the amount in coins, where it is not one of the usual; none where no column is that.
	amount []string
	// noAmount says why no column is the amount in coins.
	noAmount string
	// idPrefix stands before ids that are numbered apart from those of other files of the venue.
	idPrefix string
	// value is the column that is either what was paid or, of futures in contracts, the amount in coins: the figures tell which.
	value []string
	// venue is the exchange that the form belongs to; "" where it tells nothing.
	venue string
}

// tradeTable reads trades from the records of a table.
type tradeTable struct {
	p       *pass
	h       *header
	form    tradeForm
	markets *markets
	time    timeColumns
	// The columns; -1 for none.
	price, amount, value, id, side int
	// amounts are the columns that may be the amount in coins, kinds those that say what a row is.
	amounts, kinds []int
	seen           int
	told           bool
	made           *madeIDs
	stored         storedTimes
}

// trades makes the reader of a table of trades.
func (p *pass) trades(h *header, form tradeForm) (recordReader, error) {
	t := &tradeTable{
		p: p, h: h, form: form, time: newTimeColumns(h, timeNames...), price: h.of(priceNames...), amount: -1, value: h.of(form.value...),
		id: h.of(idNames...), side: h.of(sideNames...), kinds: h.all(kindNames...), made: newMadeIDs(),
		stored: storedTimes{p: p},
	}
	if form.value == nil {
		t.value = h.of(valueNames...)
	}
	switch {
	case form.amount != nil:
		t.amount = h.of(form.amount...)
	case form.noAmount == "":
		t.amount = h.of(amountNames...)
		t.amounts = h.all(amountNames...)
	}
	if t.form.noAmount == "" && t.id < 0 && h.has("bid", "ask") {
		t.amount, t.amounts, t.form.noAmount = -1, nil, "a table of bids and asks counts the volume of a day"
	}
	if t.form.noAmount == "" && h.any(capNames...) {
		t.amount, t.form.noAmount = -1, "a table with a market cap counts volumes in dollars"
	}
	unit := ""
	if t.amount < 0 && t.form.noAmount == "" {
		if t.amount, unit = h.volumeOfCoin(); !isCoin(unit) || len(unit) < 3 {
			t.amount, unit = -1, ""
		}
	}
	var err error
	if t.markets, err = p.markets(h, unit, form.venue); err != nil {
		return nil, err
	}
	p.tally.venue(t.markets.venue)
	if t.amount < 0 {
		p.tally.note(t.markets.venue, noteNoVolume, p.at.file)
	}
	return t, nil
}

func (t *tradeTable) source() string { return t.markets.venue }

func (t *tradeTable) finish() error { return nil }

func (t *tradeTable) about() string {
	amount := "no amount"
	switch {
	case t.form.noAmount != "":
		amount += " (" + t.form.noAmount + ")"
	case t.amount >= 0:
		amount = "amount from " + t.h.names[t.amount] + ", in coins"
	}
	id := "ids made of what was traded when"
	if t.id >= 0 {
		id = "ids from " + t.h.names[t.id]
	}
	return fmt.Sprintf("time from %s; price from %s; %s; %s; %s", t.time.tell(t.h), t.h.names[t.price], amount, id, t.markets.origin)
}

func (t *tradeTable) read(record []string) error {
	trade, err := t.trade(record)
	if err != nil {
		return err
	}
	if err := t.stored.check(trade.Symbol, trade.Venue, 0, trade.Time, time.Time{}); err != nil {
		return err
	}
	t.p.price(trade)
	return t.p.emit(event{price: trade})
}

// tradeNumbers are columns of the number of a trade, which no order and no level of a book has.
var tradeNumbers = []string{"trade_id", "tradeid", "trd_match_id", "agg_trade_id", "tid", "exec_id"}

// kindNames are columns that say what a row is, where rows of several kinds stand together.
var kindNames = []string{"action", "type", "event", "event_type", "update_type", "price_type", "kind", "liquidation", "is_liquidation"}

// noTrades are what rows are that are no trades, by what such a column says; ofBooks the same where no column is the number of a trade.
var (
	noTrades = map[string]string{
		"mark": "a mark price", "mark_price": "a mark price", "index": "an index price", "index_price": "an index price", "funding": "a funding rate",
		"premium": "a premium index", "liquidation": "a liquidation", "settlement": "a settlement price",
	}
	ofBooks = map[string]string{
		"received": "an order", "open": "an order", "done": "an order", "change": "an order", "activate": "an order", "cancel": "an order",
		"canceled": "an order", "add": "an order", "modify": "an order", "partial": "an update of an order book",
		"insert": "an update of an order book", "update": "an update of an order book", "delete": "an update of an order book",
		"snapshot": "an update of an order book", "l2update": "an update of an order book", "quote": "a quote",
	}
)

// kind returns an error for a row that is no trade: a level of an order book, an order, a mark price, a liquidation.
func (t *tradeTable) kind(record []string, side string) error {
	if t.id < 0 {
		switch side {
		case "bid", "ask", "bids", "asks", "a": // those of trades are b and s
			if t.seen == 0 {
				return refuse("its rows are bids and asks without the number of a trade: it is an order book, and no trades")
			}
			return &unreadable{reasonNoTrade, fmt.Errorf("%q, a side of an order book", side)}
		}
	}
	for _, column := range t.kinds {
		value := strings.ToLower(field(record, column))
		what := noTrades[value]
		if what == "" && !t.h.any(tradeNumbers...) {
			what = ofBooks[value]
		}
		if name := plainName(t.h.names[column]); (name == "liquidation" || name == "is_liquidation") && (value == "true" || value == "1") {
			what = "a liquidation"
		}
		if what != "" {
			return &unreadable{reasonNoTrade, fmt.Errorf("%s: %s says %q", what, t.h.names[column], value)}
		}
	}
	return nil
}

// chooseAmount looks at the first trade where two columns may be its amount: the one is what was paid for the other.
func (t *tradeTable) chooseAmount(record []string) {
	price, err := t.p.number(field(record, t.price))
	if err != nil || t.form.amount != nil {
		return
	}
	for _, coins := range t.amounts {
		for _, paid := range t.amounts {
			c, err := t.p.number(field(record, coins))
			v, paidErr := t.p.number(field(record, paid))
			if err == nil && paidErr == nil && coins != paid && c > 0 && c != v && math.Abs(v-c*price) <= .01*v {
				t.amount = coins
				return
			}
		}
	}
}

// trade reads a record.
func (t *tradeTable) trade(record []string) (*market.Price, error) {
	p := &market.Price{TradeID: field(record, t.id)}
	var err error
	if p.Symbol, p.Venue, err = t.markets.of(record); err != nil {
		return nil, err
	}
	side := strings.ToLower(field(record, t.side))
	if err := t.kind(record, side); err != nil {
		return nil, err
	}
	if t.seen++; t.seen == 1 {
		t.chooseAmount(record)
	}
	at, err := t.time.of(record, t.p.cfg)
	if err != nil {
		return nil, timeError(err)
	}
	t.p.zoneTold(at.sure)
	p.Time = at.Time
	price := field(record, t.price)
	if price == "" {
		return nil, malformed(fmt.Errorf("the price is missing"))
	}
	if p.Price, err = t.p.number(price); err != nil {
		return nil, malformed(fmt.Errorf("price: %w", err))
	}
	amount := field(record, t.amount)
	if p.Volume, err = t.p.number(amount); err != nil {
		return nil, malformed(fmt.Errorf("amount: %w", err))
	}
	p.Volume = math.Abs(p.Volume) // of sales some exchanges write a negative one
	if p.Volume, err = t.coins(record, p); err != nil {
		return nil, err
	}
	if t.amount >= 0 && amount != "" && p.Volume == 0 {
		return nil, &unreadable{reasonNoTrade, fmt.Errorf("an amount of %s", amount)}
	}
	if p.TradeID != "" {
		if !wholeID(p.TradeID) {
			return nil, malformed(roundedID(p.TradeID))
		}
		p.TradeID = t.form.idPrefix + p.TradeID
		return p, nil
	}
	if t.id < 0 {
		p.TradeID = t.made.id(p, price+"\x00"+amount+"\x00"+side)
	}
	return p, nil
}

// coins returns the amount in coins: of futures in contracts of dollars, the column beside tells it, or the price.
func (t *tradeTable) coins(record []string, p *market.Price) (float64, error) {
	if t.value >= 0 && t.value != t.amount {
		value, err := t.p.number(field(record, t.value))
		if err != nil && t.form.value != nil {
			return 0, malformed(fmt.Errorf("%s: %w", t.h.names[t.value], err))
		}
		if value = math.Abs(value); value > 0 && value == p.Volume && (p.Price > 1.01 || p.Price < .99) {
			t.contracts("the amount in coins is computed")
			return value / p.Price, nil
		}
		if paid := p.Volume * p.Price; value > 0 && math.Abs(value-paid) > .01*paid && isContract(p.Volume/value, p.Price*.99, p.Price*1.01) {
			t.contracts("the amount in coins is the one beside")
			return value, nil
		}
		return p.Volume, nil
	}
	if t.form.amount != nil || !(p.Price > 0) || t.amount < 0 || t.h.any("base_qty", "home_notional") {
		return p.Volume, nil
	}
	switch {
	case t.markets.inverse:
		t.contracts("the amount in coins is computed")
		return p.Volume * contractSize(p.Symbol) / p.Price, nil
	case dollarContracts[strings.ToLower(p.Venue)] && strings.HasSuffix(strings.ToUpper(field(record, t.markets.symbolAt)), "USD"):
		t.contracts("the amount in coins is computed")
		return p.Volume / p.Price, nil
	}
	return p.Volume, nil
}

// dollarContracts are exchanges whose markets against the dollar itself are in contracts of one dollar.
var dollarContracts = map[string]bool{"bitmex": true, "bybit": true, "deribit": true}

// valueNames are columns of what was paid, which tells in what the amount is counted.
var valueNames = []string{"quote_qty", "quote_amount", "quote_volume", "quote_size", "cost", "funds", "notional", "foreign_notional", "turnover"}

func (t *tradeTable) contracts(how string) {
	if !t.told {
		t.told = true
		t.p.doubt("its amounts are in contracts of dollars: " + how)
	}
}

// idsToKnow bounds the trades that a file without ids remembers, twice over: those of some hours, or all of a file that is in no order.
const idsToKnow = 1 << 17

// madeIDs makes identifiers from trades themselves, the same in every run: time, content, and how many just like it were before, wherever in
// the file they stand.
type madeIDs struct{ now, before map[contentKey]int32 }

type contentKey struct {
	at   int64
	hash uint64
}

func newMadeIDs() *madeIDs { return &madeIDs{now: map[contentKey]int32{}} }

func (m *madeIDs) id(p *market.Price, content string) string {
	key := keyOf(p, content)
	n, known := m.now[key]
	if !known {
		n = m.before[key]
	}
	m.now[key] = n + 1
	if len(m.now) >= idsToKnow {
		m.now, m.before = map[contentKey]int32{}, m.now
	}
	return key.String() + "-" + strconv.Itoa(int(n))
}

func keyOf(p *market.Price, content string) contentKey {
	h := fnv.New64a()
	h.Write([]byte(p.Venue + "\x00" + p.Symbol + "\x00" + content))
	return contentKey{p.Time.UnixMicro(), h.Sum64()}
}

func (k contentKey) String() string {
	return strconv.FormatInt(k.at, 10) + "-" + strconv.FormatUint(k.hash, 36)
}

// contentID is an identifier made of when and what was traded.
func contentID(p *market.Price, content string) string { return keyOf(p, content).String() }

// wholeID tells whether an identifier has all its digits: 1.39E+18 has been through a floating point number, and stands for many. So has
// 1391634747986694144.0.
func wholeID(id string) bool {
	if exponentID.MatchString(id) {
		return false
	}
	whole, fraction, cut := strings.Cut(id, ".")
	return !cut || strings.Trim(fraction, "0") != "" || len(whole) < 16 || !isNumber(whole)
}

func roundedID(id string) error { return fmt.Errorf("%.40q is no id: some program has rounded it", id) }

// rounding finds ids that a spreadsheet has rounded to fifteen digits: 1391634747986690000. Of one in ten thousand ids these are the true digits;
// of a file whose first ids all end so they are not.
type rounding struct{ whole bool }

func (r *rounding) rounded(id string) bool {
	if r.whole || len(id) < 17 || !isWhole(id) {
		return false
	}
	r.whole = strings.Trim(id[15:], "0") != ""
	return !r.whole
}
