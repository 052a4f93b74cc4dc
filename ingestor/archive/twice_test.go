package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bars of an hour of 10 coins each, and the trades of which they are made, 6 a coin every ten minutes: whichever comes first, each hour has 10 coins once.
func TestBarsAndTradesCountOnce(t *testing.T) {
	t.Parallel()
	const hours, start = 30, 1714564800
	var bars, trades []string
	for h := range hours {
		bars = append(bars, fmt.Sprintf("%d,5,7,3,6,12", start+h*3600))
		for i := range 6 {
			trades = append(trades, fmt.Sprintf("%d,5,2,%d", start+h*3600+i*600, h*6+i))
		}
	}
	reversed := func(rows []string) []string {
		turned := make([]string, len(rows))
		for i, row := range rows {
			turned[len(rows)-1-i] = row
		}
		return turned
	}
	for name, c := range map[string]struct{ bars, trades []string }{
		"oldest first": {bars, trades}, "newest first": {reversed(bars), reversed(trades)}, "bars newest first": {reversed(bars), trades},
		"trades newest first": {bars, reversed(trades)}, "bars of half the time": {bars[hours/2:], trades}, "trades of half the time": {bars, trades[hours*3:]},
		"bars with holes": {append(append([]string{}, bars[:5]...), bars[20:]...), trades},
	} {
		for _, names := range [][2]string{{"a.csv", "b.csv"}, {"b.csv", "a.csv"}} {
			t.Run(name+" "+names[0], func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				for i, text := range []string{"time,open,high,low,close,volume\n" + strings.Join(c.bars, "\n"), "time,price,amount,id\n" + strings.Join(c.trades, "\n")} {
					require.NoError(t, os.WriteFile(filepath.Join(dir, names[i]), []byte(text+"\n"), 0o600))
				}
				sink, stats := replay(t, Config{Paths: []string{dir}, Symbol: "BTC", Venue: "bitstamp"})
				volume := map[int64]float64{}
				for _, p := range sink.prices {
					volume[p.Time.Unix()/3600] += p.Volume
				}
				require.Len(t, volume, hours)
				for hour, v := range volume {
					require.InDelta(t, 12, v, 1e-9, hour)
				}
				require.NotZero(t, stats.Drops[reasonStored].Count)
				require.Contains(t, stats.Drops[reasonStored].First, "count twice")
			})
		}
	}
}
