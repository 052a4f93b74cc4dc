package scorer

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"rcas/market"
	"rcas/store"
)

// rescoreBatch is how many posts of history are scored and stored at a time.
const rescoreBatch = 1000

// Rescore says what of history to score.
type Rescore struct {
	Store *store.Store
	Model Model
	// Kinds as in [Reader].
	Kinds Model
	// Matcher as in [Service].
	Matcher *market.Matcher
	// From and To bound the posts' times: From is in, To is out.
	From, To time.Time
	// Rate is the most posts per second; zero means as fast as it goes.
	Rate float64
	// MinConfidence as in [Service].
	MinConfidence float32
	// Progress is told after each batch how many of how many are done. May be nil.
	Progress func(done, total int64)
}

// Check refuses what makes no sense, without asking database or model.
func (r Rescore) Check() error {
	if err := CheckConfidence(r.MinConfidence); err != nil {
		return err
	}
	if !(r.Rate >= 0) || math.IsInf(r.Rate, 0) { // nor NaN
		return fmt.Errorf("the rate is %v posts a second; write a number above 0, or 0 for as fast as it goes", r.Rate)
	}
	if !r.From.Before(r.To) {
		return fmt.Errorf("no time lies from %s to %s; from must be before to", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	}
	return nil
}

// Rescored counts rows of sentiments.
type Rescored struct {
	// Added rows are new; Told ones had been judged before, and it is now known who speaks in them.
	Added, Told int64
}

// Run scores the posts of history that the model has not scored yet, and finds out who speaks in those that were scored before it could be
// told, and whom they repeat. Interrupted, it goes on where it stopped when it is run again: what is stored is not scored twice. Their
// words were counted when they came.
func (r Rescore) Run(ctx context.Context) (sum Rescored, err error) {
	if err := r.Check(); err != nil {
		return sum, err
	}
	if err := r.Store.RegisterModel(ctx, r.Model.Name(), r.Model.Languages()); err != nil {
		return sum, err
	}
	reader := Reader{Model: r.Model, Kinds: r.Kinds, Matcher: r.Matcher, Terms: NewTerms(), MinConfidence: r.MinConfidence}
	total, err := r.Store.CountUnscored(ctx, r.Model.Name(), reader.TellsKinds(), r.From, r.To)
	if err != nil {
		return sum, err
	}
	limit := rate.NewLimiter(rate.Inf, rescoreBatch)
	if r.Rate > 0 {
		limit = rate.NewLimiter(rate.Limit(r.Rate), rescoreBatch)
	}
	var done int64
	position := store.Position{Time: r.From}
	for {
		tweets, err := r.Store.Unscored(ctx, r.Model.Name(), reader.TellsKinds(), position, r.To, rescoreBatch)
		if err != nil || len(tweets) == 0 {
			return sum, err
		}
		if err := limit.WaitN(ctx, len(tweets)); err != nil {
			return sum, fmt.Errorf("rescore: %w", err)
		}
		posts, err := reader.Read(ctx, tweets)
		if err != nil {
			return sum, err
		}
		stored, err := r.Store.InsertSentiments(ctx, r.Model.Name(), posts)
		if err != nil {
			return sum, err
		}
		var told int64
		if stored.Duplicates > 0 {
			if told, err = r.Store.SetKinds(ctx, r.Model.Name(), posts); err != nil {
				return sum, err
			}
		}
		last := tweets[len(tweets)-1]
		position = store.Position{Time: last.Time, Source: last.Source, ID: last.ID}
		done, sum.Added, sum.Told = done+int64(len(tweets)), sum.Added+stored.Rows, sum.Told+told
		if r.Progress != nil {
			r.Progress(done, max(total, done))
		}
	}
}
