package datasource

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/jackc/pgx/v5"

	"rcas/migrations"
)

// health is the detail of a health check.
type health struct {
	SchemaVersion int64         `json:"schemaVersion"`
	Feeds         []feedHealth  `json:"feeds"`
	Scorer        *scorerHealth `json:"scorer,omitempty"`
	// Live says how NATS is: connected, or what is wrong.
	Live string `json:"live"`
}

type feedHealth struct {
	Feed          string   `json:"feed"`
	Kind          string   `json:"kind"`
	SilentSeconds *float64 `json:"silentSeconds"`
	SourceLag     *float64 `json:"sourceLagSeconds"`
	StoreLag      *float64 `json:"storeLagSeconds"`
}

type scorerHealth struct {
	Model         *string  `json:"model"`
	Unscored      int64    `json:"unscored"`
	BehindSeconds float64  `json:"behindSeconds"`
	ScoreLag      *float64 `json:"scoreLagSeconds"`
}

// CheckHealth tells whether panels will work, and how fresh is what they show. Silent feeds are told, but are no error: the data source is
// well then.
func (d *Datasource) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	h := health{Live: "connected"}
	if trouble := d.brokerTrouble(); trouble != "" {
		h.Live = trouble
	}
	complaint, err := d.readHealth(ctx, &h)
	if err != nil {
		complaint = d.explain(err)
	}
	details, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if complaint != "" {
		return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: complaint, JSONDetails: details}, nil
	}
	return &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: h.String(), JSONDetails: details}, nil
}

// readHealth fills in h, and returns what keeps the data source from working, if anything does.
func (d *Datasource) readHealth(ctx context.Context, h *health) (complaint string, err error) {
	var dirty bool
	if err := d.pool.QueryRow(ctx, `SELECT version, dirty FROM schema_migrations`).Scan(&h.SchemaVersion, &dirty); err != nil {
		return "", err
	}
	latest, err := migrations.Latest()
	if err != nil {
		return "", err
	}
	switch {
	case dirty:
		return fmt.Sprintf("Migration %d of the database failed half-way: run rcas migrate up and mend what it says.", h.SchemaVersion), nil
	case h.SchemaVersion < int64(latest):
		return fmt.Sprintf("The database's schema is version %d and this data source needs %d: run rcas migrate up.", h.SchemaVersion, latest), nil
	}
	rows, err := d.pool.Query(ctx, `SELECT feed, kind, silent_seconds, source_lag, store_lag FROM feed_health()`)
	if err != nil {
		return "", err
	}
	if h.Feeds, err = pgx.CollectRows(rows, pgx.RowToStructByPos[feedHealth]); err != nil {
		return "", err
	}
	if rows, err = d.pool.Query(ctx, `SELECT model, unscored, behind_seconds, score_lag FROM scorer_health()`); err != nil {
		return "", err
	}
	h.Scorer, err = pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByPos[scorerHealth])
	return "", err
}

// String is the message of a check that went well.
func (h *health) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "Schema version %d.", h.SchemaVersion)
	if len(h.Feeds) == 0 {
		s.WriteString(" No feed has delivered anything in the last seven days.")
	}
	for _, f := range h.Feeds {
		fmt.Fprintf(&s, " %s: last stored %s ago%s.", f.Feed, ago(f.SilentSeconds), lag(f.SourceLag, f.StoreLag))
	}
	switch {
	case h.Scorer.Model == nil:
		s.WriteString(" No model is active: the scorer has never run.")
	case h.Scorer.Unscored > 0:
		fmt.Fprintf(&s, " Scorer: %d posts wait, the oldest for %s.", h.Scorer.Unscored, ago(&h.Scorer.BehindSeconds))
	default:
		fmt.Fprintf(&s, " Scorer (%s): up to date%s.", *h.Scorer.Model, lag(h.Scorer.ScoreLag, nil))
	}
	if h.Live == "connected" {
		s.WriteString(" Live values: connected.")
	} else {
		s.WriteString(" " + h.Live)
	}
	return s.String()
}

func ago(seconds *float64) string {
	if seconds == nil {
		return "never"
	}
	return (time.Duration(*seconds) * time.Second).String()
}

// lag tells the sum of what is known of two lags.
func lag(parts ...*float64) string {
	sum, known := 0.0, false
	for _, p := range parts {
		if p != nil {
			sum, known = sum+*p, true
		}
	}
	if !known {
		return ""
	}
	return fmt.Sprintf(", lag %.1f s", sum)
}
