// Package migrations holds the schema of RCAS as numbered SQL and runs it with golang-migrate.
//
// The same files serve the embedded database and a native server. They are multi-statement files run whole (no x-multi-statement,
// which breaks on semicolons in comments and $$ bodies), each in one transaction with the version that it leads to; every
// continuous aggregate is created WITH NO DATA, because a refresh cannot run inside a transaction with others.
package migrations

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	_ "github.com/golang-migrate/migrate/v4/database/pgx/v5" // the pgx5:// driver
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed *.sql
var files embed.FS

// Up migrates the database at the URL to the newest version. One process at a time may do it.
func Up(databaseURL string) error {
	if err := run(databaseURL, func(m *migrate.Migrate) error { return m.Up() }); err != nil {
		return err
	}
	return noteAllChanges(databaseURL)
}

// Down removes everything that RCAS made, with all its data.
func Down(databaseURL string) error {
	return run(databaseURL, func(m *migrate.Migrate) error { return m.Down() })
}

// Version returns the database's schema version, 0 when it has none, and whether a migration failed half-way.
func Version(databaseURL string) (version uint, dirty bool, err error) {
	err = run(databaseURL, func(m *migrate.Migrate) error {
		version, dirty, err = m.Version()
		if errors.Is(err, migrate.ErrNilVersion) {
			return nil
		}
		return err
	})
	return version, dirty, err
}

// Hash names what [Up] leads to: 16 hexadecimal digits that change with any of these files.
func Hash() (string, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	io.WriteString(hash, notedUntil)
	for _, e := range entries {
		content, err := files.ReadFile(e.Name())
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", e.Name(), len(content), content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// Latest is the newest version that these files lead to.
func Latest() (uint, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return 0, err
	}
	var latest uint
	for _, e := range entries {
		var n uint
		if _, err := fmt.Sscanf(e.Name(), "%d_", &n); err == nil {
			latest = max(latest, n)
		}
	}
	return latest, nil
}

func run(databaseURL string, do func(*migrate.Migrate) error) (err error) {
	source, err := iofs.New(files, ".")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	target, err := driverURL(databaseURL)
	if err != nil {
		return err
	}
	driver, err := database.Open(target)
	if err != nil {
		return fmt.Errorf("connect to the database for migration: %w", err)
	}
	m, err := migrate.NewWithInstance("iofs", source, "pgx5", &whole{Driver: driver})
	if err != nil {
		return fmt.Errorf("connect to the database for migration: %w", errors.Join(err, driver.Close()))
	}
	defer func() {
		sourceErr, databaseErr := m.Close()
		err = errors.Join(err, sourceErr, databaseErr)
	}()
	if err := do(m); err != nil && !errors.Is(err, migrate.ErrNoChange) {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// notedUntil is later than any row.
const notedUntil = "2200-01-01"

// noteAllChanges has every change of the rows below a window noted for the window's next refresh, whenever they are of.
//
// TimescaleDB leaves out changes of what is newer than any refresh has reached so far, for the one that reaches there reads all of it. But a refresh
// moves that border while others write: a transaction that has looked at the border before it moved, and becomes visible after the refresh
// has read (within the milliseconds in which it commits), is in no window, and no later refresh makes good for it (seen in TimescaleDB 2.29; since
// 2.12 the lock that both take on the border no longer excludes each other). So the border is put where nobody writes, by a refresh of the empty
// days before it. It costs a row in the log of changes for each transaction.
func noteAllChanges(databaseURL string) (err error) {
	ctx := context.Background()
	target, err := withSearchPath(databaseURL)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, target.String())
	if err != nil {
		return fmt.Errorf("connect to the database for migration: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, `
		SELECT format('%I.%I', c.user_view_schema, c.user_view_name)
		FROM _timescaledb_catalog.continuous_agg AS c
		JOIN _timescaledb_catalog.continuous_aggs_invalidation_threshold AS t ON t.hypertable_id = c.raw_hypertable_id
		WHERE c.user_view_schema = 'public' AND t.watermark < _timescaledb_functions.to_unix_microseconds($1::timestamptz) ORDER BY c.mat_hypertable_id`, notedUntil)
	if err != nil {
		return fmt.Errorf("look how far the windows' changes are noted: %w", err)
	}
	windows, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look how far the windows' changes are noted: %w", err)
	}
	for _, window := range windows {
		if _, err := conn.Exec(ctx, `CALL refresh_continuous_aggregate($1::regclass, $2::timestamptz - INTERVAL '3 days', $2::timestamptz)`,
			pgx.QueryExecModeSimpleProtocol, window, notedUntil); err != nil {
			return fmt.Errorf("have all changes below %s noted: %w", window, err)
		}
	}
	return nil
}

// whole is a driver that changes schema and version in one transaction. golang-migrate writes "dirty" before a migration and the version
// after it, so that a process killed in between would leave a database that only a person can repair.
type whole struct {
	database.Driver
	version int  // that the migration about to run leads to
	done    bool // it ran, and has set the version
}

// SetVersion implements [database.Driver].
func (w *whole) SetVersion(version int, dirty bool) error {
	if dirty {
		w.version, w.done = version, false
		return nil
	}
	if w.done && version == w.version {
		return nil
	}
	return w.Driver.SetVersion(version, false)
}

// Run implements [database.Driver]. Statements that are sent together are one transaction, which is tried again where it only met a job of
// the database's own: those of windows that a migration makes anew begin as soon as an earlier one has made them.
func (w *whole) Run(migration io.Reader) error {
	sql, err := io.ReadAll(migration)
	if err != nil {
		return fmt.Errorf("read the migration to version %d: %w", w.version, err)
	}
	sql = append(sql, "\n;TRUNCATE schema_migrations"...)
	if w.version >= 0 {
		sql = fmt.Appendf(sql, "; INSERT INTO schema_migrations (version, dirty) VALUES (%d, false)", w.version)
	}
	for range attempts {
		if err = w.Driver.Run(bytes.NewReader(sql)); !isCollision(err) {
			break
		}
	}
	w.done = err == nil
	if failed, ok := errors.AsType[database.Error](err); ok { // whose own text is the whole file
		return fmt.Errorf("to version %d, line %d: %w", w.version, failed.Line, failed.OrigErr)
	}
	return err
}

// attempts of a migration that meets the database's own jobs.
const attempts = 5

// isCollision tells of a deadlock, and of a catalogue's row that another transaction has changed first, for which PostgreSQL has no code of its own.
func isCollision(err error) bool {
	failed, ok := errors.AsType[database.Error](err)
	if !ok {
		return false
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](failed.OrigErr)
	return ok && (pgErr.Code == "40P01" || strings.HasPrefix(pgErr.Message, "tuple concurrently "))
}

// SearchPath is the search_path that RCAS works with, unless the database's URL says otherwise. PostgreSQL's own default begins with the schema
// that bears the user's name, and RCAS has a schema rcas for what is not public: for a user rcas, tables would be made and looked for there.
const SearchPath = "public"

// driverURL turns a PostgreSQL URL into the one of golang-migrate's pgx driver.
func driverURL(databaseURL string) (string, error) {
	u, err := withSearchPath(databaseURL)
	if err != nil {
		return "", err
	}
	u.Scheme = "pgx5"
	return u.String(), nil
}

func withSearchPath(databaseURL string) (*url.URL, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("the database URL is not a URL (postgres://user:password@host:port/database)")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, fmt.Errorf("the database URL begins with %q; it must begin with postgres://", strings.TrimSpace(u.Scheme))
	}
	if q := u.Query(); !q.Has("search_path") {
		q.Set("search_path", SearchPath)
		u.RawQuery = q.Encode()
	}
	return u, nil
}
