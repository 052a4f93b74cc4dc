package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"rcas/migrations"
	"rcas/store/embedded"
	"rcas/telemetry"
)

// Config says where the database is.
type Config struct {
	// URL of a PostgreSQL server with TimescaleDB. Empty: the embedded database, in Dir.
	URL string
	// Dir is the embedded database's directory; empty: a temporary one, gone with Close.
	Dir string
	// Template is the directory of an embedded database of which a new Dir becomes a copy; empty: none.
	Template string
	// Embedded says that the URL is that of an embedded database which another process serves.
	Embedded bool
	// Metrics may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
}

// Store is an open database. Safe for concurrent use.
type Store struct {
	pool     *pgxpool.Pool
	server   *embedded.Server // nil unless this process serves the embedded database
	embedded bool
	url      string
	metrics  *telemetry.Metrics
	log      *slog.Logger

	tweetsAgain, sentimentsAgain, pricesAgain again
	scoring                                   sync.Mutex // held while sentiments are added
	loud                                      loud
}

// Open connects to the database, starting the embedded one when no URL is given. It does not migrate.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{url: cfg.URL, embedded: cfg.Embedded, metrics: cfg.Metrics, log: cfg.Log}
	if cfg.URL == "" {
		server, err := embedded.Start(ctx, embedded.Config{Dir: cfg.Dir, Template: cfg.Template, Log: cfg.Log})
		if err != nil {
			return nil, err
		}
		s.server, s.embedded, s.url = server, true, server.URL()
	}
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context) error {
	config, err := pgxpool.ParseConfig(s.url)
	if err != nil {
		// pgx's own error repeats the URL; it redacts the password where it can parse it, and this is where it can't.
		return errors.New("the database URL does not parse; it should look like postgres://user:password@host:5432/database")
	}
	config.ConnConfig.RuntimeParams["application_name"] = "rcas"
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if config.ConnConfig.RuntimeParams["search_path"] == "" {
		config.ConnConfig.RuntimeParams["search_path"] = migrations.SearchPath
	}
	// PostgreSQL would compile a batch's statement anew each time, which takes as long as running it. (The embedded database cannot.)
	if config.ConnConfig.RuntimeParams["jit"] == "" && !s.embedded {
		config.ConnConfig.RuntimeParams["jit"] = "off"
	}
	if s.embedded {
		// One backend serves all sessions there: names of prepared statements would be shared.
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	config.AfterConnect = useArrayCodec
	config.ConnConfig.DialFunc = dial
	config.ConnConfig.Tracer = renewer{reset: func() { s.pool.Reset() }}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.pool.Ping(ctx); err != nil && s.server != nil {
		return fmt.Errorf("reach the embedded database; the log says what it complains of, and if its files are damaged, put back a backup of the "+
			"data directory: %w", err)
	} else if err != nil && s.embedded {
		return fmt.Errorf("reach the embedded database; the rcas that serves it is ending, or has so much to store that nobody else comes to a turn: try again: %w", err)
	} else if refused, ok := errors.AsType[*pgconn.PgError](err); ok && strings.HasPrefix(refused.Code, "28") {
		return fmt.Errorf("the database refuses the user or the password of RCAS_DATABASE_URL (or RCAS_DATABASE_PASSWORD): %w", err)
	} else if ok && refused.Code == codeNoDatabase {
		return fmt.Errorf("the server of RCAS_DATABASE_URL has no such database; create it, or name another: %w", err)
	} else if err != nil {
		return fmt.Errorf("reach the database; is the server of RCAS_DATABASE_URL up? %w", err)
	}
	warnings, err := s.CheckServer(ctx)
	for _, w := range warnings {
		s.log.Warn(w)
	}
	return err
}

// Pool gives ad hoc SQL a connection.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// URL is where psql and Grafana reach the database. It may hold a password: never log it.
func (s *Store) URL() string { return s.url }

// Embedded tells whether the database is the embedded one.
func (s *Store) Embedded() bool { return s.embedded }

// Serving tells whether this process serves the embedded database.
func (s *Store) Serving() bool { return s.server != nil }

// SocketDir is the directory of the unix socket of the embedded database, which is what clients take as host; "" elsewhere.
func (s *Store) SocketDir() string {
	u, err := url.Parse(s.url)
	if err != nil || !s.embedded {
		return ""
	}
	return u.Query().Get("host")
}

// Empty tells whether RCAS was never here: there is no schema, and nothing to lose by making one.
func (s *Store) Empty(ctx context.Context) bool {
	version, _, err := s.version(ctx)
	return err == nil && version == 0
}

// version is that of the schema, and whether a migration to it failed half-way; 0 where there is none.
func (s *Store) version(ctx context.Context) (version uint, dirty bool, err error) {
	err = s.pool.QueryRow(ctx, `SELECT version, dirty FROM schema_migrations`).Scan(&version, &dirty)
	failure, ok := errors.AsType[*pgconn.PgError](err)
	if errors.Is(err, pgx.ErrNoRows) || ok && failure.Code == codeNoTable {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("ask for the version of the database's schema: %w", err)
	}
	return version, dirty, nil
}

// Migrate brings the schema to the newest version.
func (s *Store) Migrate() error { return migrations.Up(s.url) }

// CheckSchema returns an error that says what to do when the schema is not the one this program needs.
func (s *Store) CheckSchema(ctx context.Context) error {
	version, dirty, err := s.version(ctx)
	if err != nil {
		return err
	}
	latest, err := migrations.Latest()
	switch {
	case err != nil:
		return err
	case dirty:
		return fmt.Errorf("migration %d of the database failed half-way; mend what it says, then run rcas migrate up", version)
	case version == 0:
		return errors.New("the database holds nothing of rcas yet, or is another one than was meant; rcas migrate up makes the schema, as does the first rcas up")
	case version < latest:
		return fmt.Errorf("the database's schema is version %d and this rcas needs %d; run rcas migrate up", version, latest)
	case version > latest:
		return fmt.Errorf("the database's schema is version %d and this rcas knows only %d; run a newer rcas", version, latest)
	}
	return nil
}

// CheckSchemaStays is [Store.CheckSchema] for a process that works: a newer rcas may change the schema at any time, and what this one would
// write then is not what the newer one expects.
func (s *Store) CheckSchemaStays(ctx context.Context) error {
	latest, err := migrations.Latest()
	if err != nil {
		return err
	}
	var version uint
	if err := s.pool.QueryRow(ctx, `SELECT version FROM schema_migrations`).Scan(&version); err != nil {
		return nil // the database is away, which others tell
	}
	if version != latest {
		return fmt.Errorf("the database's schema has become version %d and this rcas works with %d; run the rcas that changed it", version, latest)
	}
	return nil
}

// Ended tells why the embedded database that this process serves has ended for good, or nil while it runs. Only a new process helps.
func (s *Store) Ended() error {
	if s.server == nil {
		return nil
	}
	return s.server.Err()
}

// CheckWritable asks the database whether it takes rows now.
func (s *Store) CheckWritable(ctx context.Context) error {
	var readOnly bool
	if err := s.pool.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::boolean`).Scan(&readOnly); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	if readOnly {
		return errors.New("the database is read-only")
	}
	return nil
}

// Close ends all connections and stops the embedded database. Closing twice is fine.
func (s *Store) Close() error {
	if s.pool != nil {
		s.pool.Close()
	}
	if s.server != nil {
		return s.server.Close()
	}
	return nil
}
