package demo_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/demo"
)

func TestSameSeedSameArchive(t *testing.T) {
	t.Parallel()
	var posts [3][]byte
	for i, seed := range []uint64{7, 7, 8} {
		files, err := demo.Write(filepath.Join(t.TempDir(), "archive"), seed)
		require.NoError(t, err)
		require.Len(t, files, 2)
		posts[i], err = os.ReadFile(files[1])
		require.NoError(t, err)
	}
	require.True(t, bytes.Equal(posts[0], posts[1]))
	require.False(t, bytes.Equal(posts[0], posts[2]))
	require.Greater(t, bytes.Count(posts[0], []byte("\n")), 20_000)
}

func TestPageShowsWhatWasFound(t *testing.T) {
	t.Parallel()
	price, mood, correlation, p := 13000.0, 0.2, 0.7, 0.00001
	at := demo.Start.Add(time.Hour)
	r := demo.Report{LeadMinutes: 30, Symbols: []demo.SymbolReport{{
		Symbol: "BTC", Hours: []demo.Hour{{Time: at, Close: &price, Mood: &mood, Posts: 3}, {Time: at.Add(time.Hour)}},
		Terms: []demo.Term{{Term: "<script>", Posts: 3}}, Found: []demo.Event{{Start: at, End: at.Add(time.Hour), Direction: "bullish"}},
		Lags: []demo.Lag{{Minutes: 30, Correlation: &correlation, N: 700, P: &p}}, Best: demo.Lag{Minutes: 30, Correlation: &correlation, N: 700, P: &p},
	}}}
	var page, text strings.Builder
	require.NoError(t, r.WriteHTML(&page))
	require.Contains(t, page.String(), "mood leads by 30 minutes, correlation &#43;0.70, n 700, p &lt; 0.0001")
	require.NotContains(t, page.String(), "<script>", "what people wrote is text, never markup")
	require.NotContains(t, page.String(), "NaN")
	require.NoError(t, r.Print(&text))
	require.Contains(t, text.String(), "BTC")
}
