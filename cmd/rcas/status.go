package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"rcas/stream"
)

// status is how RCAS is doing.
type status struct {
	Database string           `json:"database"`
	Stream   string           `json:"stream"`
	Model    string           `json:"model"`
	Tables   map[string]int64 `json:"rows"`
	Newest   []feedStatus     `json:"feeds"`
	Backlogs []stream.Backlog `json:"backlogs"`
	Dead     uint64           `json:"dead"`
	Counts   []countStatus    `json:"counts"`
}

type feedStatus struct {
	Kind   string    `json:"kind"`
	Source string    `json:"source"`
	Newest time.Time `json:"newest"`
	// LagSeconds from the event to its commit, of the feed's newest rows.
	LagSeconds float64 `json:"lag_seconds"`
}

type countStatus struct {
	Component string `json:"component"`
	Source    string `json:"source"`
	Event     string `json:"event"`
	N         int64  `json:"n"`
}

func newStatus(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Tell how RCAS is doing: rows, freshness and lag, backlog, drops, dead letters", Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a, err := s.open(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		st, err := a.status(cmd)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), st)
		}
		return st.print(cmd)
	}
	return cmd
}

const feedQuery = `
SELECT 'posts' AS kind, source, max(time) AS newest, extract(epoch FROM avg(stored_at - time))::float8
FROM (SELECT *, row_number() OVER (PARTITION BY source ORDER BY time DESC) AS r FROM tweets
      WHERE time > (SELECT max(time) FROM tweets) - INTERVAL '1 day') t WHERE r <= 100 GROUP BY source
UNION ALL
SELECT 'prices', venue, max(time), extract(epoch FROM avg(stored_at - time))::float8
FROM (SELECT *, row_number() OVER (PARTITION BY venue ORDER BY time DESC) AS r FROM prices
      WHERE time > (SELECT max(time) FROM prices) - INTERVAL '1 hour') t WHERE r <= 100 GROUP BY venue
ORDER BY 1, 2`

func (a *app) status(cmd *cobra.Command) (*status, error) {
	ctx := cmd.Context()
	st := &status{Tables: map[string]int64{}}
	st.Database, st.Stream = where(a.settings.databaseURL), where(a.settings.natsURL)
	var err error
	if st.Model, err = a.store.ActiveModel(ctx); err != nil {
		return nil, err
	}
	for _, table := range []string{"tweets", "prices", "sentiments"} {
		var n int64
		if err := a.store.Pool().QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			return nil, fmt.Errorf("count %s: %w", table, err)
		}
		st.Tables[table] = n
	}
	rows, err := a.store.Pool().Query(ctx, feedQuery)
	if err != nil {
		return nil, fmt.Errorf("look up the feeds: %w", err)
	}
	if st.Newest, err = pgx.CollectRows(rows, pgx.RowToStructByPos[feedStatus]); err != nil {
		return nil, fmt.Errorf("look up the feeds: %w", err)
	}
	if st.Backlogs, err = a.stream.Backlogs(ctx); err != nil {
		return nil, err
	}
	if st.Dead, err = a.stream.DeadCount(ctx); err != nil {
		return nil, err
	}
	counts, err := a.store.Counts(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range counts {
		st.Counts = append(st.Counts, countStatus(c))
	}
	return st, nil
}

func where(url string) string {
	if url == "" {
		return "embedded"
	}
	if _, host, ok := strings.Cut(url, "@"); ok {
		return host // without user and password
	}
	return url
}

func (st *status) print(cmd *cobra.Command) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "database\t%s\nstream\t%s\nactive model\t%s\n", st.Database, st.Stream, st.Model)
	for _, table := range sortedKeys(st.Tables) {
		fmt.Fprintf(w, "%s\t%s\n", table, thousands(st.Tables[table]))
	}
	fmt.Fprintf(w, "dead letters\t%d\n", st.Dead)
	if len(st.Newest) > 0 {
		fmt.Fprintln(w, "\nfeed\tnewest\tevent to commit")
		for _, f := range st.Newest {
			fmt.Fprintf(w, "%s %s\t%s\t%s\n", f.Kind, f.Source, f.Newest.UTC().Format("2006-01-02 15:04:05"),
				(time.Duration(f.LagSeconds * float64(time.Second))).Round(time.Millisecond))
		}
	}
	fmt.Fprintln(w, "\nconsumer\tpending\tunder way\tredelivered")
	for _, b := range st.Backlogs {
		fmt.Fprintf(w, "%s %s\t%d\t%d\t%d\n", b.Stream, b.Consumer, b.Pending, b.Unacknowledged, b.Redelivered)
	}
	if len(st.Counts) > 0 {
		fmt.Fprintln(w, "\ncounted\tsource\tevent\tn")
		for _, c := range st.Counts {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Component, c.Source, c.Event, thousands(c.N))
		}
	}
	return w.Flush()
}
