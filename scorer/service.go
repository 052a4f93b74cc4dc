package scorer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rcas/market"
	"rcas/store"
	"rcas/stream"
	"rcas/telemetry"
)

// Reasons for which a post is not judged; they stand in sentiments.skipped.
const (
	SkippedLanguage   = "language"
	SkippedNoText     = "no text"
	SkippedConfidence = "low confidence"
)

// batch is what the scorer takes at a time. Large ones count words in fewer rows. Two workers: one scores while the other's rows are in
// the database.
var batch = stream.Batch{Size: 5000, Age: 250 * time.Millisecond, Workers: 2}

// modelCheck is how often the service asks the database which model is active.
const modelCheck = 2 * time.Second

// modelRetry is how long after an attempt to load the active model failed the next one is made.
const modelRetry = time.Minute

// Service reads posts from the stream and adds what the active model reads in them. Any number of services may run.
type Service struct {
	Stream *stream.Stream
	Store  *store.Store
	// Matcher finds where posts name their coins.
	Matcher *market.Matcher
	// Open loads a model by the name that the table models knows it by.
	Open func(ctx context.Context, name string) (Model, error)
	// OpenKinds opens the model that says who speaks beside an active one that does not; nil: then nobody says.
	OpenKinds func(ctx context.Context) (Model, error)
	// Default is the model to activate where none is active yet.
	Default string
	// Fallback scores with Default as long as the active model cannot be loaded, where Run would else fail at the start: for posts
	// that cannot wait. Their rows bear Default's name.
	Fallback bool
	// Retry is how long after an attempt to load the active model failed the next one is made. Zero: a minute.
	Retry time.Duration
	// MinConfidence leaves posts unjudged whose largest probability is smaller. Zero judges all; see [CheckConfidence].
	MinConfidence float32
	// Metrics may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger

	terms *Terms
	kinds Model // set once one is needed, which lives as long as the service

	swapping sync.RWMutex // held for reading while a batch is scored
	model    Model
	failed   failure
}

// failure is the last attempt to load an active model, where it failed.
type failure struct {
	model string
	since time.Time // of the first attempt that failed
	last  time.Time
	said  string // what was logged, so that it is said once
}

// CheckConfidence refuses a floor of confidence that is no probability, or that none exceeds: what it leaves unjudged stays so.
func CheckConfidence(floor float32) error {
	if !(floor >= 0 && floor < 1) { // nor NaN
		return fmt.Errorf("the least confidence is %v; write a number from 0, which judges every post, to below 1", floor)
	}
	return nil
}

// Run scores until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if err := CheckConfidence(s.MinConfidence); err != nil {
		return err
	}
	s.terms = NewTerms()
	if err := s.start(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { s.watchModel(ctx); return nil })
	group.Go(func() error { return s.Stream.Consume(ctx, stream.Tweets, stream.Scorer, batch, s.score) })
	return errors.Join(group.Wait(), s.closeModels())
}

func (s *Service) start(ctx context.Context) error {
	name, err := s.Store.ActiveModel(ctx)
	if err != nil {
		return err
	}
	if s.model, err = s.Open(ctx, cmp.Or(name, s.Default)); err != nil {
		if !s.Fallback || name == "" || name == s.Default || ctx.Err() != nil {
			return err
		}
		s.fail(name, s.Default, err)
		if s.model, err = s.Open(ctx, s.Default); err != nil {
			return err
		}
	}
	if err := s.needKinds(ctx, s.model); err != nil {
		return err
	}
	s.Metrics.Model(s.model.Name())
	return s.Store.UseModel(ctx, s.model.Name(), s.model.Languages(), true)
}

// needKinds opens the model that says who speaks, where a model does not say it and none is open.
func (s *Service) needKinds(ctx context.Context, model Model) error {
	if model.TellsKinds() || s.kinds != nil || s.OpenKinds == nil {
		return nil
	}
	kinds, err := s.OpenKinds(ctx)
	if err != nil {
		return fmt.Errorf("open the model that says who speaks: %w", err)
	}
	s.swapping.Lock()
	defer s.swapping.Unlock()
	s.kinds = kinds
	return nil
}

// closeModels frees what is open.
func (s *Service) closeModels() error {
	if s.kinds == nil {
		return s.model.Close()
	}
	return errors.Join(s.model.Close(), s.kinds.Close())
}

// watchModel swaps the model when another becomes active. A batch is scored whole by one model; messages wait meanwhile, and
// none is lost or scored twice by one model, for a sentiment's key holds its model.
func (s *Service) watchModel(ctx context.Context) {
	ticker := time.NewTicker(modelCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.swap(ctx)
		}
	}
}

func (s *Service) swap(ctx context.Context) {
	name, err := s.Store.ActiveModel(ctx)
	if err != nil || name == "" {
		return
	}
	if name == s.model.Name() {
		s.failed = failure{}
		return
	}
	if name == s.failed.model && time.Since(s.failed.last) < cmp.Or(s.Retry, modelRetry) {
		return
	}
	next, err := s.Open(ctx, name)
	if err == nil {
		if err = s.needKinds(ctx, next); err != nil {
			err = errors.Join(err, next.Close())
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			s.fail(name, s.model.Name(), err)
		}
		return
	}
	s.swapping.Lock()
	previous := s.model
	s.model = next
	s.swapping.Unlock()
	s.Metrics.Model(next.Name())
	s.Log.Info("model swapped", "from", previous.Name(), "to", next.Name())
	s.recovered(name)
	_ = previous.Close()
}

// fail notes that the active model cannot be loaded, and says so unless it has said the same before.
func (s *Service) fail(name, instead string, err error) {
	if s.failed.model != name {
		s.failed = failure{model: name, since: time.Now()}
	}
	s.failed.last = time.Now()
	if s.failed.said != err.Error() {
		s.failed.said = err.Error()
		s.Log.Error("cannot load the active model; scoring with another meanwhile, and trying again", "model", name,
			"scoring_with", instead, "again_after", cmp.Or(s.Retry, modelRetry), "error", err)
	}
}

// recovered says how the active model gets what another scored in its stead.
func (s *Service) recovered(name string) {
	if s.failed.model == name {
		from := s.failed.since.UTC().AddDate(0, 0, -1) // what waited in the stream is older than the failure
		s.Log.Warn("the active model can be loaded again; let it score what it missed", "model", name,
			"by", fmt.Sprintf("rcas rescore --model %s --from %s", name, from.Format(time.DateOnly)))
	}
	s.failed = failure{}
}

func (s *Service) score(ctx context.Context, batch []*stream.Message) error {
	s.swapping.RLock()
	defer s.swapping.RUnlock()
	tweets := make([]*market.Tweet, 0, len(batch))
	for _, m := range batch {
		t, err := market.DecodeTweet(m.Data, time.Now())
		switch {
		case err != nil: // The writer sets it aside; once is enough.
			s.Log.Debug("not a post", "error", err)
		case !t.Deleted && len(t.Symbols) > 0:
			tweets = append(tweets, t)
		}
	}
	reader := Reader{Model: s.model, Kinds: s.kinds, Matcher: s.Matcher, Terms: s.terms, MinConfidence: s.MinConfidence}
	posts, err := reader.Read(ctx, tweets)
	if err != nil {
		return err
	}
	stored, err := s.Store.InsertSentiments(ctx, s.model.Name(), posts)
	switch {
	case store.IsDataError(err):
		return fmt.Errorf("%w: %w", stream.ErrPoison, err)
	case store.IsTooMuch(err):
		return fmt.Errorf("%w: %w", stream.ErrTooMuch, err)
	case err != nil:
		return err
	}
	for i := range stored.Added {
		a := &stored.Added[i]
		s.Metrics.Scored(a.Tweet.Source, a.Skipped, a.Tweet.ReceivedAt)
	}
	s.publish(stored.Added)
	return nil
}

// liveAge is how old a post may be and still be news to those who look on live. A replayed archive is not.
const liveAge = 24 * time.Hour

// publish passes fresh sentiments on for those who look on live. It needs no storage: what is missed is in the database.
func (s *Service) publish(added []market.Sentiment) {
	conn := s.Stream.Conn()
	for i := range added {
		a := &added[i]
		if a.Skipped != "" || time.Since(a.Tweet.Time) > liveAge {
			continue
		}
		body, err := json.Marshal(live{a.Tweet.Time, a.Tweet.Source, a.Tweet.ID, a.Symbol, a.Model, a.Score(), a.Tweet.Weight(), a.Kind})
		if err == nil {
			_ = conn.Publish("sentiments."+a.Symbol, body)
		}
	}
}

// live is a message on sentiments.<symbol>.
type live struct {
	Time   time.Time `json:"time"`
	Source string    `json:"source"`
	ID     string    `json:"id"`
	Symbol string    `json:"symbol"`
	Model  string    `json:"model"`
	Score  float64   `json:"score"`
	Weight float64   `json:"weight"`
	// Kind is who speaks; missing where no model has told.
	Kind market.Kind `json:"kind,omitempty"`
}
