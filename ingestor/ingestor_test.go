package ingestor_test

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"rcas/ingestor"
	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
	"rcas/stream"
)

var noon = time.Date(2024, 3, 5, 12, 0, 0, 0, time.UTC)

func openStream(t *testing.T) *stream.Stream {
	t.Helper()
	s, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func newDoor(t *testing.T, s *stream.Stream, change func(*ingestor.DoorConfig)) *ingestor.Door {
	t.Helper()
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	cfg := ingestor.DoorConfig{
		Stream: s, Matcher: market.NewMatcher(assets), Known: func(symbol string) bool { return symbol == "BTC" },
		Now: func() time.Time { return noon }, Detect: func(_, tag string) string { return cmp.Or(tag, "xx") },
	}
	if change != nil {
		change(&cfg)
	}
	return ingestor.NewDoor(cfg)
}

// counts collects what the door saves.
type counts map[string]int64

func (c counts) AddCounts(_ context.Context, list []store.Count) error {
	for _, n := range list {
		c[n.Source+" "+n.Event] += n.N
	}
	return nil
}

// written runs the writer until everything published is stored or set aside.
func written(t *testing.T, s *stream.Stream, db *store.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	w := &ingestor.Writer{Stream: s, Store: db, Log: slog.New(slog.DiscardHandler)}
	go func() { done <- w.Run(ctx) }()
	require.Eventually(t, func() bool {
		backlogs, err := s.Backlogs(t.Context())
		if err != nil {
			return false
		}
		for _, b := range backlogs {
			if b.Consumer == stream.Writer && b.Pending+uint64(b.Unacknowledged) > 0 {
				return false
			}
		}
		return true
	}, 2*time.Minute, 20*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}

func TestDoorCountsEverythingThatItDrops(t *testing.T) {
	t.Parallel()
	s, db := openStream(t), storetest.New(t)
	door := newDoor(t, s, nil)
	post := func(id string, change func(*market.Tweet)) {
		tweet := &market.Tweet{Source: "test", ID: id, Time: noon.Add(-time.Minute), Text: "bitcoin is here"}
		if change != nil {
			change(tweet)
		}
		require.NoError(t, door.Tweet(t.Context(), tweet))
	}
	post("plain", nil)
	post("retweet", func(p *market.Tweet) { p.Text = "RT @a: bitcoin is here" })
	post("lang", func(p *market.Tweet) { p.Lang = "de" })
	post("skew", func(p *market.Tweet) { p.ReceivedAt = noon.Add(-time.Hour) })
	post("nul", func(p *market.Tweet) { p.Text = "bitcoin \x00\xff" })
	post("", nil)
	post("future", func(p *market.Tweet) { p.Time = noon.Add(time.Hour) })
	post("ancient", func(p *market.Tweet) { p.Time = noon.AddDate(-30, 0, 0) })
	post("timeless", func(p *market.Tweet) { p.Time = time.Time{} })
	post("unmapped", func(p *market.Tweet) { p.Text = "nice weather" })
	post("bad\nid", nil)
	door.Drop("test", "malformed")

	price := func(symbol string, price, volume float64) {
		require.NoError(t, door.Price(t.Context(), &market.Price{Venue: "v", Symbol: symbol, TradeID: "1", Time: noon, Price: price, Volume: volume}))
	}
	nan := 0.0
	nan /= nan
	price("BTC", 1, 1)
	price("BTC", -1, 1)
	price("BTC", nan, 1)
	price("BTC", 1, -1)
	price("", 1, 1)
	price("DOGE", 1, 1)
	require.NoError(t, door.Flush(t.Context()))

	got := counts{}
	require.NoError(t, door.SaveCounts(t.Context(), got))
	require.Equal(t, counts{
		"test read": 12, "test published": 5, "test skew": 1 + 1, "test dropped:no id": 1, "test dropped:future": 1, "test dropped:ancient": 1,
		"test dropped:no time": 1, "test dropped:unmapped": 1, "test dropped:bad name": 1, "test dropped:malformed": 1,
		"v read": 6, "v published": 1, "v dropped:bad price": 2, "v dropped:bad volume": 1, "v dropped:no symbol": 1, "v dropped:unknown symbol": 1,
	}, got)
	again := counts{}
	require.NoError(t, door.SaveCounts(t.Context(), again))
	require.Empty(t, again, "saved once")
	require.Equal(t, []string{"v"}, door.Venues())

	written(t, s, db)
	rows := storetest.Rows(t, db, `SELECT id, lang, repost, received_at >= time, text FROM tweets ORDER BY id`)
	require.Equal(t, [][]any{
		{"lang", "de", false, true, "bitcoin is here"}, {"nul", "xx", false, true, "bitcoin �"}, {"plain", "xx", false, true, "bitcoin is here"},
		{"retweet", "xx", true, true, "RT @a: bitcoin is here"}, {"skew", "xx", false, true, "bitcoin is here"},
	}, rows)
}

func TestDoorKeepsUnmappedPostsIfAsked(t *testing.T) {
	t.Parallel()
	s, db := openStream(t), storetest.New(t)
	door := newDoor(t, s, func(cfg *ingestor.DoorConfig) { cfg.KeepUnmapped = true })
	require.NoError(t, door.Tweet(t.Context(), &market.Tweet{Source: "test", ID: "1", Time: noon, Text: "nice weather"}))
	require.NoError(t, door.Flush(t.Context()))
	written(t, s, db)
	require.Equal(t, [][]any{{"1", []any{}}}, storetest.Rows(t, db, `SELECT id, symbols FROM tweets`))
}

func TestWriterHonoursDeletionsAndSetsRubbishAside(t *testing.T) {
	t.Parallel()
	s, db := openStream(t), storetest.New(t)
	door := newDoor(t, s, nil)
	for _, id := range []string{"kept", "deleted"} {
		require.NoError(t, door.Tweet(t.Context(), &market.Tweet{Source: "test", ID: id, Time: noon, Author: "ann", Text: "bitcoin"}))
	}
	require.NoError(t, door.Delete(t.Context(), "test", "deleted"))
	require.NoError(t, door.Delete(t.Context(), "test", "never seen"))
	require.NoError(t, door.Flush(t.Context()))
	for subject, rubbish := range map[string]string{"tweets.rubbish": `{"id":`, "prices.rubbish": `{"venue":"v","price":-1}`} {
		require.NoError(t, s.Conn().Publish(subject, []byte(rubbish)))
	}
	require.NoError(t, s.Conn().Flush())
	written(t, s, db)
	require.Equal(t, [][]any{{"deleted", "", "", true}, {"kept", "bitcoin", "ann", false}},
		storetest.Rows(t, db, `SELECT id, text, author, deleted_at IS NOT NULL FROM tweets ORDER BY id`))
	var dead []string
	require.NoError(t, s.DeadLetters(t.Context(), func(l stream.DeadLetter) bool { dead = append(dead, l.Subject); return true }))
	require.ElementsMatch(t, []string{"tweets.rubbish", "prices.rubbish"}, dead)
}

// What is purged before it is stored is told, and nothing else is.
func TestPurgeIsTold(t *testing.T) {
	t.Parallel()
	s, db := openStream(t), storetest.New(t)
	door := newDoor(t, s, nil)
	publish := func(ids ...string) {
		for _, id := range ids {
			require.NoError(t, door.Tweet(t.Context(), &market.Tweet{Source: "test", ID: id, Time: noon, Text: "bitcoin"}))
			require.NoError(t, door.Flush(t.Context())) // a message of its own
		}
	}
	missing := func() int64 {
		return storetest.Value[int64](t, db, `SELECT coalesce(sum(n), 0)::bigint FROM pipeline_counts WHERE event = $1`, store.EventMissing)
	}
	publish("1", "2")
	require.NoError(t, s.Conn().Publish("tweets.rubbish", []byte(`{`))) // set aside, and not missing
	require.NoError(t, s.Conn().Flush())
	written(t, s, db)
	written(t, s, db)
	require.Zero(t, missing())

	publish("3", "4", "5")
	js, err := jetstream.New(s.Conn())
	require.NoError(t, err)
	tweets, err := js.Stream(t.Context(), stream.Tweets)
	require.NoError(t, err)
	require.NoError(t, tweets.Purge(t.Context()))
	publish("6")
	written(t, s, db)
	written(t, s, db)
	require.EqualValues(t, 3, missing())
	require.Equal(t, [][]any{{"1"}, {"2"}, {"6"}}, storetest.Rows(t, db, `SELECT id FROM tweets ORDER BY id`))
}

// A database that was restored from an earlier time lacks what the stream was told is stored. That is told, once.
func TestRestoredDatabaseIsTold(t *testing.T) {
	t.Parallel()
	s, dir, earlier := openStream(t), t.TempDir(), filepath.Join(t.TempDir(), "earlier")
	door := newDoor(t, s, nil)
	publish := func(db *store.Store, ids ...string) {
		for _, id := range ids {
			require.NoError(t, door.Tweet(t.Context(), &market.Tweet{Source: "test", ID: id, Time: noon, Text: "bitcoin"}))
			require.NoError(t, door.Flush(t.Context())) // a message of its own
		}
		written(t, s, db)
	}
	db := storetest.NewIn(t, dir)
	publish(db, "1", "2")
	require.NoError(t, db.Close())
	require.NoError(t, os.CopyFS(earlier, os.DirFS(dir)))
	db = storetest.NewIn(t, dir)
	publish(db, "3", "4", "5")
	require.NoError(t, db.Close())
	db = storetest.NewIn(t, earlier)
	publish(db, "6")
	written(t, s, db)
	require.Equal(t, [][]any{{"TWEETS", int64(3)}}, storetest.Rows(t, db, `SELECT source, n FROM pipeline_counts WHERE event = $1`, store.EventMissing))
	require.Equal(t, [][]any{{"1"}, {"2"}, {"6"}}, storetest.Rows(t, db, `SELECT id FROM tweets ORDER BY id`))
}

// A cursor is saved, and a sender told that all is safe, only once the stream's disk has what it covers.
func TestSyncWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	for interval, least := range map[time.Duration]time.Duration{300 * time.Millisecond: 300 * time.Millisecond, stream.SyncAlways: 0} {
		s, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), SyncInterval: interval})
		require.NoError(t, err)
		t.Cleanup(s.Close)
		d := newDoor(t, s, nil)
		require.NoError(t, d.Sync(t.Context()), "nothing was published")
		require.NoError(t, d.Price(t.Context(), &market.Price{Time: noon, Symbol: "BTC", Venue: "v", TradeID: "1", Price: 1}))
		require.NoError(t, d.Flush(t.Context()))
		confirmed := time.Now()
		require.NoError(t, d.Sync(t.Context()))
		require.GreaterOrEqual(t, time.Since(confirmed), least)
		again := time.Now()
		require.NoError(t, d.Sync(t.Context()))
		require.Less(t, time.Since(again), 700*time.Millisecond, "what is safe is safe")
	}
}
