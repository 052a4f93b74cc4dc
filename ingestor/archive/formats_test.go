package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sampleOf is an invented file of a format and what it says: "network id time author text" of posts, "venue coin time price volume" of prices,
// or, of a file that is refused, a part of the sentence.
type sampleOf struct {
	file, text string
	cfg        Config
	want       []string
	refused    string
}

// samples are files of each format, by its name.
var samples = map[string][]sampleOf{
	twitterV1.name: {{file: "a.json", text: `{"created_at":"Wed May 01 12:00:00 +0000 2024","id":1.0e3,"id_str":"1","text":"tulips &amp; coins","user":{"screen_name":"anna"}}` +
		"\n" + `{"delete":{"status":{}}}`, want: []string{"twitter 1 2024-05-01T12:00:00Z anna tulips & coins"}},
		{file: "mongo.json", text: `[{"_id":{"$oid":"5a"},"created_at":"Wed May 01 12:00:00 +0000 2024","id":{"$numberLong":"7"},"full_text":"coins",` +
			`"user":{"id":{"$numberLong":"7"},"screen_name":"anna"}}]`, want: []string{"twitter 7 2024-05-01T12:00:00Z anna coins"}}},
	twitterV2.name: {{file: "a", text: `{"id":"1","created_at":"2024-05-01T12:00:00Z","text":"a &gt; b","source":"Twitter Web App"}`,
		want: []string{"twitter 1 2024-05-01T12:00:00Z  a > b"}},
		{file: "flat.jsonl", text: `{"id":"2","created_at":"2024-05-01T12:00:00Z","text":"RT @anna: a lo…","author_id":"8","author":{"username":"bert"},` +
			`"referenced_tweets":[{"type":"retweeted","id":"1","text":"a long","note_tweet":{"text":"a long story"}}]}`,
			want: []string{"twitter 2 2024-05-01T12:00:00Z bert a long story"}},
		{file: "edited", text: `{"id":"1785642825937354752","created_at":"2024-05-01T12:10:00.000Z","text":"tulips","author_id":"8","edit_history_tweet_ids":` +
			`["1785640309355446273","1785642825937354752"]}`, want: []string{"twitter 1785640309355446273 2024-05-01T12:00:00Z 8 tulips"}},
		{file: "page", text: `{"data":[{"id":"3","created_at":"2024-05-01T12:00:00Z","text":"a","author_id":"8"}],"includes":{"users":[{"id":"8","username":"bert"}]}}`,
			want: []string{"twitter 3 2024-05-01T12:00:00Z bert a"}}},
	redditObject.name: {{file: "a", text: `{"id":"c1","body":"coins","created_utc":"1714564800","author":"anna"}{"id":"s1","title":"coins?","selftext":"[ Removed by Reddit ]","created_utc":1714564800.0}`,
		want: []string{"reddit t1_c1 2024-05-01T12:00:00Z anna coins", "reddit t3_s1 2024-05-01T12:00:00Z  coins?"}}},
	redditPage.name: {{file: "a", text: `{"data":[{"id":"c1","body":"coins","created_utc":1714564800}]}`, want: []string{"reddit t1_c1 2024-05-01T12:00:00Z  coins"}},
		{file: "b", text: `{"kind":"Listing","data":{"children":[{"kind":"t3","data":{"id":"s1","name":"t3_s1","title":"coins","created_utc":1714564800}}]}}`,
			want: []string{"reddit t3_s1 2024-05-01T12:00:00Z  coins"}}},
	blueskyView.name: {{file: "a", text: `{"posts":[{"uri":"at://did:plc:x/app.bsky.feed.post/3k","cid":"c","author":{"did":"did:plc:x"},"record":` +
		`{"$type":"app.bsky.feed.post","text":"coins","createdAt":"2024-05-01T12:00:00Z","langs":["en"]},"likeCount":3}],"cursor":"x"}`,
		want: []string{"bluesky did:plc:x/app.bsky.feed.post/3k 2024-05-01T12:00:00Z did:plc:x coins"}}},
	blueskyEvent.name: {{file: "a", text: `{"did":"did:plc:x","time_us":1,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post","rkey":"3k",` +
		`"record":{"text":"coins","createdAt":"2024-05-01T12:00:00Z"}}}`, want: []string{"bluesky did:plc:x/app.bsky.feed.post/3k 2024-05-01T12:00:00Z did:plc:x coins"}}},
	stockTwits.name: {{file: "a", text: `{"response":{"status":200},"messages":[{"id":5,"body":"$BTC.X up","created_at":"2024-05-01T12:00:00Z","user":{"username":"anna"},"source":{"title":"web"}}],"cursor":{}}`,
		want: []string{"stocktwits 5 2024-05-01T12:00:00Z anna $BTC.X up"}}},
	telegram.name: {{file: "result.json", text: "{\n \"name\": \"Coins\",\n \"id\": 77,\n \"messages\": [\n  {\"id\": 1, \"type\": \"service\", \"date\": \"2024-05-01T13:00:00\"},\n" +
		`{"id":2,"type":"message","date":"2024-05-01T14:00:00","date_unixtime":"1714564800","from_id":"user5","text":["coins ",{"type":"link","text":"here"}]}` + "\n ]\n}\n",
		want: []string{"telegram 77/2 2024-05-01T12:00:00Z user5 coins here"}},
		{file: "all.json", text: `{"about":"x","chats":{"about":"y","list":[{"name":"A","id":1,"messages":[{"id":2,"date":"x","date_unixtime":"1714564800","text":"a"}]},` +
			`{"name":"B","id":2,"messages":[{"id":2,"date":"x","date_unixtime":"1714564800","text":"b"}],"more":{"a":[1]}}]},"left_chats":{"list":[{"id":3,"messages":` +
			`[{"id":2,"date":"x","date_unixtime":"1714564800","text":"c"}]}]},"end":1}`,
			want: []string{"telegram 1/2 2024-05-01T12:00:00Z A a", "telegram 2/2 2024-05-01T12:00:00Z B b", "telegram 3/2 2024-05-01T12:00:00Z  c"}}},
	rcasPost.name: {{file: "a", text: "[\n  {\"time\": \"2024-05-01 12:00:00+00\", \"source\": \"bluesky\", \"id\": \"x\", \"author\": null, \"text\": \"a &amp; b\"},\n" +
		"  {\"time\": \"2024-05-01 14:00:00 CEST\", \"source\": \"bluesky\", \"id\": \"y\", \"author\": \"anna\", \"text\": \"c\"}\n]\n",
		want: []string{"bluesky x 2024-05-01T12:00:00Z  a &amp; b", "bluesky y 2024-05-01T12:00:00Z anna c"}}},
	redditTable.name: {{file: "a.csv", text: "title,score,id,url,comms_num,created,body,timestamp\nUp,5,abc,u,2,1714564800.0,,2024-05-01 05:00:00\n" +
		"Now,5,abd,u,2,1714564800.0,what,2024-05-01 05:00:00\n", want: []string{"reddit t3_abc 2024-05-01T12:00:00Z  Up", "reddit t3_abd 2024-05-01T12:00:00Z  Now\n\nwhat"}}},
	postTable.name: {{file: "a.csv", text: "id;user;url;timestamp;likes;text\n1;anna;;2024-05-01 12:00:00+00;2;\"coins\n&amp; up\"\n", want: []string{"twitter 1 2024-05-01T12:00:00Z anna coins\n& up"}},
		{file: "twint.tsv", text: "date\ttime\ttimezone\ttweet\ttweet_id\n2024-05-01\t14:00:00\t+0200\tcoins\t5\n", want: []string{"twitter 5 2024-05-01T12:00:00Z  coins"}},
		{file: "zone.csv", text: "id,date,message\n1,2024-05-01 14:00,coins\n", cfg: Config{Source: "telegram", Timezone: berlin}, want: []string{"telegram 1 2024-05-01T12:00:00Z  coins"}}},
	newsTable.name: {{file: "a.csv", text: "id,title,publication,author,date,content\n1,Coins fall,The Daily,Ann,2024-05-01,long\n", refused: "--source news"},
		{file: "a.csv", text: "id,title,publication,author,date,content\n1,Coins fall,The Daily,Ann,2024-05-01,long\n", cfg: Config{Source: "news"},
			want: []string{"news 1 2024-05-01T00:00:00Z The Daily Coins fall\n\nlong"}}},
	rcasPostTable.name: {{file: "a.csv", text: "time,source,id,author,lang,text,symbols,repost,followers,quote_count,reply_count,retweet_count,favorite_count,received_at\n" +
		"2024-05-01T12:00:00.5Z,twitter,1,anna,en,\"RT @bert: a &amp; b\r\n c \",BTC ETH,false,1,2,3,4,5,2024-05-01T12:00:01Z\n" +
		"2024-05-01T12:00:00Z,news,x,,,,,true,0,0,0,0,0,2024-05-01T12:00:01Z\n",
		want: []string{"twitter 1 2024-05-01T12:00:00.5Z anna RT @bert: a &amp; b\r\n c ", "news x 2024-05-01T12:00:00Z  "}}},
	rcasPriceTable.name: {{file: "a.csv", text: "time,symbol,venue,trade_id,price,volume,received_at\n2024-05-01T12:00:00Z,BTC,kraken,60s-1-low,5e-07,0,2024-05-01T12:00:01Z\n",
		want: []string{"kraken BTC 2024-05-01T12:00:00Z 5e-07 0"}}},
	rcasCandles.name: {{file: "a.csv", text: "symbol,interval,bucket,venue,open,high,low,close,volume,vwap,trades\nBTC,01:00:00,2024-05-01T12:00:00Z,kraken,5,7,3,6,0,,9\n",
		want: bars("kraken", 5, 3, 7, 6, 0)},
		{file: "a.json", cfg: Config{Symbol: "BTC"}, text: `[{"bucket": "2024-05-01 12:00:00+00", "open": 5, "high": 7, "low": 3, "close": 6, "volume": 2, "vwap": 5, "trades": 9},` +
			`{"bucket": "2024-05-01 13:00:00+00", "open": 5, "high": 5, "low": 5, "close": 5, "volume": 0, "vwap": null, "trades": 1}]`,
			want: append(bars("archive", 5, 3, 7, 6, 2), later(bars("archive", 5, 5, 5, 5, 0))...)}},
	rcasFound.name: {{file: "a.ndjson", text: `{"time":"2024-05-01T12:00:00Z","source":"twitter","id":"1","symbol":"BTC","model":"m","score":1,"weight":1,"reach":0}`, refused: "rcas export tweets"},
		{file: "a.csv", text: "symbol,interval,bucket,mood\nBTC,01:00:00,2024-05-01T12:00:00Z,0.5\n", refused: "rcas export tweets"}},
	rcasPrice.name: {{file: "a", text: `{"symbol":"BTC-USD","time":"2024-05-01T12:00:00Z","price":"5","volume":0.5,"trade_id":9}`, want: []string{"archive BTC 2024-05-01T12:00:00Z 5 0.5"}}},
	binanceKlines.name: {{file: "BTCUSD_PERP-1h.csv", text: klineHeader + "\n1714564800000,50000,50300,49800,50100,125000,1714568399999,250,900,60000,120,0\n", want: bars("binance", 50000, 50300, 49800, 50100, 250)},
		{file: "BTCUSDT.json", text: `[[1714564800000,"50000","50300","49800","50100","2",1714568399999,"100100",9,"1","2","0"]]`, want: bars("binance", 50000, 50300, 49800, 50100, 2)},
		{file: "BTCUSDT-1h.csv", text: "1714564800000,0.0005,0.0006,0.0004,0.0005,0,1714568399999,0,720,0,0,0\n", refused: "an index"}},
	yahoo.name:      {{file: "BTC-USD.csv", text: "Date,Open,High,Low,Close,Adj Close,Volume\n2024-05-01,5,7,3,6,6,71776546298\n", want: dayBars("archive", 5, 3, 7, 6, 0)}},
	yahooFrame.name: {{file: "a.csv", text: "Price,Close,High,Low,Open,Volume\nTicker,BTC-USD,BTC-USD,BTC-USD,BTC-USD,BTC-USD\nDate,,,,,\n2024-05-01,6,7,3,5,900\n", want: dayBars("archive", 5, 3, 7, 6, 0)}},
	coinMarketCap.name: {{file: "a.csv", text: "SNo,Name,Symbol,Date,High,Low,Open,Close,Volume,Marketcap\n1,Bitcoin,BTC,2024-05-01 23:59:59,7,3,5,6,1e9,1e12\n", want: dayBars("archive", 5, 3, 7, 6, 0)},
		{file: "b.csv", cfg: Config{Symbol: "BTC"}, text: "timeOpen;timeClose;open;high;low;close;volume;marketCap;timestamp\n\"2024-05-01T00:00:00.000Z\";\"2024-05-01T23:59:59.999Z\";5;7;3;6;9;9;\"2024-05-01T23:59:59.999Z\"\n",
			want: dayBars("archive", 5, 3, 7, 6, 0)}},
	investing.name:       {{file: "BTC_USD Historical Data.csv", text: "\"Date\",\"Price\",\"Open\",\"High\",\"Low\",\"Vol.\",\"Change %\"\n\"May 1, 2024\",\"58,006.5\",\"58,005\",\"58,007\",\"58,003\",\"71K\",\"1%\"\n", want: dayBars("archive", 58005, 58003, 58007, 58006.5, 0)}},
	krakenBars.name:      {{file: "XBTUSD_60.csv", text: "1714564800,5,7,3,6,2,9\n1714568400,5,5,5,5,0,0\n", want: append(bars("kraken", 5, 3, 7, 6, 2), later(bars("kraken", 5, 5, 5, 5, 0))...)}},
	bitstampMinutes.name: {{file: "bitstampUSD_1-min_data.csv", text: "Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price\n1714564800,5,7,3,6,2,10,5\n1714564860,NaN,NaN,NaN,NaN,NaN,NaN,NaN\n", want: minuteBars("bitstamp", 5, 3, 7, 6, 2)}},
	genericBars.name: {{file: "x.csv", text: "unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT\n1.7145E+12,2024-05-01 12:00:00,BTC/USDT,5,7,3,6,2,10\n", want: minuteBars("archive", 5, 3, 7, 6, 2)},
		{file: "x.csv", text: "date,symbol,currency,open,high,low,close,volume\n2024-05-01,BTC,EUR,5,7,3,6,2\n2024-05-01,BTC,USD,5,7,3,6,2\n", want: dayBars("archive", 5, 3, 7, 6, 2)},
		{file: "BTC-EUR.csv", text: "date,open,high,low,close,volume\n2024-05-01,5,7,3,6,2\n", refused: "--currency USD"},
		{file: "dollars.csv", text: "date,symbol,open,high,low,close,volume\n2024-05-01,BTC,55005,55007,55003,55006,71776546298\n", want: dayBars("archive", 55005, 55003, 55007, 55006, 0)}},
	ohlcvRows.name: {{file: "BTC_USDT-1h.json", text: "[[1714564800000,5,7,3,6,2],[1714568400000,5,5,5,5,0]]", want: append(bars("archive", 5, 3, 7, 6, 2), later(bars("archive", 5, 5, 5, 5, 0))...)},
		{file: "BTC-USD.json", text: "[[1714564800,3,7,3,6,2]]", want: minuteBars("archive", 3, 3, 7, 6, 2)},
		{file: "BTC-USD.json", cfg: Config{Venue: "kraken"}, text: "[[1714564800,3,7,3,6,2]]", want: minuteBars("kraken", 3, 3, 7, 6, 2)}},
	coinbaseCandles.name: {{file: "BTC-USD.json", text: "[[1714568400,5,5,5,5,0],[1714564800,3,7,5,6,2]]", want: append(bars("coinbase", 5, 3, 7, 6, 2), later(bars("coinbase", 5, 5, 5, 5, 0))...)}},
	bitfinexCandles.name: {{file: "BTCUSD.json", text: "[[1714564800000,5,6,7,3,2],[1714568400000,5,5,5,5,0]]", want: append(bars("bitfinex", 5, 3, 7, 6, 2), later(bars("bitfinex", 5, 5, 5, 5, 0))...)}},
	okxCandles.name: {{file: "BTC-USDT.json", text: `[["1714564800000","5","7","3","6","2","10","10","1"]]`, want: minuteBars("okx", 5, 3, 7, 6, 2)},
		{file: "BTC-USDT-SWAP.json", cfg: Config{Symbol: "BTC"}, text: `[["1714564800000","5","7","3","6","200","2","10","1"]]`, want: minuteBars("okx", 5, 3, 7, 6, 2)}},
	turnoverRows.name: {{file: "BTCUSDT.json", text: `[["1714564800000","5","7","3","6","2","10"]]`, want: minuteBars("archive", 5, 3, 7, 6, 2)},
		{file: "BTCUSD.csv", text: "1714564800,50005,50007,50003,50006,100000,2.0\n", want: minuteBars("archive", 50005, 50003, 50007, 50006, 2)},
		{file: "BTCUSDT.csv", text: "2024-05-01 12:00:00,5,7,3,6,2,10,9\n2024-05-01 13:00:00,5,5,5,5,0,0,0\n",
			want: append(bars("archive", 5, 3, 7, 6, 2), later(bars("archive", 5, 5, 5, 5, 0))...)}},
	kucoinCandles.name: {{file: "BTC-USDT.json", text: `[["1714564800","5","6","7","3","2","10"]]`, want: minuteBars("kucoin", 5, 3, 7, 6, 2)}},
	gateCandles.name: {{file: "BTC_USDT.json", text: `[["1714564800","10","6","7","3","5","2","true"]]`, want: minuteBars("gateio", 5, 3, 7, 6, 2)},
		{file: "BTC_USDT.csv", text: "1714564800,10,6,7,3,5,2\n", want: minuteBars("gateio", 5, 3, 7, 6, 2)}},
	metaTraderBars.name: {{file: "BTCUSD1.csv", cfg: Config{Symbol: "BTC"}, text: "2024.05.01,12:00,5,7,3,6,200\n", want: minuteBars("archive", 5, 3, 7, 6, 0)}},
	marketChart.name:    {{file: "x.json", cfg: Config{Symbol: "BTC"}, text: `{"prices":[[1714564800000,5.5]],"market_caps":[[1714564800000,9]],"total_volumes":[[1714564800000,9]]}`, want: []string{"archive BTC 2024-05-01T12:00:00Z 5.5 0"}}},
	binanceTrades.name: {{file: "BTCUSD_PERP-trades.csv", text: "id,price,qty,base_qty,time,is_buyer_maker\n1,50000.0,100,0.2,1714564800000,true\n", want: []string{"binance BTC 2024-05-01T12:00:00Z 50000 0.2"}},
		{file: "BTCUSD_PERP-trades.csv", text: "1,50000.0,100,0.2,1714564800000,true\n", want: []string{"binance BTC 2024-05-01T12:00:00Z 50000 0.2"}},
		{file: "BTCUSD_PERP-aggTrades.csv", text: "1,50000.0,100,5,6,1714564800000,true\n", want: []string{"binance BTC 2024-05-01T12:00:00Z 50000 0.2"}}},
	inverseTrades.name: {{file: "x.csv", text: "timestamp,symbol,side,size,price,trdMatchID,homeNotional\n2024-05-01D12:00:00.000000000,XBTUSD,Buy,10000,50000,u-1,0.2\n", want: []string{"archive BTC 2024-05-01T12:00:00Z 50000 0.2"}}},
	bareTrades.name:    {{file: "bitstampUSD.csv", text: "1714564800,5,2\n", want: []string{"bitstamp BTC 2024-05-01T12:00:00Z 5 2"}}},
	coinGecko.name:     {{file: "btc-usd-max.csv", text: "snapped_at,price,market_cap,total_volume\n2024-05-01 12:00:00 UTC,5,9,9\n", want: []string{"archive BTC 2024-05-01T12:00:00Z 5 0"}}},
	genericTrades.name: {{file: "x.csv", text: "timestamp,symbol,side,size,price\n1714564800,BTCUSDT,Buy,1,100\n1714564801,BTCUSDT,Buy,1,100\n1714564800,BTCUSDT,Buy,1,100\n",
		want: []string{"archive BTC 2024-05-01T12:00:00Z 100 1", "archive BTC 2024-05-01T12:00:01Z 100 1", "archive BTC 2024-05-01T12:00:00Z 100 1"}},
		{file: "BTC-USD.csv", text: "time,price,amount,side\n1714564800,5,1,bid\n", refused: "an order book"},
		{file: "btc_liquidations.csv", text: "time,symbol,price,amount,id\n1714564800,BTC,5,1,1\n", refused: "liquidations"}},
	orderBook.name:    {{file: "x.csv", text: "exchange,symbol,timestamp,is_snapshot,side,price,amount\nx,BTCUSDT,1714564800,true,ask,5,1\n", refused: "an order book"}},
	liquidations.name: {{file: "BTCUSDT.csv", text: "time,side,order_type,time_in_force,price,average_price,order_status\n1714564800000,SELL,LIMIT,IOC,5,5,FILLED\n", refused: "liquidations"}},
	indexPrices.name:  {{file: "x.csv", text: "timestamp,symbol,mark_price,index_price,price\n1714564800,BTCUSDT,5,5,5\n", refused: "an index"}},
}

var berlin, _ = Zone("Europe/Berlin")

// bars is what a bar of an hour from noon says; minuteBars and dayBars one of a minute and of the day. The second and third price are in the
// order in which they were reached.
func bars(venue string, open, second, third, close, volume float64) []string {
	return tradesOf(venue, [4]string{"12:00:00Z", "12:20:00Z", "12:40:00Z", "12:59:59.999Z"}, open, second, third, close, volume)
}

func minuteBars(venue string, open, second, third, close, volume float64) []string {
	return tradesOf(venue, [4]string{"12:00:00Z", "12:00:20Z", "12:00:40Z", "12:00:59.999Z"}, open, second, third, close, volume)
}

func dayBars(venue string, open, second, third, close, volume float64) []string {
	return tradesOf(venue, [4]string{"00:00:00Z", "08:00:00Z", "16:00:00Z", "23:59:59.999Z"}, open, second, third, close, volume)
}

func tradesOf(venue string, at [4]string, open, second, third, close, volume float64) (list []string) {
	if second > third && close >= open {
		second, third = third, second
	}
	for i, price := range [...]float64{open, second, third, close} {
		list = append(list, fmt.Sprintf("%s BTC 2024-05-01T%s %v %v", venue, at[i], price, []float64{volume / 2, 0, 0, volume / 2}[i]))
	}
	return list
}

// later is the same an hour later.
func later(list []string) []string {
	for i := range list {
		list[i] = strings.Replace(list[i], "T12:", "T13:", 1)
	}
	return list
}

// said is what a replay has emitted.
func said(sink *recorder) (list []string) {
	for _, t := range sink.tweets {
		list = append(list, strings.Join([]string{t.Source, t.ID, t.Time.Format("2006-01-02T15:04:05.999Z"), t.Author, t.Text}, " "))
	}
	for _, p := range sink.prices {
		list = append(list, fmt.Sprintf("%s %s %s %v %v", p.Venue, p.Symbol, p.Time.Format("2006-01-02T15:04:05.999Z"), p.Price, p.Volume))
	}
	return list
}

// Each format is known by what it holds, says what it should, and is not taken for another.
func TestFormats(t *testing.T) {
	t.Parallel()
	for _, f := range formats {
		require.NotEmpty(t, samples[f.name], "the format %q has no sample", f.name)
		for i, s := range samples[f.name] {
			t.Run(fmt.Sprintf("%s %d", f.name, i), func(t *testing.T) {
				t.Parallel()
				var report *File
				cfg := s.cfg
				cfg.Paths = []string{write(t, s.file, s.text)}
				cfg.Report = func(f *File) { report = f }
				sink := &recorder{}
				err := New(cfg).Run(t.Context(), sink)
				require.Contains(t, append(report.Formats, "no format"), map[bool]string{true: f.name, false: "no format"}[len(report.Formats) > 0])
				if s.refused != "" {
					require.ErrorContains(t, err, s.refused)
					require.Contains(t, report.Problem, s.refused, "the report says the same")
					require.Empty(t, said(sink))
					return
				}
				require.NoError(t, err)
				require.Equal(t, s.want, said(sink))
				require.Empty(t, report.Problem)
				rows := int64(len(s.want))
				if f.holds == "bars" {
					rows /= 4
				}
				require.Equal(t, rows, report.Rows)
			})
		}
	}
}

// The same samples in other clothes say the same.
func TestFormatsInOtherClothes(t *testing.T) {
	t.Parallel()
	utf16 := func(s string) string {
		b := []byte{0xFF, 0xFE}
		for _, r := range s {
			b = append(b, byte(r), byte(r>>8))
		}
		return string(b)
	}
	text := "time,symbol,price,amount\n1714564800,BTC,5,2\n1714564801,BTC,6,2\n"
	want := []string{"archive BTC 2024-05-01T12:00:00Z 5 2", "archive BTC 2024-05-01T12:00:01Z 6 2"}
	for name, file := range map[string]string{
		"UTF-16": utf16(text), "CR": strings.ReplaceAll(text, "\n", "\r"), "byte order mark": "\uFEFF" + text, "semicolons": strings.ReplaceAll(text, ",", ";"),
		"tabs": strings.ReplaceAll(text, ",", "\t"), "CR LF": strings.ReplaceAll(text, "\n", "\r\n"), "dollars": strings.ReplaceAll(text, ",5,", ",$5.00,"),
		"decimal comma": strings.NewReplacer(",5,2", ";5,0;2,0", ",", ";").Replace(text), "objects": `[{"time":1714564800,"symbol":"BTC","price":5,"amount":"2"},` +
			`{"time":1714564801,"symbol":"BTC","price":6,"amount":"2"}]`, "UTF-16, JSON": utf16(`{"time":1714564800,"symbol":"BTC","price":5,"amount":"2","side":"buy"}` + "\n" +
			`{"time":1714564801,"symbol":"BTC","price":6,"amount":"2","side":"buy"}`),
	} {
		sink, _ := replay(t, Config{Paths: []string{write(t, "x.csv", file)}})
		require.Equal(t, want, said(sink), name)
	}
}

// docs/archives.md has the table that the code has.
func TestFormatsInTheDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "archives.md"))
	require.NoError(t, err)
	var rows []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| ") && strings.Count(line, "|") == 8 {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	want := []string{"| format | holds | known by | units | times | ids | whose |"}
	for _, f := range formats {
		cells := []string{f.name, f.holds, f.known, f.units, f.times, f.ids, f.origin}
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", "\\|")
		}
		want = append(want, "| "+strings.Join(cells, " | ")+" |")
	}
	if !slices.Equal(want, rows) {
		require.Equal(t, strings.Join(want, "\n"), strings.Join(rows, "\n"), "docs/archives.md should have these rows")
	}
}
