package archive

import (
	"path"
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
	return alias(pair), isTicker(pair)
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

// marketInName finds the market in a file's name as Binance gives it, BTCUSDT-1m-2024-01.csv, looking from the innermost
// member of nested archives outwards.
func marketInName(name string) (string, bool) {
	parts := strings.Split(name, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		stem := path.Base(parts[i])
		if at := strings.IndexAny(stem, "-_. "); at >= 0 {
			stem = stem[:at]
		}
		if stem != strings.ToUpper(stem) {
			continue
		}
		if base, cut := cutDollar(stem); cut && isTicker(base) {
			return alias(base), true
		}
	}
	return "", false
}
