package archive

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor"
	"rcas/market"
	natsstream "rcas/stream"
)

// recorder is a sink that keeps everything in the order in which it came.
type recorder struct {
	mu      sync.Mutex
	tweets  []market.Tweet
	prices  []market.Price
	order   []string
	at      []time.Time
	drops   map[string]int
	dropped map[string]int // by source
	counts  map[string]int64
	flushed bool
	// refuse, where set, is returned for every event.
	refuse error
}

var _ ingestor.Sink = (*recorder)(nil)

func (r *recorder) Tweet(_ context.Context, t *market.Tweet) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tweets, r.order, r.at = append(r.tweets, *t), append(r.order, t.ID), append(r.at, time.Now())
	return r.refuse
}

func (r *recorder) Price(_ context.Context, p *market.Price) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prices, r.order, r.at = append(r.prices, *p), append(r.order, p.TradeID), append(r.at, time.Now())
	return r.refuse
}

func (r *recorder) Drop(source, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drops == nil {
		r.drops, r.dropped = map[string]int{}, map[string]int{}
	}
	r.drops[reason]++
	r.dropped[source]++
}

func (r *recorder) Delete(context.Context, string, string) error { return nil }

func (r *recorder) Count(_, event string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[string]int64{}
	}
	r.counts[event] += n
}

func (r *recorder) Sync(ctx context.Context) error { return r.Flush(ctx) }

func (r *recorder) Flush(context.Context) error {
	r.flushed = true
	return nil
}

// write makes a file in a folder of the test's own and returns its path.
func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// replay runs an archive to its end.
func replay(t testing.TB, cfg Config) (*recorder, Stats) {
	t.Helper()
	sink, a := &recorder{}, New(cfg)
	require.NoError(t, a.Run(t.Context(), sink))
	require.True(t, sink.flushed)
	stats := a.Stats()
	require.EqualValues(t, len(sink.tweets), stats.Tweets)
	require.EqualValues(t, len(sink.prices), stats.Prices)
	for reason, drop := range stats.Drops {
		require.EqualValues(t, drop.Count, sink.drops[reason], reason)
	}
	return sink, stats
}

// postsAt returns normalised posts at the given seconds of a minute, with the seconds as ids behind a prefix.
func postsAt(prefix string, seconds ...string) string {
	var b strings.Builder
	for _, s := range seconds {
		b.WriteString(`{"id":"` + prefix + s + `","time":"2024-05-01T12:00:` + s + `Z","text":"coins"}` + "\n")
	}
	return b.String()
}

func TestMergeByTime(t *testing.T) {
	t.Parallel()
	a := write(t, "a", postsAt("a", "05", "10", "30", "31"))
	b := write(t, "b", postsAt("b", "01", "20", "29", "50"))
	late := write(t, "c", postsAt("c", "40", "02", "55"))
	prices := write(t, "d.csv", "time,symbol,price\n2024-05-01T12:00:25Z,BTCUSD,60000\n")
	sink, _ := replay(t, Config{Paths: []string{a, prices, late, b}})
	trade := sink.prices[0].TradeID
	require.Equal(t, []string{"b01", "a05", "a10", "b20", trade, "b29", "a30", "a31", "c40", "c02", "b50", "c55"}, sink.order)
}

func TestMoreFilesThanMayBeOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const files = 3 * maxOpen
	for i := range files {
		at := time.Date(2024, 5, 1, 0, files-i, 0, 0, time.UTC).Format(time.RFC3339)
		text := `{"id":"` + at + `","time":"` + at + `","text":"coins"}` + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "f"+string(rune('a'+i/26))+string(rune('a'+i%26))), []byte(text), 0o600))
	}
	sink, _ := replay(t, Config{Paths: []string{dir}})
	require.Len(t, sink.order, files)
	require.IsIncreasing(t, sink.order)
}

// A clock that runs in no time: see testing/synctest.
func TestSpeed(t *testing.T) {
	t.Parallel()
	path := write(t, "a", postsAt("", "05", "10", "08", "30")+
		`{"id":"never","time":"2345-01-01T00:00:00Z","text":"a broken clock"}`+"\n"+postsAt("", "31"))
	for speed, want := range map[float64][]float64{1: {0, 5, 5, 25, 25, 26}, 10: {0, .5, .5, 2.5, 2.5, 2.6}, 0: {0, 0, 0, 0, 0, 0}} {
		synctest.Test(t, func(t *testing.T) {
			sink := &recorder{}
			// The files' times lie in the future of the bubble's clock, which begins in 2000, but for the first two dates.
			time.Sleep(time.Until(time.Date(2024, 5, 2, 0, 0, 0, 0, time.UTC)))
			began := time.Now()
			require.NoError(t, New(Config{Paths: []string{path}, Speed: speed}).Run(t.Context(), sink))
			require.Equal(t, []string{"05", "10", "08", "30", "never", "31"}, sink.order)
			for i, at := range sink.at {
				require.InDelta(t, want[i], at.Sub(began).Seconds(), 0.001, "speed %v, event %d", speed, i)
			}
		})
	}
}

func TestSpeedEndsWithContext(t *testing.T) {
	t.Parallel()
	path := write(t, "a", postsAt("", "05", "50"))
	ctx, cancel := context.WithCancel(t.Context())
	sink := &recorder{}
	ended := make(chan error, 1)
	go func() { ended <- New(Config{Paths: []string{path}, Speed: 1}).Run(ctx, sink) }()
	require.Eventually(t, func() bool {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return len(sink.order) == 1
	}, time.Minute, time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
	require.Equal(t, []string{"05"}, sink.order)
}

func TestRebase(t *testing.T) {
	t.Parallel()
	posts := write(t, "a", postsAt("", "05", "10")+`{"id":"never","time":"2345-01-01T00:00:00Z","text":"a broken clock"}`+"\n")
	bars := write(t, "b.csv", "time,symbol,open,high,low,close,volume\n2024-05-01T12:00:00Z,BTCUSD,5,6,4,5,2\n")
	for _, to := range []time.Time{
		time.Date(2026, 1, 1, 10, 30, 20, 0, time.UTC), time.Date(2020, 1, 1, 10, 30, 20, 0, time.UTC),
	} {
		var done, total int64
		sink, _ := replay(t, Config{
			Paths: []string{posts, bars}, Rebase: to,
			Progress: func(d, of int64) { require.GreaterOrEqual(t, d, done); done, total = d, of },
		})
		last := sink.prices[3].Time
		require.False(t, last.After(to))
		require.Less(t, to.Sub(last), time.Minute)
		require.Zero(t, sink.prices[0].Time.Second(), "bars stay in their minutes")
		require.Equal(t, 5*time.Second, sink.tweets[1].Time.Sub(sink.tweets[0].Time))
		require.Equal(t, total, done)
		require.Positive(t, total)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"b/2", "b/1", "a.json", ".hidden", "x.zip.CHECKSUM", "c/.git/config"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	names := func(paths ...string) (found []string) {
		files, err := find(paths)
		require.NoError(t, err)
		for _, f := range files {
			name, err := filepath.Rel(dir, f.path)
			require.NoError(t, err)
			found = append(found, name)
		}
		return found
	}
	require.Equal(t, []string{"a.json", "b/1", "b/2"}, names(dir))
	require.Equal(t, []string{"b/2", "a.json", "b/1"}, names(filepath.Join(dir, "b/2"), dir), "each once")
	require.Equal(t, []string{"b/1", "b/2"}, names(filepath.Join(dir, "b", "[12]")))
	require.Equal(t, []string{".hidden"}, names(filepath.Join(dir, ".hidden")), "what is named is read")

	require.NoError(t, os.Symlink(filepath.Join(dir, "b"), filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "b", "dangling")))
	require.Equal(t, []string{"link/1", "link/2", "link/dangling"}, names(filepath.Join(dir, "link")))

	for _, bad := range []string{filepath.Join(dir, "nowhere"), filepath.Join(dir, "*.nothing"), filepath.Join(dir, "[")} {
		_, err := find([]string{bad})
		require.ErrorContains(t, err, "nothing to read at "+bad)
	}
	_, err := find(nil)
	require.ErrorContains(t, err, "no files given")
	_, err = find([]string{t.TempDir()})
	require.ErrorContains(t, err, "there is no file in")
}

func TestRunErrors(t *testing.T) {
	t.Parallel()
	good := write(t, "good", postsAt("", "01"))
	empty := write(t, "empty", "")
	prose := write(t, "prose", "Once upon a time\nthere was a coin.\n")

	require.ErrorContains(t, New(Config{Paths: []string{"/no/such/file"}}).Run(t.Context(), &recorder{}), "nothing to read at")
	require.ErrorContains(t, New(Config{Paths: []string{good}, Speed: -1}).Run(t.Context(), &recorder{}), "a speed of -1")
	require.ErrorContains(t, New(Config{Paths: []string{empty}}).Run(t.Context(), &recorder{}), "empty: the file is empty")
	require.ErrorContains(t, New(Config{Paths: []string{prose}}).Run(t.Context(), &recorder{}), `it begins with "Once upon a time"`)

	broken := errors.New("the stream is gone")
	require.ErrorIs(t, New(Config{Paths: []string{good}}).Run(t.Context(), &recorder{refuse: broken}), broken)

	sink, stats := replay(t, Config{Paths: []string{empty, good, prose}})
	require.Equal(t, []string{"01"}, sink.order)
	require.EqualValues(t, 2, stats.ErrorCount)
	require.ElementsMatch(t, []string{
		empty + ": the file is empty",
		prose + ": it is no archive that RCAS reads (posts or prices as JSON or as a table with names of columns; docs/archives.md lists " +
			`them): it begins with "Once upon a time"`,
	}, stats.Errors)
}

// What the door drops is named by where it stands, the trades of a bar too, which wait until they are due.
func TestPlacesOfWhatTheDoorDrops(t *testing.T) {
	t.Parallel()
	posts := write(t, "p", `{"id":"1","time":"2024-05-01T12:00:00Z","text":"bitcoin"}`+"\n\n"+postsAt("", "02", "03")+
		`{"id":"2","time":"2199-05-01T12:00:00Z","text":"bitcoin"}`+"\n")
	bars := write(t, "b.csv", "time,symbol,open,high,low,close,volume\n"+
		"2024-05-01T12:00:00Z,BTC,5,6,4,5,2\n2024-05-01T12:00:00Z,NOPE,5,6,4,5,2\n2024-05-01T12:01:00Z,BTC,5,6,4,5,2\n")
	comments := write(t, "c.csv", "id,author,body,created_utc\nx,anna,\"bitcoin to\nthe moon\",1714564800\ny,bert,bitcoin,1\n")
	s, err := natsstream.Open(t.Context(), natsstream.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	door := ingestor.NewDoor(ingestor.DoorConfig{
		Stream: s, Matcher: market.NewMatcher([]market.Asset{{Symbol: "BTC", Name: "Bitcoin"}}),
		Known: func(symbol string) bool { return symbol == "BTC" },
	})
	a := New(Config{Paths: []string{posts, bars, comments}})
	require.NoError(t, a.Run(t.Context(), door))
	require.Equal(t, map[string]string{
		"unmapped": posts + ":3", "future": posts + ":5", "unknown symbol": bars + ":3", "ancient": comments + ":4",
	}, a.Stats().Refused)
}

func TestReplayTwiceIsTheSame(t *testing.T) {
	t.Parallel()
	bars := write(t, "b.csv", "time,symbol,open,high,low,close,volume\n"+
		"2024-05-01T12:00:00Z,BTCUSD,5,6,4,5,2\n2024-05-01T12:01:00Z,BTCUSD,5,6,4,5,2\n")
	trades := write(t, "t.csv", "time,symbol,side,price,amount\n"+
		"1714564800,ETH/USD,buy,5,1\n1714564800,ETH/USD,buy,5,1\n1714564800,ETH/USD,sell,5,1\n")
	reddit := write(t, "r.csv", "author,body,created_utc\nanna,to the moon,1714564800\nbert,to the moon,1714564800\n")
	cfg := Config{Paths: []string{bars, trades, reddit}}
	one, _ := replay(t, cfg)
	two, _ := replay(t, cfg)
	require.Equal(t, one.prices, two.prices)
	require.Equal(t, one.tweets, two.tweets)
	keys := map[string]bool{}
	for _, id := range one.order {
		keys[id] = true
	}
	require.Len(t, keys, 8+3+2, "every event has a key of its own")
}
