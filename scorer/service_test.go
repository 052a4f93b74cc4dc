package scorer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/scorer"
	"rcas/store"
	"rcas/store/storetest"
	"rcas/stream"
)

// noon is not long ago, so that what is posted then is live.
var noon = time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)

// renamed is the bundled model under another name, which counts what it scored.
type renamed struct {
	scorer.Model
	name   string
	scored *atomic.Int64
}

func (r renamed) Name() string { return r.name }

func (r renamed) Score(ctx context.Context, questions []scorer.Question) ([]scorer.Judgement, error) {
	r.scored.Add(int64(len(questions)))
	return r.Model.Score(ctx, questions)
}

// bench is a store, a stream and a running service.
type bench struct {
	store  *store.Store
	stream *stream.Stream
	scored map[string]*atomic.Int64
	done   chan error
	stop   context.CancelFunc
}

func setup(t *testing.T) *bench {
	t.Helper()
	b, service := prepare(t)
	b.run(t, service)
	return b
}

// prepare is setup without running the service.
func prepare(t *testing.T) (*bench, *scorer.Service) {
	t.Helper()
	b := &bench{store: storetest.New(t), scored: map[string]*atomic.Int64{"first": {}, "second": {}}, done: make(chan error, 1)}
	var err error
	b.stream, err = stream.Open(t.Context(), stream.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(b.stream.Close)
	return b, &scorer.Service{
		Stream: b.stream, Store: b.store, Matcher: market.NewMatcher(nil), Default: "first", Log: slog.New(slog.DiscardHandler),
		Open: func(ctx context.Context, name string) (scorer.Model, error) {
			if b.scored[name] == nil {
				return nil, errors.New("there is no such model")
			}
			model, err := scorer.Bundled(ctx, scorer.Options{})
			return renamed{model, name, b.scored[name]}, err
		},
	}
}

func (b *bench) run(t *testing.T, service *scorer.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b.stop = cancel
	go func() { b.done <- service.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-b.done) })
}

func (b *bench) publish(t *testing.T, tweets ...*market.Tweet) {
	t.Helper()
	p := b.stream.Publisher()
	for _, tweet := range tweets {
		require.NoError(t, p.Tweet(t.Context(), tweet))
	}
	require.NoError(t, p.Flush(t.Context()))
}

// scorerIdle waits until the scorer has nothing left to do. The writer does not run here.
func (b *bench) scorerIdle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		backlogs, err := b.stream.Backlogs(t.Context())
		if err != nil {
			return false
		}
		i := slices.IndexFunc(backlogs, func(l stream.Backlog) bool { return l.Consumer == stream.Scorer })
		return backlogs[i].Pending == 0 && backlogs[i].Unacknowledged == 0
	}, 2*time.Minute, 20*time.Millisecond)
}

func post(id int, text, lang string) *market.Tweet {
	return &market.Tweet{Source: "test", ID: fmt.Sprint(id), Time: noon.Add(time.Duration(id) * time.Second), Text: text, Lang: lang,
		Symbols: []string{"BTC"}, ReceivedAt: noon.Add(time.Hour)}
}

func TestServiceGivesEveryPostItsRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var live atomic.Int64
	subscription, err := b.stream.Conn().Subscribe("sentiments.BTC", func(m *nats.Msg) {
		if json.Valid(m.Data) {
			live.Add(1)
		}
	})
	require.NoError(t, err)
	defer func() { _ = subscription.Unsubscribe() }()
	other := post(10, "bitcoin at another second, as another archive tells it", "en")
	other.ID = "5" // the time is part of a post's key
	b.publish(t, other,
		post(1, "I love bitcoin, what a great day! So happy", "en"),
		post(2, "bitcoin is crashing, terrible, I hate this", ""),
		post(3, "¿Qué pasa con bitcoin hoy?", "es"),
		post(4, "https://example.org/x @somebody", "en"),
		post(5, "   ", "en"),
		post(6, strings.Repeat("bitcoin ", 12_500), "en"),
		post(7, "\xff\xfe bitcoin \x00 ok", "en"),
		post(8, "بيتكوين bitcoin السعر", "ar"),
		post(1, "I love bitcoin, what a great day! So happy", "en"),
		post(-100_000, "bitcoin is a great thing, said yesterday", "en"),
	)
	b.scorerIdle(t)
	require.EqualValues(t, 10, storetest.Value[int64](t, b.store, `SELECT count(*) FROM sentiments`))
	skipped := map[any]any{}
	for _, row := range storetest.Rows(t, b.store, `SELECT id, skipped FROM sentiments WHERE skipped IS NOT NULL`) {
		skipped[row[0]] = row[1]
	}
	require.Equal(t, map[any]any{"3": "language", "4": "no text", "5": "no text", "8": "language"}, skipped)
	require.Greater(t, storetest.Value[float64](t, b.store, `SELECT score::float8 FROM sentiments WHERE id = '1'`), 0.3)
	require.Less(t, storetest.Value[float64](t, b.store, `SELECT score::float8 FROM sentiments WHERE id = '2'`), -0.3)
	require.EqualValues(t, 5, live.Load(), "one message for each judged post of today, though one came twice")
	require.EqualValues(t, 1, storetest.Value[int64](t, b.store, `SELECT sum(n) FROM term_counts WHERE term = 'happy'`))
}

func TestSwapLosesNothingAndScoresNothingTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 6000
	for i := 0; i < n; i += 500 {
		var batch []*market.Tweet
		for j := i; j < i+500; j++ {
			batch = append(batch, post(j, fmt.Sprintf("my post number %d: I love bitcoin", j), "en"))
		}
		b.publish(t, batch...)
		switch i {
		case 1500:
			require.NoError(t, b.store.UseModel(t.Context(), "second", nil, false))
			// Swapped before the rest is published, whatever the machine's speed.
			require.Eventually(t, func() bool {
				b.publish(t, post(0, "my post number 0: I love bitcoin", "en"))
				return b.scored["second"].Load() > 0
			}, time.Minute, 100*time.Millisecond)
		case 4000:
			require.NoError(t, b.store.UseModel(t.Context(), "missing", nil, false))
		}
	}
	b.scorerIdle(t)
	require.EqualValues(t, n, storetest.Value[int64](t, b.store, `SELECT count(DISTINCT id) FROM sentiments`))
	require.LessOrEqual(t, storetest.Value[int64](t, b.store, `SELECT count(*) FROM sentiments`), int64(n+1), "only post 0 met both models")
	require.Equal(t, storetest.Value[int64](t, b.store, `SELECT count(DISTINCT id) FROM sentiments WHERE kind = 'person' AND NOT repeat`),
		storetest.Value[int64](t, b.store, `SELECT sum(n)::bigint FROM term_counts WHERE term = 'post'`), "people's words, once each")
	require.Positive(t, b.scored["first"].Load())
}

// journal keeps what is logged.
type journal struct {
	sync.Mutex
	lines strings.Builder
}

func (j *journal) Write(line []byte) (int, error) {
	j.Lock()
	defer j.Unlock()
	return j.lines.Write(line)
}

func (j *journal) count(what string) int {
	j.Lock()
	defer j.Unlock()
	return strings.Count(j.lines.String(), what)
}

// TestABrokenModelIsTriedAgain: the default one scores meanwhile, under its own name.
func TestABrokenModelIsTriedAgain(t *testing.T) {
	t.Parallel()
	b, service := prepare(t)
	require.NoError(t, b.store.UseModel(t.Context(), "second", nil, false))
	var log journal
	var tried atomic.Int64
	var mended atomic.Bool
	open := service.Open
	service.Open = func(ctx context.Context, name string) (scorer.Model, error) {
		if name == "second" && !mended.Load() {
			tried.Add(1)
			return nil, errors.New("its graph is gone")
		}
		return open(ctx, name)
	}
	require.ErrorContains(t, service.Run(t.Context()), "its graph is gone", "without leave to fall back")

	service.Fallback, service.Retry, service.Log = true, time.Millisecond, slog.New(slog.NewTextHandler(&log, nil))
	b.run(t, service)
	b.publish(t, post(1, "bitcoin is great", "en"))
	b.scorerIdle(t)
	require.Equal(t, [][]any{{"1", "first"}}, storetest.Rows(t, b.store, `SELECT id, model FROM sentiments`))
	active, err := b.store.ActiveModel(t.Context())
	require.NoError(t, err)
	require.Equal(t, "second", active, "what people chose stays chosen")
	require.Eventually(t, func() bool { return tried.Load() > 3 }, time.Minute, 10*time.Millisecond)
	require.Equal(t, 1, log.count("cannot load the active model"), "said once")

	mended.Store(true)
	require.Eventually(t, func() bool {
		b.publish(t, post(2, "bitcoin is great", "en"))
		return b.scored["second"].Load() > 0
	}, time.Minute, 100*time.Millisecond)
	require.Equal(t, 1, log.count("rcas rescore --model second --from "))
}

// TestTwoModelsSideBySide runs a scorer that cannot load the active model beside one that can. Each post is judged by one of them, and what
// repeats what, and which words count, is as with one.
func TestTwoModelsSideBySide(t *testing.T) {
	t.Parallel()
	b, one := prepare(t)
	require.NoError(t, b.store.UseModel(t.Context(), "first", nil, false))
	two := &scorer.Service{Stream: b.stream, Store: b.store, Matcher: one.Matcher, Default: "second", Fallback: true, Retry: time.Hour, Log: one.Log,
		Open: func(ctx context.Context, name string) (scorer.Model, error) {
			if name == "first" {
				return nil, errors.New("its graph is gone")
			}
			return one.Open(ctx, name)
		}}
	b.run(t, one)
	b.run(t, two)
	posts := 0
	require.Eventually(t, func() bool {
		for range 20 { // each text twice
			own := "zz" + strings.Map(func(digit rune) rune { return digit - '0' + 'a' }, fmt.Sprint(posts/2))
			b.publish(t, post(posts, own+" is why i think that bitcoin will go up this winter", "en"))
			posts++
		}
		return b.scored["first"].Load() > 0 && b.scored["second"].Load() > 0
	}, 2*time.Minute, 20*time.Millisecond)
	b.scorerIdle(t)
	require.Equal(t, []any{int64(posts), int64(posts)}, storetest.Rows(t, b.store, `SELECT count(*), count(DISTINCT id) FROM sentiments`)[0])
	storetest.RequireNone(t, b.store, `SELECT id FROM sentiments WHERE repeat <> (id::integer % 2 = 1)`)
	require.Equal(t, [][]any{{int64(1), int64(posts / 2)}}, storetest.Rows(t, b.store, `SELECT n, count(*) FROM (
		SELECT term, sum(n)::bigint AS n FROM term_counts WHERE term LIKE 'zz%' GROUP BY 1) AS words GROUP BY 1`))
}

func TestRescoreGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	var tweets []*market.Tweet
	for i := range 2500 {
		tweets = append(tweets, post(i, fmt.Sprintf("post number %d, bitcoin is great", i), "en"))
	}
	_, err := s.InsertTweets(t.Context(), tweets)
	require.NoError(t, err)
	model, err := scorer.Bundled(t.Context(), scorer.Options{})
	require.NoError(t, err)
	defer model.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r := scorer.Rescore{Store: s, Model: model, Matcher: market.NewMatcher(nil), From: noon, To: noon.Add(2400 * time.Second), Progress: func(done, _ int64) { cancel() }}
	first, err := r.Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 1000, first.Added)
	r.Progress = nil
	second, err := r.Run(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1400, second.Added)
	require.EqualValues(t, 2400, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments`))
}

func TestSenselessNumbersAreRefused(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for _, floor := range []float32{-0.1, 1, 5, float32(nan)} {
		require.ErrorContains(t, (&scorer.Service{MinConfidence: floor}).Run(t.Context()), "the least confidence")
	}
	for _, test := range []struct {
		rescore scorer.Rescore
		want    string
	}{
		{scorer.Rescore{From: noon, To: noon.Add(1), MinConfidence: 5}, "the least confidence is 5; write a number"},
		{scorer.Rescore{From: noon, To: noon.Add(1), Rate: -5}, "the rate is -5"},
		{scorer.Rescore{From: noon, To: noon.Add(1), Rate: nan}, "the rate is NaN"},
		{scorer.Rescore{From: noon, To: noon.Add(1), Rate: math.Inf(1)}, "the rate is +Inf"},
		{scorer.Rescore{From: noon, To: noon}, "from must be before to"},
	} {
		_, err := test.rescore.Run(t.Context())
		require.ErrorContains(t, err, test.want)
	}
}

// TestConfidenceFloor: a post is left open where the model's largest probability is below the floor, and only there.
func TestConfidenceFloor(t *testing.T) {
	t.Parallel()
	model, err := scorer.Bundled(t.Context(), scorer.Options{})
	require.NoError(t, err)
	defer model.Close()
	tweets := []*market.Tweet{post(1, "I love bitcoin, what a great day! So happy", "en"), post(2, "bitcoin and then the thing of it", "en"),
		post(3, "this is terrible, I hate bitcoin, total scam", "en")}
	reader := scorer.Reader{Model: model, Matcher: market.NewMatcher(nil), Terms: scorer.NewTerms()}
	all, err := reader.Read(t.Context(), tweets)
	require.NoError(t, err)
	for _, floor := range all {
		confidence := max(floor.Sentiments[0].Negative, floor.Sentiments[0].Neutral, floor.Sentiments[0].Positive)
		reader.MinConfidence = confidence
		posts, err := reader.Read(t.Context(), tweets)
		require.NoError(t, err)
		for i, p := range posts {
			want := ""
			if max(all[i].Sentiments[0].Negative, all[i].Sentiments[0].Neutral, all[i].Sentiments[0].Positive) < confidence {
				want = scorer.SkippedConfidence
			}
			require.Equal(t, want, p.Sentiments[0].Skipped, "post %d, floor %f", i, confidence)
		}
	}
}
