package archive

import (
	"fmt"
	"strings"
)

// dollars are the dollar and its stablecoins as they stand behind a coin in the name of a market, without a separator. BUSD and
// TUSD, which a coin's own last letter may have a part in, are not among them: see cutDollar.
var dollars = [...]string{"USDT", "USDC", "FDUSD", "PYUSD", "ZUSD", "USD"}

// cutDollar cuts the dollar, or what counts as one, off the name of a market in upper case.
func cutDollar(pair string) (base string, ok bool) {
	for _, quote := range dollars {
		if base, ok = strings.CutSuffix(pair, quote); !ok || base == "" {
			continue
		}
		if quote == "USD" && endsInStablecoin(base) {
			base = base[:len(base)-1]
		}
		return base, true
	}
	return "", false
}

// endsInStablecoin tells whether the last letter before USD belongs to BUSD or TUSD: BTCBUSD is BTC against BUSD. Coins of three
// letters end so themselves (DOTUSD is DOT against USD, not DO against TUSD), and some longer ones.
func endsInStablecoin(base string) bool {
	switch base {
	case "SHIB", "USDT", "CELT", "DENT", "GOAT", "IOST", "PNUT", "STPT", "SWEAT":
		return false
	}
	return len(base) > 3 && (strings.HasSuffix(base, "B") || strings.HasSuffix(base, "T"))
}

// isDollar knows the quote currencies behind a separator.
func isDollar(quote string) bool {
	switch quote {
	case "USD", "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "DAI", "USDP", "PYUSD", "ZUSD":
		return true
	}
	return false
}

// alias returns the usual symbol of a coin that some venue calls otherwise.
func alias(base string) string {
	switch base {
	case "XBT", "XXBT":
		return "BTC"
	case "XETH":
		return "ETH"
	case "XXRP":
		return "XRP"
	case "XLTC":
		return "LTC"
	case "XXLM":
		return "XLM"
	case "XXMR":
		return "XMR"
	case "XETC":
		return "ETC"
	case "XDG", "XXDG":
		return "DOGE"
	}
	return base
}

// coinOf returns the coin of a market against the dollar: BTC for BTC, BTCUSD, BTCUSDT, btc-usd, BTC/USDT, XBT_USD, tBTCUSD.
// False where the market is against something else, or the name is no market's.
func coinOf(pair string) (string, bool) {
	pair = strings.TrimSpace(pair)
	if len(pair) > 4 && pair[0] == 't' && pair[1:] == strings.ToUpper(pair[1:]) { // Bitfinex: t for trading
		pair = pair[1:]
	}
	pair = strings.ToUpper(pair)
	if at := strings.IndexAny(pair, "-/_: "); at >= 0 {
		return alias(pair[:at]), isTicker(pair[:at]) && isDollar(pair[at+1:])
	}
	if base, cut := cutDollar(pair); cut {
		return alias(base), isTicker(base)
	}
	return alias(pair), isTicker(pair) && !isCross(pair)
}

// isCross tells whether a name without a separator is that of a market against another currency: BTCEUR, ETHBTC.
func isCross(pair string) bool {
	for _, quote := range otherQuotes {
		base, ok := strings.CutSuffix(pair, quote)
		if ok && (majors[alias(base)] || len(base) >= 3 && len(base) <= 5 && isFiat(quote) && quote != "TRY") {
			return true
		}
	}
	return false
}

// majors are coins of which there are markets against many currencies.
var majors = map[string]bool{"BTC": true, "ETH": true, "XRP": true, "LTC": true, "BCH": true, "ADA": true, "SOL": true, "DOT": true, "BNB": true,
	"DOGE": true, "LINK": true, "XLM": true, "XMR": true, "EOS": true, "TRX": true, "ETC": true, "AVAX": true, "MATIC": true, "ATOM": true, "UNI": true}

// isFiat tells whether a currency is money of a state.
func isFiat(quote string) bool {
	return isOtherQuote(quote) && len(quote) == 3 && quote != "BTC" && quote != "XBT" && quote != "ETH" && quote != "BNB"
}

func isTicker(s string) bool {
	if s == "" || len(s) > 20 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// tellsQuote tells whether the name of a market names the currency, too.
func tellsQuote(pair string) bool {
	pair = strings.ToUpper(strings.TrimSpace(pair))
	if strings.ContainsAny(pair, "-/_: ") {
		return true
	}
	_, cut := cutDollar(pair)
	return cut
}

// markets says where the coin and the venue of a price come from, where its row doesn't tell.
type markets struct {
	symbolAt, venueAt, quoteAt int
	// venue is that of rows that don't tell; named the coin of the file, "" for none.
	venue, named string
	// foreign says what speaks for another currency than the dollar, where rows name the coin alone; "" for nothing.
	foreign string
	// inverse tells that the file's market is one in contracts of dollars.
	inverse bool
	// origin says what tells the coin.
	origin string
}

// markets finds out whose prices a table holds. unit is the coin that a column of volume is counted in, where one is named; venue that of the
// format.
func (p *pass) markets(h *header, unit, venue string) (*markets, error) {
	told := readNames(p.files)
	m := &markets{
		symbolAt: h.of(symbolNames...), venueAt: h.of(venueNames...), quoteAt: h.of(quoteNames...), inverse: told.inverse,
		venue: first(p.cfg.Venue, first(venue, first(told.venue, defaultVenue))),
	}
	if what := refusedByName(p.at.file); what != "" {
		return nil, refuse("its name says that it holds %s, which are no trades", what)
	}
	if c := p.cfg.Currency; c != "" && !isDollar(strings.ToUpper(c)) {
		return nil, refuse("its prices are in %s, as --currency says, and RCAS keeps prices in dollars", c)
	}
	if p.cfg.Currency == "" {
		m.foreign = told.foreign
		if unit := foreignUnit(h); unit != "" {
			m.foreign = first(m.foreign, "a column of volume in "+unit)
		}
	}
	if m.symbolAt >= 0 {
		m.origin = "coin from " + h.names[m.symbolAt]
		return m, nil
	}
	switch {
	case p.cfg.Symbol != "":
		coin, ok := coinOf(p.cfg.Symbol)
		if !ok {
			return nil, refuse("--symbol %s is no market against the dollar", p.cfg.Symbol)
		}
		m.named, m.origin = coin, "coin as --symbol says"
	case told.foreign != "" && p.cfg.Currency == "":
		return nil, refuse("its name says that its prices are those of %s, and RCAS keeps prices in dollars; if they are, give --currency USD "+
			"and --symbol", told.foreign)
	case unit != "" && (told.coin == "" || told.coin == unit):
		m.named, m.origin = unit, "coin from the column of its volume"
	case told.many || unit != "":
		return nil, refuse("its name speaks of several coins: give --symbol, as --symbol BTC")
	case told.coin != "":
		m.named, m.origin = told.coin, "coin from the file's name"
	default:
		return nil, refuse("neither a column nor the file's name tells the coin: give --symbol, as --symbol BTC, or name it like " +
			"BTCUSDT-1m-2024-01.csv (what its folder is called doesn't count)")
	}
	if m.foreign != "" {
		return nil, refuse("its prices seem not to be in dollars (%s), which RCAS keeps; if they are, give --currency USD", m.foreign)
	}
	return m, nil
}

// of returns coin and venue of a record.
func (m *markets) of(record []string) (coin, venue string, err error) {
	if venue = field(record, m.venueAt); venue == "" {
		venue = m.venue
	}
	pair := field(record, m.symbolAt)
	if quote := strings.ToUpper(field(record, m.quoteAt)); isCoin(quote) && !isDollar(quote) && quote != strings.ToUpper(pair) {
		return "", "", &unreadable{reasonNoDollar, fmt.Errorf("prices in %.20q", quote)}
	}
	if pair == "" {
		if m.named == "" {
			return "", "", malformed(fmt.Errorf("the symbol is missing"))
		}
		return m.named, venue, nil
	}
	coin, ok := coinOf(pair)
	switch {
	case !ok:
		return "", "", &unreadable{reasonNoDollar, fmt.Errorf("market %.40q", pair)}
	case m.foreign != "" && m.quoteAt < 0 && !tellsQuote(pair):
		return "", "", &unreadable{reasonNoDollar, fmt.Errorf("%.40q alone, beside %s; if it is in dollars, give --currency USD", pair, m.foreign)}
	}
	return coin, venue, nil
}
