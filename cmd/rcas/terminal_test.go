package main

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// TestFrameFitsEightyColumns draws the widest figures there are.
func TestFrameFitsEightyColumns(t *testing.T) {
	t.Parallel()
	wild := []float64{0, 1e-12, 0.00000673, 0.53124, 9.99999, 67123.4, 1e6, 1e15, -1, -1e9, math.Inf(1), math.NaN()}
	var rows []coinRow
	for i := range wild {
		x, y := wild[i], wild[(i+5)%len(wild)]
		rows = append(rows, coinRow{Symbol: "A-LONG-SYMBOL", Price: &x, Change: &y, MoodZ: &x, Posts: int64(i) * 123_456_789, Before: int64(i % 2), Signal: float64(i % 3)})
	}
	for _, colour := range []bool{false, true} {
		frame := drawMarket(rows, time.Now(), strings.Repeat("7d", 60), 10, colour, nil)
		plain := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(frame, "")
		require.Equal(t, colour, plain != frame)
		lines := strings.Split(strings.TrimSuffix(plain, "\n"), "\n")
		require.Len(t, lines, 10, "and the window's height")
		for _, line := range lines {
			require.LessOrEqual(t, utf8.RuneCountInString(line), frameWidth, line)
		}
		require.Contains(t, plain, "6 more in a taller window")
	}
	require.Equal(t, "▁▅█ ", spark(pointers(1, 2, 3, math.NaN())))
	require.Equal(t, "▄▄", spark(pointers(5, 5)))
}

func pointers(values ...float64) []*float64 {
	list := make([]*float64, len(values))
	for i := range values {
		if !math.IsNaN(values[i]) {
			list[i] = &values[i]
		}
	}
	return list
}

// TestWatchWithoutATerminal prints the table once, as plain text.
func TestWatchWithoutATerminal(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	at := time.Date(2024, 3, 5, 0, 0, 0, 0, time.UTC)
	storetest.Exec(t, s, `INSERT INTO models (name, active) VALUES ('test', true)`)
	storetest.Exec(t, s, `INSERT INTO assets (symbol, name) SELECT s, s FROM unnest('{BTC,ETH,DOGE}'::text[]) AS s`)
	storetest.Exec(t, s, `INSERT INTO prices SELECT $1::timestamptz - i * INTERVAL '1 hour', s, 'v', i::text, 130 - i, 1, $1
		FROM generate_series(1, 24) AS i, unnest('{BTC,ETH}'::text[]) AS s`, at)
	storetest.Exec(t, s, `INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash, text_hash, kind)
		SELECT $1::timestamptz - i * INTERVAL '1 hour', 'x', i::text, s, 'test', 0.2, 0.2, 0.6, 0.4, 1, 1, false, i, 0, CASE WHEN i > 18 THEN 'advert' ELSE 'person' END
		FROM generate_series(1, 24) AS i, unnest('{ETH}'::text[]) AS s`, at)
	out := must(t, "watch", "--at", at.Format(time.RFC3339), "--database-url", s.URL(), "--data-dir", t.TempDir())
	require.NotContains(t, out, "\x1b")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 5, out)
	require.Equal(t, "RCAS  5 Mar 00:00:00 UTC  last 24h  no mood can be judged yet: too few posts", lines[0])
	require.Regexp(t, `^ETH +129\.00 +\+21\.7% \+0\.40 +· +18 +· +25% +▁▂▃▄▅▆▇█ +`, lines[3], "those spoken of come first")
	require.Regexp(t, `^BTC +129\.00 +\+21\.7% +·`, lines[4])
	for _, wrong := range []string{"--since=5m", "--every=1ms", "--at=yesterday"} {
		_, err := rcas(t, "watch", wrong, "--data-dir", t.TempDir())
		require.Error(t, err)
	}
}
