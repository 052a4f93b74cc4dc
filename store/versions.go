package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Floor is the oldest server that RCAS is right on: PostgreSQL 16 with TimescaleDB 2.29.2.
const Floor = "PostgreSQL 16 with TimescaleDB 2.29.2"

// release is a version of TimescaleDB.
type release struct{ major, minor, patch int }

func (r release) before(o release) bool {
	return r.major < o.major || r.major == o.major && (r.minor < o.minor || r.minor == o.minor && r.patch < o.patch)
}

func (r release) String() string { return fmt.Sprintf("%d.%d.%d", r.major, r.minor, r.patch) }

// Faults of TimescaleDB that touch RCAS, from its change log and issues: in versions before one, and since one where that is known.
var (
	losing = []fault{
		{before: release{2, 26, 3}, says: "refreshes at the same time leave gaps or duplicates in windows (timescaledb issue 9571)"},
	}
	lying = []fault{
		{since: release{2, 28, 0}, before: release{2, 29, 0}, says: "a bucket may stay stale after two refreshes at once (issues 10219, 10221)"},
		{before: release{2, 29, 2}, says: "DISTINCT over partly compressed chunks may leave rows out (issues 10421, 10447)"},
	}
)

type fault struct {
	since, before release
	says          string
}

func (f fault) in(r release) bool { return r.before(f.before) && !r.before(f.since) }

// checkServer refuses a server whose version loses data, or has no continuous aggregates, and returns what else is known to be wrong with it.
func checkServer(postgres int, timescale, license string) (warnings []string, err error) {
	var r release
	if _, scanErr := fmt.Sscanf(timescale, "%d.%d.%d", &r.major, &r.minor, &r.patch); scanErr != nil {
		if _, scanErr = fmt.Sscanf(timescale, "%d.%d", &r.major, &r.minor); scanErr != nil {
			return nil, fmt.Errorf("the server has no TimescaleDB that RCAS could use; it needs %s", Floor)
		}
	}
	if license == "apache" {
		return nil, errors.New("the server's TimescaleDB is the Apache edition, which has no continuous aggregates; install the community edition")
	}
	for _, f := range losing {
		if f.in(r) {
			return nil, fmt.Errorf("TimescaleDB %s loses data: %s; install 2.29.2 or newer", r, f.says)
		}
	}
	for _, f := range lying {
		if f.in(r) {
			warnings = append(warnings, fmt.Sprintf("TimescaleDB %s answers wrongly at times: %s; install 2.29.2 or newer", r, f.says))
		}
	}
	if postgres < 160000 {
		warnings = append(warnings, fmt.Sprintf("PostgreSQL %d gets no fixes of TimescaleDB any more; RCAS wants %s", postgres/10000, Floor))
	}
	return warnings, nil
}

// CheckServer returns an error that says what to do when the database's server is too old to be trusted with data, and warnings about what
// is known to be wrong with it. The embedded database passes, by whatever address it is reached: with one session at a time, the known faults
// cannot happen.
func (s *Store) CheckServer(ctx context.Context) (warnings []string, err error) {
	if s.embedded {
		return nil, nil
	}
	var postgres int
	var timescale, license string
	var wasm bool
	err = s.pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::integer,
		coalesce((SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'timescaledb'), ''),
		coalesce(current_setting('timescaledb.license', true), ''), version() LIKE '%Emscripten%'`, pgx.QueryExecModeExec).
		Scan(&postgres, &timescale, &license, &wasm)
	if err != nil {
		return nil, fmt.Errorf("ask the database for its version: %w", err)
	}
	if wasm {
		return nil, nil
	}
	return checkServer(postgres, timescale, license)
}
