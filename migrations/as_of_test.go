package migrations_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// asOfQuestions are asked while rows come in, and again afterwards about the same moments. What an answer calls final is another test's.
var asOfQuestions = []string{
	`SELECT to_jsonb(m) - 'final' FROM mood('BTC', $1, $2, '5 minutes', repeats => false%s) AS m`,
	`SELECT to_jsonb(m) - 'final' FROM mood('BTC', $1, $2, '2 hours', repeats => true, who => 'all'%s) AS m`,
	`SELECT to_jsonb(m) - 'final' FROM mood('BTC', $1, $2, '1 day', who => 'adverts', model => 'm2'%s) AS m`,
	`SELECT to_jsonb(m) - 'final' FROM mood_price('BTC', $1, $2, '15 minutes'%s) AS m`,
	`SELECT to_jsonb(m) - 'final' FROM divergence('BTC', $1, $2, '10 minutes', 12, 0.2, 1, 1%s) AS m`,
}

// arrival is one thing that happens to a database: a batch of posts or trades, or a change of mind about them.
type arrival func(t *testing.T, s *store.Store)

// TestAsOfAnswersWhatWasAnsweredThen lets posts of two models, trades, kinds and changes of the active model come in random order, takes an
// answer after each, and asks for all of them afterwards.
func TestAsOfAnswersWhatWasAnsweredThen(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC", "ETH"), newRand(t)
	for _, m := range []string{"m1", "m2"} {
		require.NoError(t, s.RegisterModel(t.Context(), m, nil))
	}
	arrivals := randomArrivals(r)
	to := start.Add(8 * time.Hour)
	answer := func(i int, known string, args ...any) [][]any {
		return storetest.Rows(t, s, fmt.Sprintf(asOfQuestions[i%len(asOfQuestions)], known), append([]any{start.Add(time.Hour), to}, args...)...)
	}
	type snapshot struct {
		at       time.Time
		question int
		rows     [][]any
	}
	var snapshots []snapshot
	seen := map[string]bool{}
	for i, arrive := range arrivals {
		arrive(t, s)
		at := storetest.Value[time.Time](t, s, `SELECT clock_timestamp()`)
		for k := range 2 {
			snapshots = append(snapshots, snapshot{at, 2*i + k, answer(2*i+k, "")})
			seen[fmt.Sprint(snapshots[len(snapshots)-1].rows)] = true
		}
	}
	require.Greater(t, len(seen), len(arrivals)/2, "what arrives changes the answers")
	require.NotZero(t, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments WHERE repeat_at IS NOT NULL`), "late posts have made others repeats")
	require.NotZero(t, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments WHERE kind_at IS NOT NULL`), "kinds were told late")
	refresh(t, s, to)
	for i, then := range snapshots {
		requireRows(t, then.rows, answer(then.question, ", as_of => $3", then.at), fmt.Sprint("answer ", i))
	}
	requireDelays(t, s)
}

// requireDelays compares each bucket as it was known some time after its end with the answer of then.
func requireDelays(t *testing.T, s *store.Store) {
	t.Helper()
	storetest.Exec(t, s, `UPDATE prices SET stored_at = time + abs(hashtext(trade_id)) % 5400 * INTERVAL '1 second'`)
	storetest.Exec(t, s, `UPDATE sentiments SET scored_at = time + abs(hashtext(id || model)) % 5400 * INTERVAL '1 second',
		repeat_at = CASE WHEN repeat_at IS NOT NULL THEN time + (abs(hashtext(id || model)) % 5400 + 600) * INTERVAL '1 second' END,
		kind_at = CASE WHEN kind_at IS NOT NULL THEN time + (abs(hashtext(id || model)) % 5400 + 900) * INTERVAL '1 second' END`)
	storetest.Exec(t, s, `DELETE FROM model_activations`)
	storetest.Exec(t, s, `INSERT INTO model_activations SELECT $1::timestamptz + i * INTERVAL '100 minutes', 'm' || 1 + i % 2 FROM generate_series(0, 5) AS i`, start)
	for name, arguments := range map[string]string{"mood": "'1 hour', momentum_windows => 1", "mood_price": "'1 hour', volatility_windows => 1"} {
		rows := storetest.Rows(t, s, `SELECT bucket, to_jsonb(m) - '{momentum,return,realised_volatility}'::text[] FROM `+name+`('BTC', $1, $2, `+arguments+
			`, delay => '20 minutes') AS m`, start, start.Add(8*time.Hour))
		require.NotEmpty(t, rows)
		for _, row := range rows {
			bucket := row[0].(time.Time)
			want := storetest.Rows(t, s, `SELECT bucket, to_jsonb(m) - '{momentum,return,realised_volatility}'::text[] FROM `+name+`('BTC', $1, $2, `+
				arguments+`, as_of => $3) AS m`, bucket, bucket.Add(time.Hour), bucket.Add(80*time.Minute))
			requireRows(t, want, [][]any{row}, name)
		}
	}
	later := storetest.Rows(t, s, `SELECT posts FROM mood('BTC', $1, $2, '1 hour', delay => '10 days')`, start, start.Add(8*time.Hour))
	sooner := storetest.Rows(t, s, `SELECT posts FROM mood('BTC', $1, $2, '1 hour', delay => '0')`, start, start.Add(8*time.Hour))
	require.NotEqual(t, later, sooner)
}

// requireRows compares answers whose numbers may differ in the order of their sums.
func requireRows(t *testing.T, want, got [][]any, name string) {
	t.Helper()
	require.Len(t, got, len(want), name)
	for i := range want {
		for k := range want[i] {
			w, ok := want[i][k].(map[string]any)
			if !ok {
				require.Equal(t, want[i][k], got[i][k], name)
				continue
			}
			g := got[i][k].(map[string]any)
			require.Len(t, g, len(w), name)
			for column, value := range w {
				requireRow(t, []any{value}, []any{g[column]}, fmt.Sprint(name, " ", column))
			}
		}
	}
}

// randomArrivals are eight hours of posts and trades, cut into batches and shuffled.
func randomArrivals(r *rand.Rand) (arrivals []arrival) {
	posts := make([]store.ScoredPost, 240)
	for i := range posts {
		at := start.Add(time.Duration(r.IntN(8*3600)) * time.Second)
		positive := r.Float32()
		posts[i] = store.ScoredPost{
			Tweet:      &market.Tweet{Source: "x", ID: fmt.Sprint(i), Time: at, Symbols: []string{"BTC", "ETH"}[:1+r.IntN(2)], Followers: int64(r.IntN(1000)), ReceivedAt: at},
			AuthorHash: int32(r.IntN(60)), TextHash: int64(r.IntN(100)),
		}
		for range posts[i].Tweet.Symbols {
			posts[i].Sentiments = append(posts[i].Sentiments, market.Sentiment{Positive: positive, Negative: (1 - positive) / 2, Neutral: (1 - positive) / 2})
		}
	}
	var last []arrival
	for i := range 8 {
		model, batch := []string{"m1", "m1", "m2"}[r.IntN(3)], posts[i*30:(i+1)*30]
		told := make([]store.ScoredPost, len(batch))
		for k, p := range batch {
			told[k] = p
			told[k].Sentiments = append([]market.Sentiment(nil), p.Sentiments...)
			for j := range told[k].Sentiments {
				told[k].Sentiments[j].Kind = []market.Kind{market.Person, market.Advert}[k%2]
			}
		}
		score := func(t *testing.T, s *store.Store) {
			_, err := s.InsertSentiments(t.Context(), model, batch)
			require.NoError(t, err)
		}
		tell := func(t *testing.T, s *store.Store) {
			_, err := s.SetKinds(t.Context(), model, told)
			require.NoError(t, err)
		}
		trades := make([]trade, 18)
		for k := range trades {
			trades[k] = trade{start.Add(time.Duration(r.IntN(8*3600))*time.Second + time.Duration(18*i+k)*time.Microsecond), "BTC", "v", 100 + r.Float64(), r.Float64()}
		}
		arrivals = append(arrivals, score, func(t *testing.T, s *store.Store) { insertTrades(t, s, trades) })
		if i%3 == 0 {
			arrivals = append(arrivals, tell, score)
			last = append(last, tell)
		}
		if i%4 == 0 {
			active := []string{"m1", "m2"}[i/4%2]
			arrivals = append(arrivals, func(t *testing.T, s *store.Store) { require.NoError(t, s.UseModel(t.Context(), active, nil, false)) })
		}
	}
	r.Shuffle(len(arrivals), func(i, j int) { arrivals[i], arrivals[j] = arrivals[j], arrivals[i] })
	return append(arrivals, last...) // so that something is told late whatever the order
}

// TestFinalRowsEndAWeekBeforeTheNewestPost looks at the edge of what may still change, and at what is asked as it was known.
func TestFinalRowsEndAWeekBeforeTheNewestPost(t *testing.T) {
	t.Parallel()
	s := newDatabase(t, "BTC")
	var posts []post
	for hour := range 24 * 9 {
		posts = append(posts, post{at: start.Add(time.Duration(hour) * time.Hour), symbol: "BTC", source: "x", judged: true, pos: 0.5, neg: 0.2, weight: 1})
	}
	insertPosts(t, s, posts)
	storetest.Exec(t, s, `UPDATE sentiments SET scored_at = time`)
	storetest.Exec(t, s, `UPDATE model_activations SET time = '-infinity'`)
	newest := posts[len(posts)-1].at
	for _, call := range []string{"mood", "mood_price", "divergence"} {
		rows := storetest.Rows(t, s, `SELECT bucket, final FROM `+call+`('BTC', $1, $2, '1 hour')`, start, newest.Add(time.Hour))
		require.Len(t, rows, len(posts))
		for _, row := range rows {
			require.Equal(t, !row[0].(time.Time).Add(time.Hour).After(newest.Add(-7*24*time.Hour)), row[1], "%s at %v", call, row[0])
		}
		for known, final := range map[string]bool{"as_of => now() - INTERVAL '1 minute'": false, "as_of => now() - INTERVAL '11 minutes'": true, "delay => '1 minute'": true} {
			rows := storetest.Rows(t, s, `SELECT DISTINCT final FROM `+call+`('BTC', $1, $2, '1 hour', `+known+`)`, start, newest)
			require.Equal(t, [][]any{{final}}, rows, "%s %s", call, known)
		}
	}
	storetest.Exec(t, s, `INSERT INTO models (name) VALUES ('other')`)
	storetest.Exec(t, s, `UPDATE sentiments SET model = 'other'`)
	require.Equal(t, [][]any{{false}}, storetest.Rows(t, s, `SELECT DISTINCT final FROM mood('BTC', $1, $2, '1 hour', model => 'other')`, start, newest))

	refresh(t, s, newest)
	storetest.Exec(t, s, `SELECT drop_chunks('sentiments', older_than => $1::timestamptz)`, start.Add(4*24*time.Hour))
	requireRefused(t, s, "SELECT * FROM %s", "mood('BTC', '2024-03-04', '2024-03-06', '1 hour', as_of => now())", "no longer kept", "without as_of")
	requireRefused(t, s, "SELECT * FROM %s", "mood('BTC', '2024-03-04', '2024-03-06', '1 hour', delay => '-1 minute')", "delay must be", "1 minute")
	requireRefused(t, s, "SELECT * FROM %s", "divergence('BTC', '2024-03-04', '2024-03-06', '1 hour', as_of => 'infinity')", "as_of must be a time", "now()")
	require.NotEmpty(t, storetest.Rows(t, s, `SELECT * FROM mood('BTC', '2024-03-09', '2024-03-10', '1 hour', momentum_windows => 1, model => 'other', as_of => now())`))
}
