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
	where := []string{"--data-dir", t.TempDir()}
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
