package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"rcas/figure"
)

const (
	// bestTimescaleDB is the first version without known wrong answers around aggregates; oldestPostgreSQL the first that it runs on.
	bestTimescaleDB  = "2.29.2"
	oldestPostgreSQL = 16
	// clockSkew is from when the clocks of database and program differ enough to confuse ages.
	clockSkew = 2 * time.Second
)

// database asks what needs its answers, each for itself.
func (d *doctor) database(ctx context.Context, a *app) {
	for _, look := range []struct {
		check string
		ask   func(context.Context, *app) error
	}{
		{"versions", d.versions}, {"database clock", d.databaseClock}, {"database settings", d.databaseSettings}, {"roles", d.roles},
		{"jobs", d.jobs}, {"windows", d.windows}, {"feeds' rows", d.silentFeeds},
	} {
		limited, cancel := context.WithTimeout(ctx, 2*statusPatience)
		if err := look.ask(limited, a); err != nil {
			d.add(look.check, fail, err.Error(), "see what the message says; a reader's role cannot answer everything")
		}
		cancel()
	}
	limited, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	d.expect("database takes rows", a.store.CheckWritable(limited), "yes", "it is a replica, or set read-only: name the primary")
}

func (d *doctor) versions(ctx context.Context, a *app) error {
	var postgres int
	var timescale string
	var good bool
	err := a.store.Pool().QueryRow(ctx, `SELECT current_setting('server_version_num')::integer / 10000, extversion,
		string_to_array(regexp_replace(extversion, '[^0-9.].*', ''), '.')::integer[] >= string_to_array($1, '.')::integer[]
		FROM pg_extension WHERE extname = 'timescaledb'`, bestTimescaleDB).Scan(&postgres, &timescale, &good)
	if err != nil {
		return fmt.Errorf("ask for the versions: %w", err)
	}
	verdict := fine
	if !a.store.Embedded() && (postgres < oldestPostgreSQL || !good) { // of the embedded one there is no other
		verdict = warn
	}
	d.add("versions", verdict, fmt.Sprintf("PostgreSQL %d, TimescaleDB %s", postgres, timescale),
		fmt.Sprintf("older ones can answer wrongly around aggregates: PostgreSQL %d with TimescaleDB %s or newer", oldestPostgreSQL, bestTimescaleDB))
	return nil
}

func (d *doctor) databaseClock(ctx context.Context, a *app) error {
	before := time.Now()
	var theirs time.Time
	if err := a.store.Pool().QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&theirs); err != nil {
		return fmt.Errorf("ask for the database's time: %w", err)
	}
	after := time.Now()
	skew := max(before.Sub(theirs), theirs.Sub(after), 0)
	verdict := fine
	if skew > clockSkew {
		verdict = warn
	}
	d.add("database clock", verdict, fmt.Sprintf("%s from this machine's", skew.Round(time.Millisecond)), "let NTP set both clocks")
	return nil
}

func (d *doctor) databaseSettings(ctx context.Context, a *app) error {
	var license, fsync string
	var workers, processes, jobs int
	err := a.store.Pool().QueryRow(ctx, `SELECT coalesce(current_setting('timescaledb.license', true), ''), current_setting('fsync'),
		coalesce(current_setting('timescaledb.max_background_workers', true), '0')::integer, current_setting('max_worker_processes')::integer,
		(SELECT count(*) FROM timescaledb_information.jobs)::integer`).Scan(&license, &fsync, &workers, &processes, &jobs)
	if err != nil {
		return fmt.Errorf("ask for the settings: %w", err)
	}
	verdict := fine
	if license != "timescale" {
		verdict = fail
	}
	d.add("license", verdict, "timescaledb.license = "+license, "continuous aggregates need the community edition: set timescaledb.license = 'timescale'")
	if a.store.Embedded() {
		return nil // one process, without workers; what it promises stands in docs/delivery.md
	}
	verdict = fine
	if workers < jobs+1 || processes < workers {
		verdict = warn
	}
	d.add("background workers", verdict, fmt.Sprintf("timescaledb.max_background_workers = %d, max_worker_processes = %d, for %d jobs", workers, processes, jobs),
		fmt.Sprintf("jobs wait for a free worker: set timescaledb.max_background_workers = %d and max_worker_processes = %d, and restart", jobs+8, jobs+24))
	verdict = fine
	if fsync != "on" {
		verdict = warn
	}
	d.add("durability", verdict, "fsync = "+fsync, "a power cut may ruin the database: set fsync = on")
	return nil
}

func (d *doctor) roles(ctx context.Context, a *app) error {
	var user string
	var roles int
	var writes, reads bool
	err := a.store.Pool().QueryRow(ctx, `SELECT current_user, (SELECT count(*) FROM pg_roles WHERE rolname IN ('rcas_writer', 'rcas_reader'))::integer,
		has_table_privilege('tweets', 'INSERT'), has_table_privilege('rcas_reader', 'tweets', 'SELECT')
		AND NOT has_table_privilege('rcas_reader', 'tweets', 'INSERT')`).Scan(&user, &roles, &writes, &reads)
	if err != nil {
		return fmt.Errorf("ask for the roles: %w", err)
	}
	if roles != 2 || !reads {
		d.add("roles", fail, "rcas_writer and rcas_reader are not as the migrations make them", "run rcas migrate up as a user that may create roles")
		return nil
	}
	verdict := fine
	if !writes {
		verdict = warn
	}
	d.add("roles", verdict, "this is "+user, "this user only reads: services need a member of rcas_writer")
	return nil
}

// jobs looks at what a server's scheduler tells of its last runs. The embedded database's jobs are run by rcas up, which logs their faults.
func (d *doctor) jobs(ctx context.Context, a *app) error {
	if a.store.Embedded() {
		d.add("jobs", fine, "run by the rcas that serves this database", "")
		return nil
	}
	rows, err := a.store.Pool().Query(ctx, `SELECT j.proc_name || coalesce(' of ' || j.hypertable_name, '') || ' (job ' || j.job_id || ')',
		CASE WHEN NOT j.scheduled THEN 'stopped' WHEN s.last_run_status = 'Failed' THEN coalesce('failed: ' || e.err_message, 'failed') ELSE 'late' END,
		nullif(s.last_successful_finish, '-infinity'), coalesce(e.err_message LIKE 'cannot drop portal %being set up', false),
		coalesce(e.err_message LIKE 'failed to start %', false)
		FROM timescaledb_information.jobs AS j
		LEFT JOIN timescaledb_information.job_stats AS s USING (job_id)
		LEFT JOIN LATERAL (SELECT err_message FROM timescaledb_information.job_errors WHERE job_id = j.job_id ORDER BY finish_time DESC LIMIT 1) AS e ON true
		WHERE j.job_id >= 1000 AND (s.last_run_status = 'Failed' OR NOT j.scheduled OR s.last_successful_finish > '-infinity'
			AND s.last_successful_finish < now() - 5 * j.schedule_interval - INTERVAL '10 minutes') ORDER BY j.job_id`)
	type ill struct {
		Name, Status string
		Finished     *time.Time
		Portal       bool
		Unstarted    bool
	}
	var jobs []ill
	if err == nil {
		jobs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ill])
	}
	if err != nil {
		return fmt.Errorf("ask for the jobs: %w", err)
	}
	worked, unstarted := 0, 0
	for _, j := range jobs {
		if j.Portal {
			worked++
			continue
		}
		if j.Unstarted {
			unstarted++
			continue
		}
		last := "never done"
		if j.Finished != nil {
			last = "last done " + ago(*j.Finished)
		}
		d.add("jobs", fail, fmt.Sprintf("%s: %s, %s", j.Name, j.Status, last),
			"why stands in timescaledb_information.job_errors, for the owner of the jobs; SELECT alter_job(…, scheduled => true) starts one that was stopped")
	}
	if unstarted > 0 {
		d.add("jobs", fail, fmt.Sprintf("%d found no free worker to run in when their time came", unstarted),
			"raise timescaledb.max_background_workers and max_worker_processes, which all databases of the server share, and restart it")
	}
	if worked > 0 {
		d.add("jobs", warn, fmt.Sprintf("%d do their work and are then told to have failed, so that they run less often: this TimescaleDB is older than "+
			"this PostgreSQL (cannot drop portal)", worked), "install a TimescaleDB made for this minor version of PostgreSQL")
	}
	if len(jobs) == 0 {
		d.add("jobs", fine, "all ran when they should", "")
	}
	return nil
}

// windows compares an hour of trades and of sentiments with the windows over it: the newest one that should be refreshed by now.
func (d *doctor) windows(ctx context.Context, a *app) error {
	var trades, trade, posts, post int64
	err := a.store.Pool().QueryRow(ctx, `WITH h AS (SELECT date_trunc('hour', now()) - INTERVAL '2 hours' AS lo, date_trunc('hour', now()) - INTERVAL '1 hour' AS hi)
		SELECT (SELECT count(*) FROM prices, h WHERE time >= lo AND time < hi), (SELECT coalesce(sum(trades), 0)::bigint FROM prices_1m, h WHERE bucket >= lo AND bucket < hi),
		       (SELECT count(*) FROM sentiments, h WHERE time >= lo AND time < hi), (SELECT coalesce(sum(posts), 0)::bigint FROM mood_1m, h WHERE bucket >= lo AND bucket < hi)`).
		Scan(&trades, &trade, &posts, &post)
	if err != nil {
		return fmt.Errorf("compare the windows with the rows: %w", err)
	}
	verdict := fine
	if trades != trade || posts != post {
		verdict = fail
	}
	d.add("windows", verdict, fmt.Sprintf("an hour of %s trades and %s sentiments; its windows hold %s and %s", figure.Count(trades), figure.Count(posts), figure.Count(trade), figure.Count(post)),
		"late rows are refreshed within a minute or two; where that stays so, look at the jobs, or run rcas replay of anything, which refreshes all")
	return nil
}

func (d *doctor) silentFeeds(ctx context.Context, a *app) error {
	rows, err := a.store.Pool().Query(ctx, `SELECT feed, silent_seconds FROM feed_health() WHERE live AND silent_seconds > 600`)
	type silence struct {
		Feed    string
		Seconds float64
	}
	var silences []silence
	if err == nil {
		silences, err = pgx.CollectRows(rows, pgx.RowToStructByPos[silence])
	}
	if err != nil {
		return fmt.Errorf("ask for the feeds' rows: %w", err)
	}
	for _, f := range silences {
		d.add("rows of "+f.Feed, warn, fmt.Sprintf("none stored for %s", time.Duration(f.Seconds*float64(time.Second)).Round(time.Second)),
			"is the ingestor up? Its log tells of refused connections; a source that was ended on purpose is forgotten after a week")
	}
	return nil
}
