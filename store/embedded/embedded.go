package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// socketName is where PostgreSQL's clients look for port 5432 in a directory.
	socketName = ".s.PGSQL.5432"
	// maxSocketPath is the longest path of a unix socket that every system takes (macOS: 104 bytes with the final zero).
	maxSocketPath = 103
	// stopTimeout is how long an orderly stop may take before the process is killed. Nothing is lost by that.
	stopTimeout = 20 * time.Second

	defaultDeadline          = 10 * time.Minute
	defaultIdleInTransaction = time.Minute
)

// Config says where the database lives and what it allows its clients.
type Config struct {
	// Dir is the directory that holds the database and its lock; it is made if it does not exist, and only one Server at a time
	// may use it. Empty means a temporary directory, removed by Close.
	Dir string
	// Template is the Dir of a Server closed earlier, of which a new Dir becomes a copy. Empty means an empty database with the
	// timescaledb extension.
	Template string
	// Deadline is the longest time that one statement may hold the database. A statement that runs longer ends the process, which
	// then starts anew; every connection breaks. Zero means 10 minutes.
	Deadline time.Duration
	// IdleInTransaction is how long a client may hold the database in an open transaction without a word before it is
	// disconnected and rolled back. Zero means one minute.
	IdleInTransaction time.Duration
	// Log takes the starts, crashes and ends of the process. Nil means no log.
	Log *slog.Logger
}

// Server is a running embedded database.
type Server struct {
	config    Config
	install   string // where the server's JavaScript is
	dir       string
	socketDir string
	lock      *os.File
	listener  *net.UnixListener

	stopping  chan struct{} // closed by the first Close
	closeOnce sync.Once
	done      chan struct{} // closed when the process has ended for good
	err       error         // why, if nobody asked for it; set before done is closed
}

// Start runs an embedded database and returns once it takes connections. The first start on a machine installs the database
// (see [Install]). ctx bounds the start only; Close ends the server.
func Start(ctx context.Context, config Config) (*Server, error) {
	install, err := Install(ctx)
	if err != nil {
		return nil, err
	}
	config.Deadline = cmp.Or(config.Deadline, defaultDeadline)
	config.IdleInTransaction = cmp.Or(config.IdleInTransaction, defaultIdleInTransaction)
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: config, install: install, stopping: make(chan struct{}), done: make(chan struct{})}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the embedded database: %w", err), s.cleanUp())
	}
	ready := make(chan error, 1)
	go s.supervise(ready)
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the embedded database: %w", err), s.Close())
	}
	return s, nil
}

// prepare makes and locks the directory, fills it if it is new, and listens.
func (s *Server) prepare(ctx context.Context) (err error) {
	s.dir = s.config.Dir
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "rcas-"); err != nil {
			return err
		}
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	if err = os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if s.lock, err = lockDir(ctx, s.dir); err != nil {
		return err
	}
	if err = os.Chmod(s.dir, 0o700); err != nil {
		return err
	}
	template := filepath.Join(s.install, templateName)
	if s.config.Template != "" {
		template = filepath.Join(s.config.Template, dataName)
	}
	if err = copyOnce(filepath.Join(s.dir, dataName), template); err != nil {
		return err
	}
	return s.listen()
}

// listen opens the socket. It stays open while the process restarts, so that clients wait instead of being refused.
func (s *Server) listen() (err error) {
	s.socketDir = s.dir
	if len(filepath.Join(s.dir, socketName)) > maxSocketPath {
		if s.socketDir, err = os.MkdirTemp("/tmp", "rcas-"); err != nil {
			return err
		}
	}
	path := filepath.Join(s.socketDir, socketName)
	if err = os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if s.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
		return err
	}
	return os.Chmod(path, 0o600)
}

// URL returns the address of the database for pgx, psql and every other client that takes a unix socket's directory as host.
func (s *Server) URL() string {
	query := url.Values{"host": {s.socketDir}, "port": {"5432"}}
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: query.Encode()}).String()
}

// Done is closed when the database has ended, by Close or because it could not be started anew.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns why the database has ended, or nil while it runs and after Close.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close writes a checkpoint, stops the database and frees its directory. Closing twice is fine.
func (s *Server) Close() error {
	var err error
	s.closeOnce.Do(func() {
		close(s.stopping)
		<-s.done
		err = s.cleanUp()
	})
	<-s.done
	return err
}

func (s *Server) cleanUp() error {
	var errs []error
	if s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	if s.socketDir != "" && s.socketDir != s.dir {
		errs = append(errs, os.RemoveAll(s.socketDir))
	}
	if s.config.Dir == "" && s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
