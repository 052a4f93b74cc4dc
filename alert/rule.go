package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Kind is what a rule is about. Its value and threshold have their own measure.
type Kind string

// The kinds of rules.
const (
	Divergence Kind = "divergence" // mood and price part ways, in standard deviations
	Mood       Kind = "mood"       // mood moves, in standard deviations
	Volume     Kind = "volume"     // there are more posts than usual, as many times
	Adverts    Kind = "adverts"    // adverts are more than a share of all that is written
	Word       Kind = "word"       // a word that was hardly seen before rises, in standard deviations
)

// Rule says what is worth an alert, with the meaning of the arguments of record_alerts(), which has the defaults of what is zero.
type Rule struct {
	// Name tells the alerts of several rules apart; default the kind.
	Name string
	// Kind is what it is about; default divergence.
	Kind Kind
	// Symbols are the coins; default all.
	Symbols []string
	// Width of a bucket; default 15 minutes.
	Width time.Duration
	// Baseline is the number of buckets before that say what is usual; default 96.
	Baseline int
	// Threshold in the kind's measure; default 1 of divergences, 3 of moods and volume, 0.5 of adverts, 6 of words.
	Threshold float64
	// MinPosts a bucket needs, or the word; default 20.
	MinPosts int
	// Persistence is the number of buckets in a row in which it must be so, and must not be so to be over; default 2 of divergences, else 1.
	Persistence int
	// Cooldown is the least time between two alerts of a coin (and a word); default 6 hours.
	Cooldown time.Duration
	// To names the channels that are told; default all.
	To []string
}

// Named is the rule with its name and its kind.
func (r Rule) Named() Rule {
	if r.Kind == "" {
		r.Kind = Divergence
	}
	if r.Name == "" {
		r.Name = string(r.Kind)
	}
	return r
}

// width is that of a bucket, known also where the rule leaves it open.
func (r Rule) width() time.Duration {
	if r.Width == 0 {
		return 15 * time.Minute
	}
	return r.Width
}

// baseline is the number of buckets, known also where the rule leaves it open.
func (r Rule) baseline() int {
	if r.Baseline == 0 {
		return 96
	}
	return r.Baseline
}

// arguments are those settings that record_alerts() and backtest() share, as SQL and its parameters; what the rule leaves open is left out.
func (r Rule) arguments(sql string, args []any) (string, []any) {
	add := func(name string, set bool, value any) {
		if set {
			args = append(args, value)
			sql += fmt.Sprintf(", %s => $%d", name, len(args))
		}
	}
	add("kind", true, string(r.Kind))
	add("width", true, r.width())
	add("baseline", r.Baseline != 0, r.Baseline)
	add("threshold", r.Threshold != 0, r.Threshold)
	add("min_posts", r.MinPosts != 0, r.MinPosts)
	add("persistence", r.Persistence != 0, r.Persistence)
	return sql, args
}

// ErrBadRule means that the database refuses a setting of a rule, which no waiting will mend.
var ErrBadRule = errors.New("the rule for alerts makes no sense")

// oneMoment lets a question over the windows see one moment of the database: a window that is refreshed meanwhile could otherwise
// lack its newest rows.
var oneMoment = pgx.TxOptions{IsoLevel: pgx.RepeatableRead}

// record stores what a rule found in the time before, and what of it is over.
func (s *Service) record(ctx context.Context, r Rule, at time.Time, lookback time.Duration) error {
	sql, args := r.arguments("SELECT "+columns+" FROM record_alerts(name => $1, at => $2, lookback => $3", []any{r.Name, at, lookback})
	if r.Cooldown != 0 {
		args = append(args, r.Cooldown)
		sql += fmt.Sprintf(", cooldown => $%d", len(args))
	}
	if len(r.Symbols) > 0 {
		args = append(args, r.Symbols)
		sql += fmt.Sprintf(", symbols => $%d", len(args))
	}
	var alerts []Alert
	err := pgx.BeginTxFunc(ctx, s.db, oneMoment, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql+")", args...)
		if err == nil {
			alerts, err = pgx.CollectRows(rows, s.scan)
		}
		return err
	})
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pgErr.Code {
		case "40001":
			return nil // another process is recording the same
		case "22023":
			return fmt.Errorf("%w: rule %s: %s. %s", ErrBadRule, r.Name, pgErr.Message, pgErr.Hint)
		}
	}
	if err != nil {
		return fmt.Errorf("record alerts of the rule %s: %w", r.Name, err)
	}
	for _, a := range alerts {
		s.cfg.Log.Info("alert", "rule", a.Rule, "symbol", a.Symbol, "direction", a.Direction, "fired_at", a.FiredAt, "value", a.Value, "posts", a.Posts)
	}
	return nil
}
