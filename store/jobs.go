package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// windows in chains, in which each builds on the one before it, and what they summarise.
var windows = []struct {
	of    string
	chain []string
}{
	{"prices", []string{"prices_1m", "prices_5m", "prices_1h", "prices_1d"}},
	{"sentiments", []string{"mood_1m", "mood_5m", "mood_1h", "mood_1d"}},
	{"sentiments", []string{"term_windows_15m"}},
	{"earlier_term_counts", []string{"earlier_term_counts_1h"}},
}

// RefreshWindows brings every window up to date with the rows below it, however old, as the refresh policies would in time. Rows that
// changed nothing cost nothing. Where raw rows were dropped, it leaves the windows as they are. A role that does not own the windows
// leaves them to the database's jobs.
func (s *Store) RefreshWindows(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, w := range windows {
		group.Go(func() error { return s.refreshChain(ctx, w.of, w.chain) })
	}
	err := group.Wait()
	if isForbidden(err) {
		// Only the owner may; a writer leaves it to the policies, and for what is older to rcas.refresh_archive, which do it within minutes.
		s.log.Info("the windows are left to the database's own jobs", "reason", err)
		return nil
	}
	return err
}

func (s *Store) refreshChain(ctx context.Context, hypertable string, chain []string) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("refresh the windows: %w", err)
	}
	defer conn.Release()
	// Counting the words of many posts in the default 4 MB goes through files, which takes longer.
	if _, err := conn.Exec(ctx, `SET work_mem = '128MB'`); err != nil {
		return fmt.Errorf("refresh the windows: %w", err)
	}
	defer func() {
		for _, setting := range []string{"work_mem", "enable_seqscan"} {
			_, _ = conn.Exec(context.WithoutCancel(ctx), "RESET "+setting)
		}
	}()
	rows, err := conn.Query(ctx, `SELECT starts, ends, false FROM rcas.kept($1)`, hypertable)
	if err != nil {
		return fmt.Errorf("refresh the windows: %w", err)
	}
	stretches, err := pgx.CollectRows(rows, pgx.RowToStructByPos[span])
	if err != nil {
		return fmt.Errorf("refresh the windows: %w", err)
	}
	for i, window := range chain {
		// What builds on other windows looks at raw rows only behind the end of these. Where nobody analysed the rows, reading all of them looks as
		// cheap as searching for that time, and TimescaleDB asks for the end anew at each of them.
		if i == 1 {
			if _, err := conn.Exec(ctx, `SET enable_seqscan = off`); err != nil {
				return fmt.Errorf("refresh the windows: %w", err)
			}
		}
		for _, stretch := range stretches {
			if err := refresh(ctx, conn, window, stretch); err != nil {
				return err
			}
		}
	}
	return nil
}

// refresh brings a stretch of one window up to date. An open end would push the watermark to where the data ends and hide what comes next;
// the policies end there too.
func refresh(ctx context.Context, conn *pgxpool.Conn, window string, stretch span) error {
	end := time.Now().Add(-time.Minute)
	if stretch.End.Before(end) {
		end = stretch.End
	}
	if !stretch.Start.Before(end) {
		return nil
	}
	sql := fmt.Sprintf(`CALL refresh_continuous_aggregate(%s, '%s'::timestamptz, '%s'::timestamptz, options => '{"buckets_per_batch": 0}')`, quote(window),
		stretch.Start.Format(time.RFC3339Nano), end.Format(time.RFC3339Nano))
	_, err := conn.Exec(ctx, sql)
	for ; isBusy(err) && ctx.Err() == nil; _, err = conn.Exec(ctx, sql) {
		time.Sleep(200 * time.Millisecond)
	}
	if isTooSmall(err) { // not a whole bucket of this width has passed
		return nil
	}
	if err != nil {
		return fmt.Errorf("refresh %s: %w", window, err)
	}
	return nil
}

func quote(s string) string { return "'" + s + "'" }

type job struct {
	ID       int
	Interval time.Duration
	Name     string
}

// RunJobs runs the policies' jobs at their intervals until ctx ends, where this process serves the embedded
// database, which has no background workers to do so, and vacuums. A job that fails is tried again at its next time. Elsewhere it
// returns at once.
func (s *Store) RunJobs(ctx context.Context) error {
	if !s.Serving() {
		return nil
	}
	last := map[int]time.Time{}
	started := time.Now()
	vacuumed := started
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if time.Since(vacuumed) >= vacuumInterval {
			vacuumed = time.Now()
			if _, err := s.Vacuum(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("cannot vacuum; trying again later", "error", err)
			}
		}
		jobs, err := s.jobs(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("cannot list the database's jobs; trying again", "error", err)
		}
		for _, j := range jobs {
			due, ran := last[j.ID]
			if !ran {
				due = started
			}
			if ctx.Err() != nil || time.Since(due) < j.Interval {
				continue
			}
			last[j.ID] = time.Now()
			if _, err := s.pool.Exec(ctx, `CALL run_job($1)`, j.ID); err != nil && ctx.Err() == nil {
				s.log.Warn("job failed; trying again at its next time", "job", j.Name, "error", err)
			}
		}
	}
}

func (s *Store) jobs(ctx context.Context) ([]job, error) {
	rows, err := s.pool.Query(ctx, `SELECT job_id, extract(epoch FROM schedule_interval)::float8 AS seconds, proc_name || ' ' || coalesce(hypertable_name, '')
		FROM timescaledb_information.jobs WHERE scheduled AND job_id >= 1000 ORDER BY job_id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (job, error) {
		var j job
		var seconds float64
		err := row.Scan(&j.ID, &seconds, &j.Name)
		j.Interval = time.Duration(seconds * float64(time.Second))
		return j, err
	})
}
