package archive

import (
	"fmt"
	"math"
	"math/rand"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
)

// day is 2024-05-01 in UTC.
var day = time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)

// candle is what a window says of the trades in it, computed as the database does.
type candle struct{ open, high, low, close, volume float64 }

// candles puts trades into windows of a width, by coin and start.
func candles(prices []market.Price, width time.Duration) map[string]candle {
	windows := map[string]candle{}
	first, last := map[string]time.Time{}, map[string]time.Time{}
	for _, p := range prices {
		key := p.Symbol + " " + p.Time.Truncate(width).Format(time.RFC3339)
		c, ok := windows[key]
		if !ok {
			c = candle{p.Price, p.Price, p.Price, p.Price, 0}
			first[key], last[key] = p.Time, p.Time
		}
		if p.Time.Before(first[key]) {
			first[key], c.open = p.Time, p.Price
		}
		if !p.Time.Before(last[key]) {
			last[key], c.close = p.Time, p.Price
		}
		c.high, c.low, c.volume = max(c.high, p.Price), min(c.low, p.Price), c.volume+p.Volume
		windows[key] = c
	}
	return windows
}

// Any bar, replayed, gives the bar again, in the order of time and with keys of its own.
func TestBarsComeBack(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	random := rand.New(rand.NewSource(seed))
	for _, width := range []time.Duration{time.Second, time.Minute, 3 * time.Minute, time.Hour, 24 * time.Hour} {
		want := map[string]candle{}
		file := strings.Builder{}
		file.WriteString("volume,Close,low,high,open,symbol,TIME,note\n")
		for i := range 2 * barsToLearn {
			start := day.Add(time.Duration(i) * width)
			for _, coin := range []string{"BTC", "ETH"} {
				if i > 3 && random.Intn(4) == 0 {
					continue // nobody traded
				}
				a, b := 1+random.ExpFloat64()*1e4, 1+random.ExpFloat64()*1e4
				c := candle{a, max(a, b) * (1 + random.Float64()*random.Float64()), min(a, b) * (1 - .9*random.Float64()), b,
					random.ExpFloat64() * math.Pow(10, float64(random.Intn(10)-8))}
				want[coin+" "+start.Format(time.RFC3339)] = c
				fmt.Fprintf(&file, "%v,%v,%v,%v,%v,%sUSDT,%d,x\n", c.volume, c.close, c.low, c.high, c.open, coin, start.UnixMilli())
			}
		}
		sink, stats := replay(t, Config{Paths: []string{write(t, "bars.csv", file.String())}})
		require.Empty(t, stats.Drops)
		require.EqualValues(t, len(want), stats.Bars)
		require.Len(t, sink.prices, 4*len(want))
		require.Equal(t, want, candles(sink.prices, width), "seed %d, width %s", seed, width)
		ids := map[string]bool{}
		for i, p := range sink.prices {
			require.False(t, i > 0 && p.Time.Before(sink.prices[i-1].Time), "seed %d: sorted", seed)
			require.NoError(t, p.Validate(day.AddDate(20, 0, 0)))
			ids[p.Symbol+p.TradeID] = true
		}
		require.Len(t, ids, len(sink.prices))
	}
}

// Bars with the newest first take about the time that others take. The bound is far above that, and far below what a search
// through all that wait takes.
func TestNewestFirst(t *testing.T) {
	t.Parallel()
	const bars = 60_000
	took := func(minute func(i int) int) time.Duration {
		var file strings.Builder
		file.WriteString("time,symbol,open,high,low,close,volume\n")
		for i := range bars {
			fmt.Fprintf(&file, "%d,BTC,5,6,4,5,2\n", day.Add(time.Duration(minute(i))*time.Minute).Unix())
		}
		began := time.Now()
		sink := readString(t, "bars", file.String())
		require.Len(t, sink.prices, 4*bars)
		require.Len(t, candles(sink.prices, time.Minute), bars)
		return time.Since(began)
	}
	ascending := took(func(i int) int { return i })
	descending := took(func(i int) int { return bars - i })
	require.Less(t, descending, 4*ascending+5*time.Second)
}

func TestOneBar(t *testing.T) {
	t.Parallel()
	sink, _ := replay(t, Config{Venue: "bitfinex", Paths: []string{write(t, "b.csv",
		"time,symbol,open,high,low,close,volume\n2024-05-01T00:00:00Z,BTCUSD,5,7,3,4,1.5\n")}})
	trade := func(name string, after time.Duration, price, volume float64) market.Price {
		return market.Price{Venue: "bitfinex", Symbol: "BTC", TradeID: "60s-1714521600-" + name, Time: day.Add(after), Price: price,
			Volume: volume}
	}
	require.Equal(t, []market.Price{
		trade("open", 0, 5, .75), trade("high", 20*time.Second, 7, 0), trade("low", 40*time.Second, 3, 0),
		trade("close", time.Minute-time.Millisecond, 4, .75),
	}, sink.prices, "the price ended lower, so the high came first")
}

func TestBinanceFiles(t *testing.T) {
	t.Parallel()
	const (
		kline    = "%[1]s000,5.0,7.0,3.0,6.0,10.0,%[2]s,50.0,5,1.0,5.0,0\n"
		trade    = "77,5.5,2.0,11.0,%[1]s000,True,True\n"
		aggTrade = "88,5.5,2.0,76,77,%[1]s000,true,False\n"
	)
	ms, us := strconv.FormatInt(day.Unix(), 10), strconv.FormatInt(day.UnixMilli(), 10)
	endMS, endUS := strconv.FormatInt(day.Unix()+3600, 10)+"000", strconv.FormatInt(day.Unix()+3600, 10)+"000000"
	before := func(s string) string { n, _ := strconv.Atoi(s); return strconv.Itoa(n - 1) }
	for name, test := range map[string]struct{ text, id string }{
		"klines in milliseconds":            {fmt.Sprintf(kline, ms, before(endMS)), "3600s-1714521600-open"},
		"klines in microseconds":            {fmt.Sprintf(kline, us, before(endUS)), "3600s-1714521600-open"},
		"klines with header":                {klineHeader + "\n" + fmt.Sprintf(kline, ms, before(endMS)), "3600s-1714521600-open"},
		"trades in milliseconds":            {fmt.Sprintf(trade, ms), "77"},
		"trades in microseconds":            {fmt.Sprintf(trade, us), "77"},
		"trades with header":                {tradeHeader + "\n" + strings.Replace(fmt.Sprintf(trade, ms), ",True\n", "\n", 1), "77"},
		"trades of futures, without header": {strings.Replace(fmt.Sprintf(trade, ms), ",True\n", "\n", 1), "77"},
		"aggTrades in microseconds":         {fmt.Sprintf(aggTrade, us), "a88"},
		"aggTrades with header":             {aggTradeHeader + "\n" + strings.Replace(fmt.Sprintf(aggTrade, ms), ",False", "", 1), "a88"},
	} {
		sink, stats := replay(t, Config{Paths: []string{write(t, "BTCUSDT-x-2024-05.csv", test.text)}})
		require.Empty(t, stats.Drops, name)
		require.NotEmpty(t, sink.prices, name)
		p := sink.prices[0]
		require.Equal(t, []any{"binance", "BTC", test.id, day}, []any{p.Venue, p.Symbol, p.TradeID, p.Time}, name)
		if !strings.Contains(name, "klines") {
			require.Equal(t, []float64{5.5, 2}, []float64{p.Price, p.Volume}, name)
			continue
		}
		require.Equal(t, map[string]candle{"BTC 2024-05-01T00:00:00Z": {5, 7, 3, 6, 10}}, candles(sink.prices, time.Hour), name)
	}

	nameless := write(t, "prices.csv", fmt.Sprintf(trade, ms))
	err := New(Config{Paths: []string{nameless}}).Run(t.Context(), &recorder{})
	require.ErrorContains(t, err, nameless+": neither a column nor the file's name tells the coin")
}

func TestTrades(t *testing.T) {
	t.Parallel()
	file := "time,symbol,side,price,amount,venue\n" +
		"2024-05-01T00:00:00.172Z,BTCUSD,sell,10749.4,0.004,\n" +
		"2024-05-01T00:00:00.172Z,BTCUSD,sell,10749.4,0.004,\n" + // the same again is another trade
		"2024-05-01T00:00:00.172Z,ETH-USD,buy,200,1,kraken\n" +
		"2024-05-01T00:00:00.173Z,XBT/USD,buy,10750,,\n" +
		"time,symbol,side,price,amount,venue\n" + // files put together
		"2024-05-01T00:00:01Z,ETHBTC/X,buy,5,1,\n" +
		"2024-05-01T00:00:01Z,ETH/BTC,buy,.05,1,\n" +
		"2024-05-01T00:00:01Z,,buy,5,1,\n" +
		"2024-05-01T00:00:01Z,BTCUSD,buy,,1,\n" +
		"2024-05-01T00:00:01Z,BTCUSD,buy,five,1,\n" +
		"2024-05-01T00:00:01Z,BTCUSD,buy,5,one,\n" +
		"yesterday,BTCUSD,buy,5,1,\n" +
		"2024-05-01T00:00:01Z,BTCUSD,buy,5\n" +
		"2024-05-01T00:00:01Z,BTCUSD,buy,NaN,1,\n" + // the sink judges
		"2024-05-01T00:00:01Z,BTCUSD,buy,-5,1e400,\n"
	path := write(t, "trades.csv", file)
	sink, stats := replay(t, Config{Paths: []string{path}})
	require.Len(t, sink.prices, 6)
	require.Equal(t, "BTC", sink.prices[3].Symbol)
	require.Equal(t, "kraken", sink.prices[2].Venue)
	require.Equal(t, "archive", sink.prices[0].Venue)
	require.NotEqual(t, sink.prices[0].TradeID, sink.prices[1].TradeID)
	require.ErrorIs(t, sink.prices[4].Validate(day.AddDate(1, 0, 0)), market.ErrBadPrice)
	require.ErrorIs(t, sink.prices[5].Validate(day.AddDate(1, 0, 0)), market.ErrBadPrice)
	require.Equal(t, Drop{2, path + `:7: no dollar: market "ETHBTC/X"`}, stats.Drops[reasonNoDollar])
	require.Equal(t, Drop{6, path + `:9: malformed: the symbol is missing`}, stats.Drops[reasonMalformed])
}

func TestBadBars(t *testing.T) {
	t.Parallel()
	path := write(t, "b.csv", "time,symbol,open,high,low,close,volume\n"+
		"2024-05-01T00:00:00Z,BTCUSD,5,6,4,5,1\n"+
		"2024-05-01T00:01:00Z,BTCUSD,NaN,6,4,5,1\n"+
		"2024-05-01T00:01:00Z,BTCUSD,5,6,-4,5,1\n"+
		"2024-05-01T00:01:00Z,BTCUSD,5,Inf,4,5,1\n"+
		"2024-05-01T00:01:00Z,BTCUSD,5,6,5.5,5,1\n"+
		"2024-05-01T00:01:00Z,BTCUSD,5,6,4,7,1\n"+
		"2024-05-01T00:01:00Z,BTCUSD,5,6,4,5,-1\n"+
		"2024-05-01T00:01:00Z,BTCUSD,5,6,4,,1\n"+
		"2024-05-01T00:01:00Z,BTCUSD,5,6,4,x,1\n"+
		"noon,BTCUSD,5,6,4,5,1\n"+
		"2024-05-01T00:01:00Z,BTCEUR,5,6,4\n"+
		"2024-05-01T00:01:00Z,BTC/EUR,5,6,4,5,1\n"+
		"2024-05-01T00:02:00Z,BTCUSD,5,6,4,5,1\n")
	sink, stats := replay(t, Config{Paths: []string{path}})
	require.Len(t, sink.prices, 8)
	require.Equal(t, Drop{7, path + ":3: bad bar: NaN is no price"}, stats.Drops[reasonBadBar])
	require.EqualValues(t, 3, stats.Drops[reasonMalformed].Count)
	require.EqualValues(t, 1, stats.Drops[reasonNoDollar].Count)

	path = write(t, "BTCUSDT-1m.csv", "1714521600000,5.0,7.0,3.0,6.0,10.0,1714521600000,1.0,5,1.0,1.0,0\n")
	_, stats = replay(t, Config{Paths: []string{path}})
	require.EqualValues(t, 1, stats.Drops[reasonBadBar].Count, "a bar without a width")
}

// What is dropped of a file of prices is counted as prices, even where not one of them is good.
func TestDropsOfPricesAreNoPosts(t *testing.T) {
	t.Parallel()
	const bars = "https://www.example.com/prices\nunix,symbol,open,high,low,close,volume\n1714521600,BTC/USDT,5,six,4,5,1\n"
	sink, stats := replay(t, Config{Paths: []string{write(t, "b.csv", bars)}})
	require.Equal(t, map[string]int{"archive": 2}, sink.dropped)
	require.Equal(t, []string{"archive"}, stats.Venues)

	sink, stats = replay(t, Config{Paths: []string{write(t, "p.ndjson", "posts:\n"+postsAt("", "05")+"{\n")}})
	require.Equal(t, map[string]int{"twitter": 2}, sink.dropped)
	require.Empty(t, stats.Venues)
}

// What Go takes for a number need not be one.
func TestNumbersAreDecimal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"": 0, "10": 10, "-1.5e3": -1500, "+.5": .5, "1e400": math.Inf(1)} {
		got, err := parseNumber(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"1_0", "0x1p4", "0X10", "1,5", "5 $", "ten"} {
		_, err := parseNumber(text)
		require.Error(t, err, text)
	}
	_, err := parseCount("1_0")
	require.Error(t, err)
}

// Columns of volume go by many names. A file without one is told of.
func TestVolumeOfTheCoin(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]float64{
		"volume,Volume USDT": 2, "Volume BTC,Volume USDT": 2, "Volume USD,Volume XBT": 3, "Volume_(BTC),Volume_(Currency)": 2,
		"volume (btc),x": 2, "volumefrom,volumeto": 2, "Volume ETH,Volume USDT": 0, "Volume USDT,Volume MA": 0, "turnover,count": 0,
	} {
		sink, stats := replay(t, Config{Paths: []string{write(t, "b.csv",
			"unix,symbol,open,high,low,close,"+header+"\n1714521600,BTC/USDT,5,7,3,4,2,3\n1714521660,BTC/USDT,5,7,3,4,2,3\n")}})
		require.Empty(t, stats.Drops)
		require.Equal(t, want/2, sink.prices[0].Volume, header)
		require.Equal(t, want == 0, sink.counts[noteNoVolume] == 1, header)
	}
	sink, _ := replay(t, Config{Paths: []string{write(t, "t.csv", "time,symbol,price\n1714521600,BTC/USDT,5\n")}})
	require.EqualValues(t, 1, sink.counts[noteNoVolume])
}

func TestBlanksAfterCommas(t *testing.T) {
	t.Parallel()
	bars := write(t, "b.csv", "time, symbol, open, high, low, close, volume\n"+
		"2024-05-01T00:00:00Z, BTCUSD, 5, 6,\t4 , 5, 2\n2024-05-01T00:01:00Z, \"BTCUSD\", \"5\", 6, 4, 5, 2\n")
	sink, stats := replay(t, Config{Paths: []string{bars}})
	require.Empty(t, stats.Drops)
	require.Len(t, sink.prices, 8)

	comments := write(t, "c.csv", "author,body,created_utc,score\nanna,\" to the moon\", 1714521600, 5\n")
	sink, stats = replay(t, Config{Paths: []string{comments}})
	require.Empty(t, stats.Drops)
	require.Equal(t, " to the moon", sink.tweets[0].Text)
}

func TestRedditTables(t *testing.T) {
	t.Parallel()
	comments := write(t, "comments.csv", "author,body,created_utc,score,subreddit,id\r\n"+
		"anna,\"to the \"\"moon\"\",\nthey say\n\nand back\",1714521600,5,Bitcoin,abc\r\n"+
		"bert,plain &lt;3,1714521601,-5,Bitcoin,t1_def\r\n"+
		"[deleted],[removed],1714521602,1,Bitcoin,ghi\r\n"+
		"carl,\"a stray \" quote,1714521603,1,Bitcoin,jkl\r\n"+
		"dora,\"a quote never closed,1714521604,1,Bitcoin,mno\r\n"+
		"emil,fine,1714521605,1,Bitcoin,pqr\r\n"+
		"fay,fine,1714521606,lots,Bitcoin,stu\r\n"+
		"gus,fine,,1,Bitcoin,vwx\r\n"+
		"hal,fine,1714521607,1,Bitcoin,yz0")
	sink, stats := replay(t, Config{Paths: []string{comments}})
	require.Equal(t, []string{"t1_abc", "t1_def", "t1_pqr", "t1_yz0"}, sink.order)
	require.Equal(t, "to the \"moon\",\nthey say\n\nand back", sink.tweets[0].Text)
	require.Equal(t, "plain <3", sink.tweets[1].Text)
	require.Equal(t, []int64{5, 0}, []int64{sink.tweets[0].FavoriteCount, sink.tweets[1].FavoriteCount})
	require.Equal(t, day, sink.tweets[0].Time)
	require.EqualValues(t, 1, stats.Drops[reasonRemoved].Count)
	require.EqualValues(t, 1, stats.Drops[reasonNoTime].Count)
	require.EqualValues(t, 3, stats.Drops[reasonMalformed].Count)
	require.True(t, strings.HasPrefix(stats.Drops[reasonMalformed].First, comments+":8: malformed: "), stats.Drops[reasonMalformed].First)

	submissions := write(t, "s.csv", "id,author,title,selftext,created_utc,score,num_comments\nabc,anna,Why,\"Be\ncause\",1714521600,3,4\n")
	sink, _ = replay(t, Config{Paths: []string{submissions}})
	require.Equal(t, []market.Tweet{{Source: "reddit", ID: "t3_abc", Author: "anna", Time: day, Text: "Why\n\nBe\ncause", FavoriteCount: 3,
		ReplyCount: 4}}, sink.tweets)
}

// A file full of stray quotes takes no more time than its size allows.
func TestStrayQuotesAreBounded(t *testing.T) {
	t.Parallel()
	rows := strings.Repeat("anna,\"stray,1714521600,1\n\nx\"\n", 1000) + strings.Repeat("bert,fine,1714521600,2\n", 20_000)
	sink, stats := replay(t, Config{Paths: []string{write(t, "c.csv", "author,body,created_utc,id\n\"\n"+rows)}})
	require.GreaterOrEqual(t, len(sink.tweets), 20_000)
	require.Positive(t, stats.Drops[reasonMalformed].Count)
}

func TestCoinOf(t *testing.T) {
	t.Parallel()
	for pair, want := range map[string]string{
		"BTC": "BTC", "BTCUSD": "BTC", "BTCUSDT": "BTC", "BTC-USD": "BTC", "XBT/USD": "BTC", "btc_usdt": "BTC", "tBTCUSD": "BTC",
		"XXBTZUSD": "BTC", "XETHZUSD": "ETH", "DOTUSD": "DOT", "BNBUSD": "BNB", "BTC-BUSD": "BTC", "ETHFDUSD": "ETH", " ETHUSDC ": "ETH",
		"BTCBUSD": "BTC", "BNBBUSD": "BNB", "DOTTUSD": "DOT", "SHIBUSD": "SHIB", "SHIBBUSD": "SHIB", "APTUSD": "APT", "BTCPYUSD": "BTC",
		"XDGUSD": "DOGE", "1INCHUSDT": "1INCH", "tDOGE:USD": "DOGE", "TRX": "TRX", "USDT": "USDT",
		"BTC-EUR": "-", "ETH/BTC": "-", "": "-", "-USD": "-", "BTC USD!": "-", "B\x00TC": "-",
	} {
		got, ok := coinOf(pair)
		if !ok {
			got = "-"
		}
		require.Equal(t, want, got, "%q", pair)
	}
	for name, want := range map[string]string{
		"BTCUSDT-1m-2024-01.csv": "BTC", "/data/ETHUSDT-trades-2024-01-01.zip/ETHUSDT-trades-2024-01-01.csv": "ETH",
		"BTCBUSD-1m-2021-01.csv": "BTC", "BTCTUSD-1m-2021-01.csv": "BTC", "BNBUSD-1m-2021-01.csv": "BNB",
		"spot/SOLUSDC/x.csv": "", "x/BTCUSDT.csv": "BTC", "prices.csv": "", "btcusd.csv": "BTC", "ETHBTC-1m-2024-01.csv": "", "USD.csv": "",
	} {
		require.Equal(t, want, readNames([]string{name}).coin, name)
	}
}

func FuzzTable(f *testing.F) {
	f.Add("time,symbol,open,high,low,close,volume\n2024-05-01T00:00:00Z,BTCUSD,5,6,4,5,1\n1714521600,ETH,1,1,1,1,1\n")
	f.Add("1714521600000,5.0,7.0,3.0,6.0,10.0,1714525199999,1.0,5,1.0,1.0,0\n")
	f.Add("77,5.5,2.0,11.0,1714521600000,True,True\n78,5.5,2.0,11.0,1714521600000000,True,True\n")
	f.Add("time,symbol,side,price,amount\n2024-05-01T00:00:00.172Z,BTCUSD,sell,10749.4,0.004\n")
	f.Add("author,body,created_utc\nanna,\"to the \"\"moon\"\",\n\",1714521600\n\"\n")
	f.Add("{\"id\":\"1\",\"text\":\"a\",\"time\":1}\n\n{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		sink := readString(t, "BTCUSDT-fuzz", text)
		for _, p := range sink.prices {
			require.NotEmpty(t, p.Venue)
			require.NotEmpty(t, p.Symbol)
			if strings.Contains(p.TradeID, "s-") { // of a bar
				require.Positive(t, p.Price)
			}
		}
		for _, tweet := range sink.tweets {
			require.NotEmpty(t, tweet.ID)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2024-05-01T12:00:00Z", "1714564800.1234", "1.7E9", "Wed May 01 12:00:00 +0000 2024", "2024-05-01 12:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseTime(text)
		if err == nil {
			require.Equal(t, time.UTC, at.Location())
		}
	})
}

func BenchmarkBars(b *testing.B) {
	var file strings.Builder
	file.WriteString("time,symbol,open,high,low,close,volume\n")
	for i := range 10_000 {
		fmt.Fprintf(&file, "%s,BTCUSD,13173.5,13249,13150,13235,62.67612269\n", day.Add(time.Duration(i)*time.Minute).Format(time.RFC3339))
	}
	b.ReportAllocs()
	for range b.N {
		readString(b, "bars", file.String())
	}
	b.ReportMetric(float64(b.N)*40_000/b.Elapsed().Seconds(), "prices/s")
}
