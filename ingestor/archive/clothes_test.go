package archive

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What other exchanges and programs write, in the clothes that they give it: each says what it says, or is refused with the reason.
func TestPricesAsOthersWriteThem(t *testing.T) {
	t.Parallel()
	one := []string{"archive BTC 2024-05-01T12:00:00Z 50000 0.5"}
	hour := bars("archive", 5, 3, 7, 6, 2)
	for name, s := range map[string]sampleOf{
		"turnover beside the quantity":   {file: "BTCUSDT.csv", text: "time,price,quantity,amount\n1714564800,50000,0.5,25000\n", want: one},
		"turnover beside the volume":     {file: "BTCUSDT.csv", text: "time,price,amount,volume\n1714564800,50000,25000,0.5\n", want: one},
		"the quantity is the turnover":   {file: "BTCUSDT.csv", text: "time,price,qty,quote_qty\n1714564800,50000,25000,25000\n", want: one},
		"sales are negative":             {file: "BTCUSD.csv", text: "id,mts,amount,price\n7,1714564800000,-0.5,50000\n", want: one},
		"contracts of a dollar":          {file: "x.csv", text: "exchange,symbol,timestamp,id,price,amount\nbitmex,XBTUSD,1714564800000000,7,50000,25000\n", want: []string{"bitmex BTC 2024-05-01T12:00:00Z 50000 0.5"}},
		"contracts without homeNotional": {file: "x.csv", text: "timestamp,symbol,side,size,price,trdMatchID,foreignNotional\n2024-05-01D12:00:00,XBTUSD,Buy,25000,50000,u,25000\n", want: one},
		"quantity in JSON":               {file: "x.ndjson", text: `{"symbol":"BTCUSDT","price":"50000","qty":"0.5","time":1714564800000}`, want: one},
		"time_exchange":                  {file: "BTC-USD.csv", text: "time_exchange;time_coinapi;guid;price;base_amount;taker_side\n2024-05-01T12:00:00.0;2024-05-01T12:00:01.0;g;50000;0.5;BUY\n", want: one},
		"the volume of a day":            {file: "BTCUSD.csv", text: "time,price,bid,ask,volume\n1714564800,50000,49999,50001,31000\n", want: []string{"archive BTC 2024-05-01T12:00:00Z 50000 0"}},
		"base and quote":                 {file: "x.csv", text: "date,base,quote,price,amount\n2024-05-01T12:00:00Z,BTC,EUR,1,1\n2024-05-01T12:00:00Z,BTC,USD,50000,0.5\n", want: one},
		"crosses":                        {file: "x.csv", text: "time,symbol,price,amount\n1714564800,BTCEUR,1,1\n1714564800,ETHBTC,1,1\n1714564800,BTCUSD,50000,0.5\n", want: one},
		"orders between trades": {file: "x.ndjson", text: `{"type":"received","time":"2024-05-01T12:00:00Z","product_id":"BTC-USD","order_id":"o","size":"1","price":"1","side":"buy"}` + "\n" +
			`{"type":"open","time":"2024-05-01T12:00:00Z","product_id":"BTC-USD","order_id":"o","remaining_size":"1","price":"1","side":"buy"}` + "\n" +
			`{"type":"match","trade_id":7,"time":"2024-05-01T12:00:00Z","product_id":"BTC-USD","size":"0.5","price":"50000","side":"buy"}`, want: one},
		"liquidations between trades": {file: "x.csv", text: "time,symbol,price,quantity,is_liquidation\n1714564800,BTCUSDT,1,1,true\n1714564800,BTCUSDT,50000,0.5,false\n", want: one},
		"updates of a book":           {file: "x.csv", text: "timestamp,action,symbol,id,side,size,price\n1714564800,partial,XBTUSD,8,Sell,100,5\n1714564801,update,XBTUSD,8,Sell,90,5\n"},
		"mark prices":                 {file: "x.csv", text: "timestamp,symbol,price,type\n1714564800,BTCUSDT,5,mark\n1714564801,BTCUSDT,5,index\n"},
		"euros by the name":           {file: "prices_in_eur.csv", text: "time,symbol,price,amount\n1714564800,BTC,5,1\n"},
		"euros by the market":         {file: "btc-eur.csv", text: "time,symbol,price,amount\n1714564800,BTC,5,1\n"},
		"liquidations by the name":    {file: "btcusdt-liq.csv", text: "time,symbol,price,qty\n1714564800,BTC,5,1\n", refused: "liquidations"},
		"amount before the price":     {file: "BTCUSD.csv", text: "1714564800,0.5,50000\n1714564801,12,50001\n1714564802,0.01,50002\n", refused: "give its columns names"},
		"quotes without names":        {file: "BTCUSD.csv", text: "1714564800,50000.1,50000.5,0.5,1.2\n", refused: "columns of none"},
		"names that are not known": {file: "BTCUSD.csv", text: "wann,open,high,low,close,volume,turnover\n1714564800,50000,50100,49900,50050,125000,2.5\n1714568400,50000,50100,49900,50050,125000,2.5\n",
			refused: "columns of none"},
		"bars of a mark price": {file: "BTC_USDT-1h-mark.json", text: "[[1714564800000,5,7,3,6,0]]", refused: "a mark price"},
		"bars of an index": {file: "BTCUSD.csv", text: "time,open,high,low,close,volume\n1714564800,5,7,3,6,0\n1714568400,5,7,3,6,0\n1714572000,5,7,3,6,0\n",
			refused: "an index"},
		"bars of months": {file: "BTCUSD.csv", text: "time,open,high,low,close\n2024-01-01T00:00:00Z,5,7,3,6\n2024-02-01T00:00:00Z,5,7,3,6\n2024-03-01T00:00:00Z,5,7,3,6\n",
			refused: "months"},
		"start and end":            {file: "BTCUSD.csv", text: "start,end,open,high,low,close,volume\n2024-05-01T12:00:00Z,2024-05-01T13:00:00Z,5,7,3,6,2\n", want: hour},
		"end alone":                {file: "BTCUSD.csv", text: "period_end,interval,open,high,low,close,volume\n2024-05-01T13:00:00Z,1h,5,7,3,6,2\n", want: hour},
		"without dashes":           {file: "BTCUSD.csv", text: "datetime,interval,open,high,low,close,volume\n20240501120000,1h,5,7,3,6,2\n", want: hour},
		"date and bare clock":      {file: "x.csv", text: "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,interval,volume\nBTCUSD,60,20240501,120000,5,7,3,6,1h,2\n", want: hour},
		"date with points":         {file: "BTCUSD.csv", text: "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\tinterval\n2024.05.01\t12:00:00\t5\t7\t3\t6\t9\t1h\n", want: bars("archive", 5, 3, 7, 6, 0)},
		"a separator too many":     {file: "BTCUSD.csv", text: "time,interval,open,high,low,close,volume\n1714564800,1h,5,7,3,6,2,\n", want: hour},
		"contracts by the column":  {file: "BTCUSD.csv", text: "time,interval,open,high,low,close,Volume (Contracts)\n1714564800,1h,5,7,3,6,900\n", want: bars("archive", 5, 3, 7, 6, 0)},
		"turnover by the column":   {file: "BTCUSD.csv", text: "time,interval,open,high,low,close,volume,turnover\n1714564800,1h,50005,50007,50003,50006,100000,2\n", want: bars("archive", 50005, 50003, 50007, 50006, 2)},
		"points between thousands": {file: "BTCUSD.csv", text: "date;open;high;low;close;volume\n2024-05-01;58.005;58.007;58.003;58.006;2,0\n", want: dayBars("archive", 58005, 58003, 58007, 58006, 2)},
		"blanks between thousands": {file: "BTCUSD.csv", text: "date;open;high;low;close;volume\n2024-05-01;58 005;58\u00a0007;58'003;58006,0;2,0\n", want: dayBars("archive", 58005, 58003, 58007, 58006, 2)},
		"decimal commas in quotes": {file: "BTCUSD.csv", text: "date,open,high,low,close,volume\n2024-05-01,\"58.005,00\",\"58.007,00\",\"58.003,00\",\"58.006,00\",\"2,0\"\n", want: dayBars("archive", 58005, 58003, 58007, 58006, 2)},
		"less than one":            {file: "BTCUSD.csv", text: "time,price,amount\n1714564800,50000,\"0,500\"\n", want: one},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := s.cfg
			cfg.Paths = []string{write(t, s.file, s.text)}
			var report *File
			cfg.Report = func(f *File) { report = f }
			sink := &recorder{}
			err := New(cfg).Run(t.Context(), sink)
			if s.refused != "" {
				require.ErrorContains(t, err, s.refused)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, s.want, said(sink))
			require.True(t, len(s.want) > 0 || s.refused != "" || len(report.Dropped) > 0, "nothing is lost in silence")
		})
	}
}

// A day that the clocks make an hour shorter is a day.
func TestDaysOfAZoneWithSummerTime(t *testing.T) {
	t.Parallel()
	text := "time,symbol,open,high,low,close,volume\n"
	for _, day := range strings.Fields("2024-03-29T00:00:00+01:00 2024-03-30T00:00:00+01:00 2024-03-31T00:00:00+01:00 2024-04-01T00:00:00+02:00") {
		text += day + ",BTC,5,7,3,6,2\n"
	}
	sink, _ := replay(t, Config{Paths: []string{write(t, "x.csv", text)}})
	require.Contains(t, said(sink), "archive BTC 2024-03-29T22:59:59.999Z 6 1", "the close of the first day")
}

// What people have posted, in the clothes of other programs.
func TestPostsAsOthersWriteThem(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]sampleOf{
		"networks in other letters": {file: "x.csv", text: "id,created_at,text,source\n1,2024-05-01T12:00:00Z,a,Reddit\n2,2024-05-01T12:00:00Z,b,Hootsuite\n3,2024-05-01T12:00:00Z,c,X\n",
			want: []string{"reddit 1 2024-05-01T12:00:00Z  a", "twitter 2 2024-05-01T12:00:00Z  b", "twitter 3 2024-05-01T12:00:00Z  c"}},
		"networks in JSON": {file: "x.json", text: `{"id":"1","created_at":"2024-05-01T12:00:00Z","text":"a","source":"Telegram"}`, want: []string{"telegram 1 2024-05-01T12:00:00Z  a"}},
		"numbers of old exports of Telegram": {file: "result.json", text: `{"name":"C","id":9,"messages":[{"id":1,"type":"message","date":"2024-05-01T12:00:00","from":"A","from_id":4829104,"text":"a"}]}`,
			want: []string{"telegram 9/1 2024-05-01T12:00:00Z 4829104 a"}},
		"answers to answers": {file: "x.json", text: `[{"kind":"Listing","data":{"children":[{"kind":"t3","data":{"id":"s","title":"a","created_utc":1714564800}}]}},` +
			`{"kind":"Listing","data":{"children":[{"kind":"t1","data":{"id":"b","body":"[deleted]","created_utc":1714564800,"replies":{"kind":"Listing","data":{"children":[` +
			`{"kind":"t1","data":{"id":"c","body":"c","created_utc":1714564800,"replies":{"kind":"Listing","data":{"children":[{"kind":"t1","data":{"id":"d","body":"d","created_utc":1714564800,` +
			`"replies":""}},{"kind":"more","data":{"count":2,"children":["x","y"]}}]}}}}]}}}}]}}]`,
			want: []string{"reddit t3_s 2024-05-01T12:00:00Z  a", "reddit t1_c 2024-05-01T12:00:00Z  c", "reddit t1_d 2024-05-01T12:00:00Z  d"}},
		"a search of the v1.1 API": {file: "x.json", text: `{"statuses":[{"id_str":"5","text":"a","created_at":"Wed May 01 12:00:00 +0000 2024","user":{"screen_name":"anna"}}],"search_metadata":{"count":1}}`,
			want: []string{"twitter 5 2024-05-01T12:00:00Z anna a"}},
		"snscrape's of old": {file: "x.json", text: `{"date":"2024-05-01T12:00:00+00:00","content":"a","renderedContent":"b","id":7,"user":{"username":"anna"}}`, want: []string{"twitter 7 2024-05-01T12:00:00Z anna a"}},
		"a quote within a field": {file: "x.csv", text: "id\ttext\tcreated_at\n1\tit's 5\" long\t2024-05-01T12:00:00Z\n2\tb\t2024-05-01T12:00:00Z\n",
			want: []string{"twitter 1 2024-05-01T12:00:00Z  it's 5\" long", "twitter 2 2024-05-01T12:00:00Z  b"}},
		"ids that a spreadsheet has rounded": {file: "x.csv", text: "tweet_id,text,created_at\n1391634747986690000,a,2024-05-01T12:00:00Z\n1391634747986690000,b,2024-05-01T12:00:00Z\n"},
		"ids of which one ends in zeros": {file: "x.csv", text: "tweet_id,text,created_at\n1391634747986690001,a,2024-05-01T12:00:00Z\n1391634747986690000,b,2024-05-01T12:00:00Z\n",
			want: []string{"twitter 1391634747986690001 2024-05-01T12:00:00Z  a", "twitter 1391634747986690000 2024-05-01T12:00:00Z  b"}},
		"an article between posts": {file: "x.json", text: `{"id":1,"text":"a","date":"2024-05-01T12:00:00Z"}` + strings.Repeat(`{"id":2,"title":"Coins fall","text":"long","date":"2024-05-01T12:00:00Z","url":"u"}`, 2) +
			`{"id":3,"text":"b","date":"2024-05-01T12:00:00Z"}`, want: []string{"twitter 1 2024-05-01T12:00:00Z  a", "twitter 3 2024-05-01T12:00:00Z  b"}},
		"marks between files": {file: "x.json", text: "\uFEFF" + `{"id":1,"text":"a","created_at":"2024-05-01T12:00:00Z"}` + "\n\uFEFF" + `{"id":2,"text":"b","created_at":"2024-05-01T12:00:00Z"}`,
			want: []string{"twitter 1 2024-05-01T12:00:00Z  a", "twitter 2 2024-05-01T12:00:00Z  b"}},
		"NaN of MongoDB": {file: "x.json", text: `{"id":{"$numberLong":"5"},"text":"a","created_at":{"$date":"2024-05-01T12:00:00Z"},"score":{"$numberDouble":"NaN"}}` + "\n" +
			`{"id":{"$numberLong":"6"},"text":"b","created_at":{"$date":{"$numberLong":"1714564800000"}}}`, want: []string{"twitter 5 2024-05-01T12:00:00Z  a", "twitter 6 2024-05-01T12:00:00Z  b"}},
		"NaN of Python":   {file: "x.json", text: `{"id":9007199254740993,"text":"NaN","created_at":"2024-05-01T12:00:00Z","place":NaN,"rank":-Infinity}`, want: []string{"twitter 9007199254740993 2024-05-01T12:00:00Z  NaN"}},
		"offset and zone": {file: "x.json", text: `{"id":1,"text":"a","created_at":"2024-05-01 14:00:00 +0200 CEST"}`, want: []string{"twitter 1 2024-05-01T12:00:00Z  a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, _ := replay(t, Config{Paths: []string{write(t, s.file, s.text)}})
			require.Equal(t, s.want, said(sink))
		})
	}
}
