package store_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rcas/market"
	"rcas/migrations"
	"rcas/store"
	"rcas/store/storetest"
)

var noon = time.Date(2024, 3, 5, 12, 0, 0, 0, time.UTC)

func tweet(id int, at time.Time) *market.Tweet {
	return &market.Tweet{Source: "test", ID: fmt.Sprint(id), Time: at, Author: "ann", Text: fmt.Sprint("post ", id), Symbols: []string{"BTC", "ETH"},
		Followers: 10, ReceivedAt: at.Add(time.Second)}
}

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	s := storetest.Unmigrated(t)
	require.True(t, s.Empty(t.Context()))
	latest, err := migrations.Latest()
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, migrations.Up(s.URL()))
		version, dirty, err := migrations.Version(s.URL())
		require.NoError(t, err)
		require.False(t, dirty)
		require.Equal(t, latest, version)
		require.NoError(t, s.CheckSchema(t.Context()))
		require.NoError(t, migrations.Up(s.URL()), "a second time")
		require.NoError(t, migrations.Down(s.URL()))
		require.EqualValues(t, 0, storetest.Value[int64](t, s, `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
			WHERE nspname = 'public' AND relkind IN ('r','v','m') AND relname <> 'schema_migrations'
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`))
	}
}

// TestASchemaOfTheUsersName stands for a user rcas: the schema rcas comes first in its search_path.
func TestASchemaOfTheUsersName(t *testing.T) {
	t.Parallel()
	s := storetest.Unmigrated(t)
	storetest.Exec(t, s, `DO $$ BEGIN EXECUTE format('CREATE SCHEMA %I', current_user); END $$`)
	for range 2 {
		require.NoError(t, s.Migrate())
		require.NoError(t, s.CheckSchema(t.Context()))
	}
	storetest.RequireNone(t, s, `SELECT relname FROM pg_class WHERE relnamespace = quote_ident(current_user)::regnamespace`)
	require.EqualValues(t, 1, storetest.Value[int64](t, s, `SELECT count(*) FROM pg_class WHERE oid = to_regclass('public.tweets')`))
	got, err := s.InsertTweets(t.Context(), []*market.Tweet{tweet(1, noon)})
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Rows)
}

func TestWritingTwiceIsWritingOnce(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	batch := []*market.Tweet{tweet(1, noon), tweet(2, noon.Add(time.Second)), tweet(1, noon)}
	got, err := s.InsertTweets(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, store.Stored{Rows: 2, Duplicates: 1}, got)
	got, err = s.InsertTweets(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, store.Stored{Rows: 0, Duplicates: 3}, got)
	require.Equal(t, []any{"post 1", []any{"BTC", "ETH"}}, storetest.Rows(t, s, `SELECT text, symbols FROM tweets WHERE id = '1'`)[0])

	price := &market.Price{Venue: "v", Symbol: "BTC", TradeID: "1", Time: noon, Price: 0.1, Volume: 3, ReceivedAt: noon}
	for want := int64(1); want >= 0; want-- {
		got, err = s.InsertPrices(t.Context(), []*market.Price{price})
		require.NoError(t, err)
		require.Equal(t, want, got.Rows)
	}
	counts, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.Contains(t, counts, store.Count{Component: "writer", Source: "test", Event: "stored", N: 2})
	require.Contains(t, counts, store.Count{Component: "writer", Source: "test", Event: "duplicate", N: 4})
	require.Contains(t, counts, store.Count{Component: "writer", Source: "v", Event: "stored", N: 1})
}

// TestAFailedMigrationLeavesNothingHalfDone puts something in the way of the fourth.
func TestAFailedMigrationLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	s := storetest.Unmigrated(t)
	storetest.Exec(t, s, `CREATE TABLE alerts (mine integer)`)
	for range 2 {
		err := migrations.Up(s.URL())
		require.ErrorContains(t, err, `to version 4`)
		require.ErrorContains(t, err, `"alerts" already exists`)
		require.NotContains(t, err.Error(), "CREATE", "the file itself is no message")
		version, dirty, err := migrations.Version(s.URL())
		require.NoError(t, err)
		require.False(t, dirty)
		require.EqualValues(t, 3, version)
		require.ErrorContains(t, s.CheckSchema(t.Context()), "run rcas migrate up")
	}
	storetest.Exec(t, s, `DROP TABLE alerts`)
	require.NoError(t, migrations.Up(s.URL()))
	require.NoError(t, s.CheckSchema(t.Context()))
}

// A database that has no turn for it says nothing of its schema, in the time that the question has.
func TestTheSchemaIsNotAwaited(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	tx, err := s.Pool().Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.CheckSchema(ctx), context.DeadlineExceeded)
	require.False(t, s.Empty(ctx))
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, s.CheckSchema(t.Context()))
}

func scored(t *market.Tweet, terms ...string) store.ScoredPost {
	p := store.ScoredPost{Tweet: t, AuthorHash: int32(crc32.ChecksumIEEE([]byte(t.ID))), TextHash: int64(len(t.Text)), Terms: terms}
	feel(&p, market.Sentiment{Negative: 0.25, Neutral: 0.25, Positive: 0.5})
	return p
}

// feel gives a post one mood about all of its coins.
func feel(p *store.ScoredPost, mood market.Sentiment) {
	p.Sentiments = slices.Repeat([]market.Sentiment{mood}, len(p.Tweet.Symbols))
}

func TestSentimentsAndTermsCountOnce(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	a, b := scored(tweet(1, noon), "moon", "pump"), scored(tweet(2, noon.Add(time.Minute)), "moon")
	b.TextHash = 99
	feel(&b, market.Sentiment{Skipped: "language"})
	for _, batch := range [][]store.ScoredPost{{a}, {a, b}, {b}} {
		_, err := s.InsertSentiments(t.Context(), "m1", batch)
		require.NoError(t, err)
	}
	_, err := s.InsertSentiments(t.Context(), "m2", []store.ScoredPost{a, b})
	require.NoError(t, err)
	require.EqualValues(t, 8, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments`), "two posts, two symbols, two models")
	require.EqualValues(t, 4, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments WHERE score IS NULL AND skipped = 'language'`))
	require.EqualValues(t, 2, storetest.Value[int64](t, s, `SELECT sum(n) FROM term_counts WHERE symbol = 'BTC' AND term = 'moon'`))
	require.EqualValues(t, 1, storetest.Value[int64](t, s, `SELECT sum(n) FROM term_counts WHERE symbol = 'ETH' AND term = 'pump'`))
	require.InDelta(t, 0.25, storetest.Value[float64](t, s, `SELECT score::float8 FROM sentiments WHERE id = '1' AND model = 'm2' LIMIT 1`), 1e-9)
}

func TestRepeatsWithinTheHour(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	insert := func(posts ...store.ScoredPost) {
		_, err := s.InsertSentiments(t.Context(), "m", posts)
		require.NoError(t, err)
	}
	post := func(id int, after time.Duration, text int64) store.ScoredPost {
		p := scored(tweet(id, noon.Add(after)))
		p.TextHash = text
		return p
	}
	insert(post(1, 0, 5), post(2, 10*time.Minute, 5), post(3, 20*time.Minute, 6))
	insert(post(4, 30*time.Minute, 6), post(5, 3*time.Hour, 5))
	repost := post(6, 0, 77)
	repost.Tweet.Repost = true
	insert(repost)
	var repeats []any
	for _, row := range storetest.Rows(t, s, `SELECT id FROM sentiments WHERE symbol = 'BTC' AND repeat ORDER BY id`) {
		repeats = append(repeats, row[0])
	}
	require.Equal(t, []any{"2", "4", "6"}, repeats)
	// Another model's rows say the same.
	_, err := s.InsertSentiments(t.Context(), "other", []store.ScoredPost{post(4, 30*time.Minute, 6), post(1, 0, 5)})
	require.NoError(t, err)
	require.EqualValues(t, 1, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments WHERE symbol = 'BTC' AND repeat AND model = 'other'`))
}

// TestRepeatsDoNotDependOnOrder stores posts in a random order, in batches of all sizes, by four at once, some of them twice. Many are of the same
// minute, and the sources stand in another order by their bytes than in most collations.
func TestRepeatsDoNotDependOnOrder(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	require.NoError(t, s.UseModel(t.Context(), "m", nil, false)) // the active model's rows are added by many at once
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var posts []store.ScoredPost
	smaller := storetest.Value[string](t, s, `SELECT least('a', 'B')`)
	for i := range 400 {
		p := scored(tweet(i, noon.Add(time.Duration(r.IntN(600))*time.Minute)))
		p.Tweet.Source = []string{"a", "B"}[r.IntN(2)]
		p.TextHash, p.AuthorHash = int64(r.IntN(60)), int32(r.IntN(12))
		p.Tweet.Repost = r.IntN(50) == 0
		posts = append(posts, p)
	}
	want := map[string]bool{}
	for _, p := range posts {
		repeat, before := p.Tweet.Repost, 0
		for _, o := range posts {
			earlier := o.Tweet.Time.Before(p.Tweet.Time)
			if o.Tweet.Time.Equal(p.Tweet.Time) {
				earlier = o.Tweet.Source == p.Tweet.Source && o.Tweet.ID < p.Tweet.ID || o.Tweet.Source != p.Tweet.Source && o.Tweet.Source == smaller
			}
			repeat = repeat || earlier && o.TextHash == p.TextHash && p.Tweet.Time.Sub(o.Tweet.Time) < time.Hour
			if earlier && o.AuthorHash == p.AuthorHash && o.Tweet.Time.Truncate(time.Hour).Equal(p.Tweet.Time.Truncate(time.Hour)) {
				before++
			}
		}
		want[p.Tweet.ID] = repeat || before >= 3
	}
	var batches [][]store.ScoredPost
	for rest := posts; len(rest) > 0; {
		n := min(1+r.IntN(40), len(rest))
		batches, rest = append(batches, rest[:n]), rest[n:]
	}
	for range 5 {
		batches = append(batches, batches[r.IntN(len(batches))])
	}
	var workers errgroup.Group
	const atOnce = 4
	for w := range atOnce {
		process := storetest.Another(t, s)
		workers.Go(func() error {
			for i := w; i < len(batches); i += atOnce {
				if _, err := process.InsertSentiments(t.Context(), "m", batches[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, workers.Wait())
	got := map[string]bool{}
	for _, row := range storetest.Rows(t, s, `SELECT id, bool_and(repeat) FROM sentiments GROUP BY 1 HAVING bool_and(repeat) = bool_or(repeat)`) {
		got[row[0].(string)] = row[1].(bool)
	}
	require.Equal(t, want, got)
}

// TestRepeatsOfTransactionsThatDidNotSeeEachOther begins with what two leave behind that were committed at the same time by processes which
// were then killed, and delivers the second batch again.
func TestRepeatsOfTransactionsThatDidNotSeeEachOther(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	post := scored(tweet(2, noon.Add(30*time.Minute)))
	_, err := s.InsertSentiments(t.Context(), "m", []store.ScoredPost{post})
	require.NoError(t, err)
	storetest.Exec(t, s, `INSERT INTO sentiments SELECT (s).* FROM (SELECT jsonb_populate_record(s, jsonb_build_object('id', '1', 'time', $1::timestamptz)) AS s
		FROM sentiments s) AS earlier`, noon)
	require.EqualValues(t, 0, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments WHERE repeat`))
	stored, err := s.InsertSentiments(t.Context(), "m", []store.ScoredPost{post})
	require.NoError(t, err)
	require.EqualValues(t, 2, stored.Duplicates)
	require.Equal(t, [][]any{{"1", false}, {"1", false}, {"2", true}, {"2", true}}, storetest.Rows(t, s, `SELECT id, repeat FROM sentiments ORDER BY id`))
}

func TestForgetTweetKeepsCounts(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	_, err := s.InsertTweets(t.Context(), []*market.Tweet{tweet(1, noon)})
	require.NoError(t, err)
	forgotten, err := s.ForgetTweets(t.Context(), "test", []string{"1", "never seen"})
	require.NoError(t, err)
	require.EqualValues(t, 1, forgotten)
	require.Equal(t, []any{"", "", true}, storetest.Rows(t, s, `SELECT text, author, deleted_at IS NOT NULL FROM tweets`)[0])
	_, err = s.InsertTweets(t.Context(), []*market.Tweet{tweet(1, noon)})
	require.NoError(t, err)
	require.Equal(t, "", storetest.Value[string](t, s, `SELECT text FROM tweets`), "a redelivery does not bring it back")
}

func TestDeletionBeforeItsPost(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	for range 2 {
		forgotten, err := s.ForgetTweets(t.Context(), "test", []string{"1", "1", "3"})
		require.NoError(t, err)
		require.Zero(t, forgotten)
	}
	stored, err := s.InsertTweets(t.Context(), []*market.Tweet{tweet(1, noon), tweet(2, noon)})
	require.NoError(t, err)
	require.EqualValues(t, 2, stored.Rows)
	require.Equal(t, [][]any{{"1", "", "", true}, {"2", "post 2", "ann", false}},
		storetest.Rows(t, s, `SELECT id, text, author, deleted_at IS NOT NULL FROM tweets ORDER BY id`))
	storetest.Exec(t, s, `UPDATE deletions SET seen_at = now() - INTERVAL '25 hours'`)
	_, err = s.ForgetTweets(t.Context(), "test", []string{"9"})
	require.NoError(t, err)
	require.Equal(t, [][]any{{"9"}}, storetest.Rows(t, s, `SELECT id FROM deletions`))
}

func TestForgetTweetsOfAnAccount(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	var posts []*market.Tweet
	for i, id := range []string{"did:a/1", "did:a/é", "did:a", "did:a0", "did:ab/1", "did:A/1", "did:b/1"} {
		p := tweet(i, noon.AddDate(0, 0, 10*i)) // each in a chunk of its own
		p.ID = id
		posts = append(posts, p)
	}
	_, err := s.InsertTweets(t.Context(), posts)
	require.NoError(t, err)
	forgotten, err := s.ForgetTweets(t.Context(), "test", []string{"did:a/", "did:b/1", "did:c/"})
	require.NoError(t, err)
	require.EqualValues(t, 3, forgotten)
	require.Equal(t, [][]any{{"did:a/1"}, {"did:a/é"}, {"did:b/1"}},
		storetest.Rows(t, s, `SELECT id FROM tweets WHERE text = '' AND deleted_at IS NOT NULL ORDER BY id`))
	forgotten, err = s.ForgetTweets(t.Context(), "other", []string{"did:a/"})
	require.NoError(t, err)
	require.Zero(t, forgotten)

	before, after, stranger := tweet(10, noon), tweet(11, time.Now().Add(time.Minute)), tweet(12, noon)
	before.ID, after.ID, stranger.ID = "did:c/1", "did:c/2", "did:cc/1"
	_, err = s.InsertTweets(t.Context(), []*market.Tweet{before, after, stranger})
	require.NoError(t, err)
	require.Equal(t, [][]any{{"did:c/1", true}, {"did:c/2", false}, {"did:cc/1", false}},
		storetest.Rows(t, s, `SELECT id, text = '' AND deleted_at IS NOT NULL FROM tweets WHERE id LIKE 'did:c%' ORDER BY id`),
		"an account may come back, but not what it had said before")
}

func TestModelsAndCursors(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	name, err := s.ActiveModel(t.Context())
	require.NoError(t, err)
	require.Empty(t, name)
	require.NoError(t, s.UseModel(t.Context(), "a", []string{"en"}, true))
	require.NoError(t, s.UseModel(t.Context(), "b", nil, true))
	name, err = s.ActiveModel(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a", name)
	require.NoError(t, s.UseModel(t.Context(), "b", nil, false))
	name, err = s.ActiveModel(t.Context())
	require.NoError(t, err)
	require.Equal(t, "b", name)
	require.NoError(t, s.SaveCursor(t.Context(), "x", "1"))
	require.NoError(t, s.SaveCursor(t.Context(), "x", "2"))
	cursor, err := s.LoadCursor(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, "2", cursor)
	require.NoError(t, s.SaveCursorAfter(t.Context(), "x", "2", "3"))
	require.NoError(t, s.SaveCursorAfter(t.Context(), "x", "2", "3"), "once more, after an answer that got lost")
	for _, before := range []string{"", "2", "4"} {
		require.ErrorIs(t, s.SaveCursorAfter(t.Context(), "x", before, "5"), store.ErrWentBack, before)
	}
	require.NoError(t, s.SaveCursorAfter(t.Context(), "new", "", "1"))
	require.ErrorIs(t, s.SaveCursorAfter(t.Context(), "gone", "1", "2"), store.ErrWentBack)
	cursor, err = s.LoadCursor(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, "3", cursor)
}

func TestFeedStates(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	at := time.Now().UTC().Truncate(time.Microsecond)
	want := store.FeedState{
		Source: "x", State: "waiting", Since: at, Error: "HTTP 503", ErrorAt: at, NextTry: at.Add(time.Minute), LeftOut: map[string]string{"XLM": "why"},
		Gaps: 2, Missing: 7, Newest: map[string]time.Time{"BTC": at},
	}
	require.NoError(t, s.SaveFeedState(t.Context(), store.FeedState{Source: "x", State: "connecting", Since: at}))
	require.NoError(t, s.SaveFeedState(t.Context(), want))
	got, err := s.FeedStates(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.WithinDuration(t, time.Now(), got[0].SavedAt, time.Minute)
	require.WithinDuration(t, want.NextTry, got[0].NextTry, 0)
	require.WithinDuration(t, want.Since, got[0].Since, 0)
	require.WithinDuration(t, want.ErrorAt, got[0].ErrorAt, 0)
	got[0].SavedAt, got[0].NextTry, got[0].Since, got[0].ErrorAt = time.Time{}, want.NextTry, want.Since, want.ErrorAt
	require.Equal(t, want, got[0])
}

// Every window equals the same question asked of the raw rows, after late, repeated and out-of-order rows and refreshes in
// between.
func TestWindowsEqualRawRows(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := storetest.New(t)
	trade := 0
	for range 12 {
		var prices []*market.Price
		var posts []store.ScoredPost
		for range 1 + rng.IntN(200) {
			at := noon.Add(time.Duration(rng.Int64N(int64(50 * time.Hour)))).Truncate(time.Microsecond)
			id := rng.IntN(1500)
			if rng.IntN(4) > 0 {
				trade++
				id = trade
			}
			prices = append(prices, &market.Price{Venue: []string{"v", "w"}[rng.IntN(2)], Symbol: []string{"BTC", "ETH"}[rng.IntN(2)],
				TradeID: fmt.Sprint(id), Time: at, Price: 1 + rng.Float64(), Volume: rng.Float64(), ReceivedAt: at})
			p := scored(tweet(id, noon.Add(time.Duration(id)*97*time.Second)), "moon")
			mood := market.Sentiment{Negative: rng.Float32() / 2, Positive: rng.Float32() / 2}
			p.TextHash, p.AuthorHash = rng.Int64N(300), rng.Int32N(200)
			mood.Kind = []market.Kind{"", market.Person, market.Advert, market.Bot, market.News}[rng.IntN(5)]
			if rng.IntN(5) == 0 {
				mood.Skipped = "language"
			}
			feel(&p, mood)
			posts = append(posts, p)
		}
		_, err := s.InsertPrices(t.Context(), prices)
		require.NoError(t, err)
		_, err = s.InsertSentiments(t.Context(), "m", unique(posts))
		require.NoError(t, err)
		if rng.IntN(2) == 0 {
			require.NoError(t, s.RefreshWindows(t.Context()))
		}
	}
	require.NoError(t, s.RefreshWindows(t.Context()))
	storetest.RequireWindows(t, s)
}

func unique(posts []store.ScoredPost) []store.ScoredPost {
	seen := map[string]bool{}
	var kept []store.ScoredPost
	for _, p := range posts {
		if !seen[p.Tweet.ID] {
			seen[p.Tweet.ID] = true
			kept = append(kept, p)
		}
	}
	return kept
}
