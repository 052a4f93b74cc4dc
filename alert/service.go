package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"rcas/telemetry"
)

// Config says what to watch and whom to tell.
type Config struct {
	// Rules; none: the default rule about divergences.
	Rules []Rule
	// Channels may be none: alerts are stored and published on NATS all the same.
	Channels []Channel
	// Grafana is the address of the dashboards, to which alerts lead; "": they lead to none.
	Grafana string
	// Every is how often to look; default 30 seconds.
	Every time.Duration
	// Settle is how long after its end a bucket is judged, so that its posts are scored; default 30 seconds, negative: at once.
	Settle time.Duration
	// Metrics may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
}

const (
	// lookback is how far back events are looked for: alerts of an outage longer than this are not news any more.
	lookback = 2 * time.Hour
	// giveUp is the age at which an alert that a channel did not take is left alone.
	giveUp = 24 * time.Hour
	// lease keeps other processes from sending an alert that this one is sending.
	lease = time.Minute
	// sendTimeout bounds one message to a channel; below the lease.
	sendTimeout = 20 * time.Second
	// batch bounds what one look sends.
	batch = 100
)

// Service looks for events and tells people. Any number may run on one database.
type Service struct {
	cfg    Config
	db     *pgxpool.Pool
	nats   *nats.Conn
	looked map[string]time.Time // by rule, when it was looked for last without a fault
}

// New checks the configuration. The database must be migrated.
func New(cfg Config, db *pgxpool.Pool, conn *nats.Conn) (*Service, error) {
	if len(cfg.Rules) == 0 {
		cfg.Rules = []Rule{{}}
	}
	cfg.Rules = slices.Clone(cfg.Rules)
	named := map[string]bool{}
	for i, r := range cfg.Rules {
		r = r.Named()
		if named[r.Name] {
			return nil, fmt.Errorf("%w: two rules have the name %s", ErrBadRule, r.Name)
		}
		for _, channel := range r.To {
			if !slices.ContainsFunc(cfg.Channels, func(c Channel) bool { return c.Name == channel }) {
				return nil, fmt.Errorf("%w: rule %s: there is no channel %s", ErrBadRule, r.Name, channel)
			}
		}
		cfg.Rules[i], named[r.Name] = r, true
	}
	for _, c := range cfg.Channels {
		if err := c.Validate(); err != nil {
			return nil, err
		}
	}
	if cfg.Every <= 0 {
		cfg.Every = 30 * time.Second
	}
	if cfg.Settle == 0 {
		cfg.Settle = 30 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, db: db, nats: conn, looked: map[string]time.Time{}}, nil
}

// Run looks at each tick until ctx ends. What fails is logged, and tried again at the next tick; only [ErrBadRule] ends it.
func (s *Service) Run(ctx context.Context) error {
	fault := s.cfg.Metrics.Fault(s.cfg.Log, "cannot look for alerts, or tell of them; trying again")
	ticker := time.NewTicker(s.cfg.Every)
	defer ticker.Stop()
	for {
		err := s.Look(ctx, time.Now())
		if errors.Is(err, ErrBadRule) {
			return err
		}
		if err == nil {
			fault.Over()
		} else if ctx.Err() == nil {
			fault.Failed(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Look stores what fired shortly before the given time, or is over by then, and sends everything not sent yet.
func (s *Service) Look(ctx context.Context, at time.Time) error {
	at = at.Add(-max(s.cfg.Settle, 0))
	var failure error
	for _, r := range s.cfg.Rules {
		err := s.record(ctx, r, at, s.since(r, at))
		if err == nil {
			s.looked[r.Name] = at
		}
		failure = errors.Join(failure, err)
	}
	if failure == nil {
		failure = s.closeForgotten(ctx, at)
	}
	return errors.Join(failure, s.explain(ctx), s.publish(ctx), s.deliver(ctx))
}

// since is how far back a rule is looked for: two hours at first, and at least three buckets; then what has passed, and two buckets more, in which
// late posts may have been judged meanwhile.
func (s *Service) since(r Rule, at time.Time) time.Duration {
	whole := max(lookback, 3*r.width())
	last, known := s.looked[r.Name]
	if !known || last.After(at) {
		return whole
	}
	return min(whole, at.Sub(last)+2*r.width())
}

// closeForgotten ends alerts that no rule looks for any more: the rule was taken out of the configuration, or the coin out of the rule. A process
// that still had it would have said more, or ended it itself, once the buckets have passed in which it must not fire: those of an alert's
// beginning are as many. Twice that time has room for the one in which it is.
func (s *Service) closeForgotten(ctx context.Context, at time.Time) error {
	rows, err := s.db.Query(ctx, `UPDATE alerts SET ended_at = $1
		WHERE ended_at IS NULL AND end_time <= $1::timestamptz - 2 * (fired_at - start_time) - INTERVAL '5 minutes' RETURNING `+columns, at)
	if err != nil {
		return fmt.Errorf("end alerts of rules that are gone: %w", err)
	}
	alerts, err := pgx.CollectRows(rows, s.scan)
	if err != nil {
		return fmt.Errorf("end alerts of rules that are gone: %w", err)
	}
	for _, a := range alerts {
		s.cfg.Log.Info("alert ended: no rule looks for it any more", "rule", a.Rule, "symbol", a.Symbol, "fired_at", a.FiredAt)
	}
	return nil
}

// looksFor tells whether a rule is there that would say when an alert is over.
func (s *Service) looksFor(a *Alert) bool {
	return slices.ContainsFunc(s.cfg.Rules, func(r Rule) bool {
		return r.Name == a.Rule && (len(r.Symbols) == 0 || slices.Contains(r.Symbols, a.Symbol))
	})
}
