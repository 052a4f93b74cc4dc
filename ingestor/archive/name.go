package archive

import (
	"path"
	"regexp"
	"strings"
)

// nameTells is what the name of a file says of prices whose rows don't tell. Folders say nothing.
type nameTells struct {
	// coin is the coin of the market; foreign the market where it is against another currency; both "" where there is none.
	coin, foreign string
	// many tells that the name speaks of several coins.
	many bool
	// venue is the exchange.
	venue string
	// inverse tells that the market is a future that is counted in contracts of dollars: BTCUSD_PERP, BTCUSD_210625.
	inverse bool
}

// exchanges are the venues that files are named after, by the word in the name.
var exchanges = map[string]string{
	"BINANCE": "binance", "BINANCEUS": "binanceus", "COINBASE": "coinbase", "GDAX": "coinbase", "KRAKEN": "kraken", "BITSTAMP": "bitstamp",
	"GEMINI": "gemini", "BITFINEX": "bitfinex", "OKX": "okx", "OKEX": "okx", "OKCOIN": "okcoin", "BYBIT": "bybit", "BITMEX": "bitmex",
	"KUCOIN": "kucoin", "HUOBI": "huobi", "HTX": "huobi", "GATEIO": "gateio", "POLONIEX": "poloniex", "BITTREX": "bittrex", "FTX": "ftx",
	"DERIBIT": "deribit", "CEX": "cex", "CEXIO": "cex", "EXMO": "exmo", "UPBIT": "upbit", "BITHUMB": "bithumb", "BITFLYER": "bitflyer",
	"MEXC": "mexc", "HITBTC": "hitbtc", "MTGOX": "mtgox", "ITBIT": "itbit", "BTCE": "btce", "CRYPTOCOM": "cryptocom", "BITGET": "bitget",
}

// otherQuotes are currencies that prices may be in, but not here.
var otherQuotes = [...]string{"EUR", "GBP", "JPY", "KRW", "TRY", "BRL", "AUD", "CAD", "CHF", "CNY", "CNH", "RUB", "INR", "PLN", "UAH", "ZAR",
	"MXN", "HKD", "SGD", "IDR", "NGN", "BTC", "XBT", "ETH", "BNB", "EURT", "EURC"}

func isOtherQuote(s string) bool {
	for _, quote := range otherQuotes {
		if s == quote {
			return true
		}
	}
	return false
}

// noCoins are words that stand before USD in the names of files without being a coin.
var noCoins = map[string]bool{"PRICE": true, "PRICES": true, "DATA": true, "OHLC": true, "OHLCV": true, "HISTORY": true, "CANDLES": true,
	"MARKET": true, "CHART": true, "CLOSE": true, "SPOT": true, "INDEX": true, "MAX": true, "TRADES": true, "IN": true, "TO": true}

// expiry is the day on which a future ends.
var expiry = regexp.MustCompile(`^(PERP|PERPETUAL|\d{6})$`)

// readNames reads the names of a file and of the containers around it, the innermost last. The innermost that names a market tells it.
func readNames(files []string) (told nameTells) {
	for i := len(files) - 1; i >= 0; i-- {
		one := readName(files[i])
		told.venue = first(told.venue, one.venue)
		if told.coin == "" && told.foreign == "" && !told.many {
			venue := told.venue
			if told = one; venue != "" {
				told.venue = venue
			}
		}
	}
	return told
}

func readName(file string) (told nameTells) {
	stem := path.Base(file)
	words := strings.FieldsFunc(stem, func(r rune) bool { return strings.ContainsRune("-_. ()+,~#@", r) })
	for i, word := range words {
		next := ""
		if i+1 < len(words) {
			next = strings.ToUpper(words[i+1])
		}
		told.word(word, next)
	}
	return told
}

// word reads one word of a name, and the one behind it in upper case.
func (n *nameTells) word(word, next string) {
	upper := strings.ToUpper(word)
	if venue, ok := exchanges[upper]; ok {
		n.venue = venue
		return
	}
	base, cut := cutDollar(upper)
	if venue, ok := exchanges[base]; ok && cut { // as bitcoincharts.com names its files: bitstampUSD
		n.venue = venue
		n.found("BTC")
		return
	}
	for _, quote := range otherQuotes {
		if base, ok := strings.CutSuffix(upper, quote); ok && exchanges[base] != "" {
			n.venue, n.foreign = exchanges[base], "BTC-"+quote
			return
		}
	}
	shouts := word == upper
	if isFiat(upper) && (shouts || !likeWords[upper]) && n.foreign == "" {
		n.foreign = upper
	}
	switch {
	case cut && isCoin(base) && (shouts || len(base) <= 4):
		n.found(alias(base))
		n.inverse = strings.HasSuffix(upper, "USD") && expiry.MatchString(next)
	case isCoin(upper) && !isOtherQuote(upper) && len(upper) <= 8 && isDollar(next),
		(upper == "BTC" || upper == "ETH" || upper == "BNB" || upper == "XBT") && isDollar(next):
		n.found(alias(upper))
	case isCoin(upper) && isOtherQuote(next) && (shouts || majors[alias(upper)]) && !isDollar(upper):
		n.foreign = upper + "-" + next
	case shouts:
		for _, quote := range otherQuotes {
			if base, ok := strings.CutSuffix(upper, quote); ok && len(base) >= 3 && len(base) <= 5 && isCoin(base) {
				n.foreign = upper
			}
		}
	case isCross(upper):
		n.foreign = upper
	}
}

// likeWords are currencies that are words, too, in lower case.
var likeWords = map[string]bool{"TRY": true, "CAD": true, "RUB": true, "AUD": true, "INR": true}

func (n *nameTells) found(coin string) {
	n.many = n.many || n.coin != "" && n.coin != coin
	n.coin = coin
}

// isCoin tells whether a word may be a coin's symbol.
func isCoin(s string) bool {
	return isTicker(s) && strings.ContainsFunc(s, func(r rune) bool { return r >= 'A' }) && !noCoins[s] && len(s) >= 2
}

// foreignParts are parts of paths, in lower case, that prices of no trades stand under: see refusedByName.
var foreignParts = map[string]string{
	"premiumindexklines": "a premium index", "indexpriceklines": "an index price", "markpriceklines": "a mark price",
	"liquidationsnapshot": "liquidations", "liquidations": "liquidations", "liquidation": "liquidations", "bookdepth": "an order book",
	"bookticker": "an order book", "orderbook": "an order book", "incremental_book_l2": "an order book", "fundingrate": "funding rates",
}

// foreignWords are words of the names of files that say the same.
var foreignWords = map[string]string{
	"fundingrates": "funding rates", "funding": "funding rates", "liq": "liquidations", "liqs": "liquidations", "forceorder": "liquidations",
	"forceorders": "liquidations", "mark": "a mark price", "markprice": "a mark price", "indexprice": "an index price",
	"premiumindex": "a premium index", "l2": "an order book", "orderbooks": "an order book",
}

// refusedByName tells what a file holds whose columns are those of prices, though its name, or a folder's, says that they are none. A name
// makes no format, but what it denies is not stored.
func refusedByName(file string) (what string) {
	for _, part := range strings.Split(strings.ToLower(file), "/") {
		if what = foreignParts[part]; what != "" {
			return what
		}
	}
	words := strings.FieldsFunc(strings.ToLower(path.Base(file)), func(r rune) bool { return strings.ContainsRune("-_. ", r) })
	for i, word := range words {
		both := words[max(i-1, 0)] + word // mark-price, order_book
		if what = first(first(foreignParts[word], foreignWords[word]), first(foreignParts[both], foreignWords[both])); what != "" {
			return what
		}
	}
	return ""
}
