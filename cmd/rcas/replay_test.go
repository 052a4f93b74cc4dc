package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files of which not one price is good are prices still, and the report says where the first line of each kind is.
func TestReplayReportsPricesAsPrices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"bars.csv": "https://www.example.com/prices\nunix,symbol,open,high,low,close\n1714521600,BTC/USDT,5,six,4,5\n" +
			"1714521600,NOPE/USDT,5,6,4,5\n",
		"posts.ndjson": `{"id":"1","time":"2024-05-01T12:00:00Z","text":"what a lovely day"}` + "\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	where := onServer(t)
	var r replayReport
	require.NoError(t, json.Unmarshal([]byte(must(t, append([]string{"replay", "--json", dir}, where...)...)), &r))
	require.Equal(t, rowsReport{Read: 1, Dropped: map[string]int64{"unmapped": 1}}, r.Tweets)
	require.Equal(t, rowsReport{Read: 6, Dropped: map[string]int64{"malformed": 2, "unknown symbol": 4}}, r.Prices)
	require.Equal(t, map[string]int64{"archive: file without volume": 1}, r.Notes)
	first := strings.Join(r.First, "\n")
	require.Contains(t, first, "malformed: "+filepath.Join(dir, "bars.csv")+":1: ")
	require.Contains(t, first, "unknown symbol: "+filepath.Join(dir, "bars.csv")+":4")
	require.Contains(t, first, "unmapped: "+filepath.Join(dir, "posts.ndjson")+":1")
}

// A dry run tells what files are taken for and makes no database. A refused file is an error, with the sentence that a replay says.
func TestDryRun(t *testing.T) {
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	good, bad := filepath.Join(dir, "BTC-USD.csv"), filepath.Join(dir, "news.csv")
	require.NoError(t, os.WriteFile(good, []byte("Date,Open,High,Low,Close,Adj Close,Volume\n2021-05-10,5,6,4,5,5,9\n"), 0o600))
	require.NoError(t, os.WriteFile(bad, []byte("id,title,publication,date\n1,Coins fall,The Daily,2021-05-10\n"), 0o600))
	out := must(t, "replay", "--dry-run", "--data-dir", data, good)
	require.Contains(t, out, "taken for  Yahoo's prices")
	require.Contains(t, out, "Yahoo counts volumes in dollars")
	out, err := rcas(t, "replay", "--dry-run", "--json", "--data-dir", data, good, bad)
	require.ErrorContains(t, err, "a file was refused")
	require.Contains(t, out, "give --source news")
	out = must(t, "replay", "--dry-run", "--source", "news", "--data-dir", data, bad)
	require.Contains(t, out, "newspaper articles")
	require.NoDirExists(t, data)
	_, err = rcas(t, "replay", "--dry-run", "--timezone", "CST", "--data-dir", data, good)
	require.ErrorContains(t, err, "--timezone")
}

// What a second command brings of a market and time of which other bars are stored would count twice: it is left out, and counted.
func TestReplayKnowsWhatIsStored(t *testing.T) {
	t.Parallel()
	dir, where := t.TempDir(), onServer(t)
	for name, content := range map[string]string{
		"first/BTCUSD.csv": "time,open,high,low,close,volume\n2024-05-01T10:00:00Z,5,7,3,6,2\n2024-05-01T11:00:00Z,6,6,6,6,1\n",
		"first/ETHUSD.csv": "time,open,high,low,close,volume\n2024-05-01T10:00:00Z,5,7,3,6,2\n2024-05-01T11:00:00Z,6,6,6,6,1\n",
		// A day, whose four prices lie outside of the hours; a trade within the hours, and one behind them; and hours of another exchange.
		"second/BTCUSD.csv":        "date,open,high,low,close,volume\n2024-05-01,5,7,3,6,9\n2024-05-02,6,6,6,6,1\n",
		"second/BTCUSD-trades.csv": "time,price,amount\n2024-05-01T11:59:59Z,6,1\n2024-05-01T12:00:00Z,6,1\n",
		"second/ETHUSD.csv":        "time,open,high,low,close,volume\n2024-05-01T10:00:00Z,5,7,3,6.5,2\n2024-05-01T11:00:00Z,6,6,6,6,1\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	replay := func(folder string) (r replayReport) {
		out := must(t, append([]string{"replay", "--json", filepath.Join(dir, folder)}, where...)...)
		require.NoError(t, json.Unmarshal([]byte(out), &r))
		return r
	}
	require.EqualValues(t, 16, replay("first").Prices.Stored)
	r := replay("second")
	require.Equal(t, map[string]int64{"stored otherwise": 2}, r.Prices.Dropped)
	require.EqualValues(t, 5, r.Prices.Stored, "the second day, and the trade behind the hours")
	require.EqualValues(t, 8, r.Prices.Duplicates)
	require.EqualValues(t, 1, r.Differs)
	again := replay("second")
	require.Zero(t, again.Prices.Stored)
	require.Equal(t, r.Prices.Dropped, again.Prices.Dropped)
}
