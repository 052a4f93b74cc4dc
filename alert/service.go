package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"rcas/telemetry"
)

// Rule is a divergence rule, with the meaning of the arguments of divergence(). Zero values stand for the defaults given.
type Rule struct {
	// Name tells the alerts of several rules apart; default "divergence".
	Name string
	// Width of a bucket; default 15 minutes.
	Width time.Duration
	// Baseline is the number of buckets before that say what is usual; default 96.
	Baseline int
	// Threshold in standard deviations; default 1.
	Threshold float64
	// MinPosts a bucket needs; default 20.
	MinPosts int
	// Persistence is the number of buckets in a row that must disagree; default 2.
	Persistence int
	// Cooldown is the least time between two alerts of a coin; default 6 hours.
	Cooldown time.Duration
}

// Config says what to watch and whom to tell.
type Config struct {
	Rule Rule
	// Every is how often to look; default 30 seconds.
	Every time.Duration
	// Settle is how long after its end a bucket is judged, so that its posts are scored; default 30 seconds, negative: at once.
	Settle time.Duration
	// Webhook is an http or https URL that takes a POST with an [Alert] as JSON; empty: none. It may hold a secret and is never
	// logged.
	Webhook string
	// Inside lets the webhook lie on this machine or in a private network. Without it, whoever can set its address could make RCAS post to
	// what is reachable from here only.
	Inside bool
	// Metrics may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
}

const (
	// lookback is how far back events are looked for: alerts of an outage longer than this are not news any more.
	lookback = 2 * time.Hour
	// giveUp is the age at which an alert that no webhook took is left alone.
	giveUp = 24 * time.Hour
	// lease keeps other processes from posting an alert that this one is posting.
	lease = time.Minute
	// postTimeout bounds one request to the webhook; below the lease.
	postTimeout = 20 * time.Second
	// batch bounds what one look sends.
	batch = 100
)

// ErrBadWebhook means that the webhook's address is no http or https URL.
var ErrBadWebhook = errors.New("the alert webhook is not an http or https URL")

// ErrBadRule means that the database refuses a setting of the rule, which no waiting will mend.
var ErrBadRule = errors.New("the rule for alerts makes no sense")

// Service looks for divergences and tells people. Any number may run on one database.
type Service struct {
	cfg  Config
	db   *pgxpool.Pool
	nats *nats.Conn
	http *http.Client
}

// New checks the configuration. The database must be migrated.
func New(cfg Config, db *pgxpool.Pool, conn *nats.Conn) (*Service, error) {
	if cfg.Webhook != "" {
		if u, err := url.Parse(cfg.Webhook); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, ErrBadWebhook
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
	return &Service{cfg: cfg, db: db, nats: conn, http: client(cfg.Inside)}, nil
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

// Look stores the divergences that fired shortly before the given time, and sends everything not sent yet.
func (s *Service) Look(ctx context.Context, at time.Time) error {
	return errors.Join(s.record(ctx, at), s.publish(ctx), s.deliver(ctx))
}

// oneMoment lets a question over the windows see one moment of the database: a window that is refreshed meanwhile could otherwise
// lack its newest rows.
var oneMoment = pgx.TxOptions{IsoLevel: pgx.RepeatableRead}

// record leaves out what the rule does not set: the SQL function has the defaults.
func (s *Service) record(ctx context.Context, at time.Time) error {
	sql, args := "SELECT "+columns+" FROM record_alerts(at => $1, lookback => $2", []any{at.Add(-max(s.cfg.Settle, 0)), lookback}
	add := func(name string, set bool, value any) {
		if set {
			args = append(args, value)
			sql += fmt.Sprintf(", %s => $%d", name, len(args))
		}
	}
	r := s.cfg.Rule
	add("name", r.Name != "", r.Name)
	add("width", r.Width != 0, r.Width)
	add("baseline", r.Baseline != 0, r.Baseline)
	add("threshold", r.Threshold != 0, r.Threshold)
	add("min_posts", r.MinPosts != 0, r.MinPosts)
	add("persistence", r.Persistence != 0, r.Persistence)
	add("cooldown", r.Cooldown != 0, r.Cooldown)
	var alerts []Alert
	err := pgx.BeginTxFunc(ctx, s.db, oneMoment, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql+")", args...)
		if err == nil {
			alerts, err = pgx.CollectRows(rows, scan)
		}
		return err
	})
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		switch pgErr.Code {
		case "40001":
			return nil // another process is recording the same
		case "22023":
			return fmt.Errorf("%w: %s. %s", ErrBadRule, pgErr.Message, pgErr.Hint)
		}
	}
	if err != nil {
		return fmt.Errorf("record alerts: %w", err)
	}
	for _, a := range alerts {
		s.cfg.Log.Info("divergence", "symbol", a.Symbol, "direction", a.Direction, "fired_at", a.FiredAt, "divergence",
			a.Divergence, "posts", a.Posts)
	}
	return nil
}

// publish sends on NATS what has not been sent. The rows stay locked meanwhile, so that another process sends others.
func (s *Service) publish(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM alerts
			WHERE published_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`, batch)
		if err != nil {
			return err
		}
		alerts, err := pgx.CollectRows(rows, scan)
		if err != nil || len(alerts) == 0 {
			return err
		}
		ids := make([]int64, len(alerts))
		for i, a := range alerts {
			body, err := json.Marshal(a)
			if err != nil {
				return err
			}
			if err := s.nats.Publish("alerts."+a.Symbol, body); err != nil {
				return err
			}
			ids[i] = a.ID
		}
		if err := s.nats.FlushTimeout(5 * time.Second); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE alerts SET published_at = now() WHERE id = ANY ($1)`, ids)
		return err
	})
	if err != nil {
		return fmt.Errorf("publish alerts on NATS: %w", err)
	}
	return nil
}
