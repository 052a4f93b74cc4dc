package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"rcas/catalog"
)

// Config says who is let in, and how much they may ask.
type Config struct {
	// DB reads as rcas_reader.
	DB *pgxpool.Pool
	// Tokens are the bearer tokens that are let in. Empty: everybody who reaches the address, which then must be a loopback one.
	Tokens []string
	// Origin is the one web origin whose pages may read answers (CORS); "" for none.
	Origin string
	// Rows bounds one answer. Zero: 200,000.
	Rows int
	// Time bounds the work on one answer. Zero: 30 s.
	Time time.Duration
	// Rate bounds the questions a second of one address, above a burst of five times as many. Zero: none.
	Rate float64
	// Live bounds the streams of events at one time. Zero: 64.
	Live int
	// Also are further handlers, behind the same door.
	Also map[string]http.Handler
	Log  *slog.Logger
}

// Server answers. It implements [http.Handler].
type Server struct {
	cfg     Config
	guard   *guard
	live    chan struct{} // a place for each stream of events
	crowd   crowd
	handler http.Handler
	now     func() time.Time

	// known is the catalogue, read again when it is older than catalogAge.
	known atomic.Pointer[knownCatalog]
}

type knownCatalog struct {
	catalog.Catalog
	at time.Time
}

const catalogAge = time.Minute

// New returns a server.
func New(cfg Config) *Server {
	if cfg.Rows == 0 {
		cfg.Rows = 200_000
	}
	if cfg.Time == 0 {
		cfg.Time = 30 * time.Second
	}
	if cfg.Live == 0 {
		cfg.Live = 64
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, guard: newGuard(cfg), live: make(chan struct{}, cfg.Live), crowd: crowd{waiting: map[string]*shared{}}, now: time.Now}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /v1/{$}", s.list)
	mux.HandleFunc("GET /v1/openapi.json", s.openAPI)
	mux.HandleFunc("GET /v1/{name}", s.ask)
	mux.HandleFunc("GET /v1/live/{name}", s.follow)
	for pattern, handler := range cfg.Also {
		mux.Handle(pattern, handler)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			newProblem(http.StatusMethodNotAllowed, "this door only reads: use GET").write(w)
			return
		}
		newProblem(http.StatusNotFound, "there is nothing here: /v1/ lists what can be asked").write(w)
	})
	s.handler = s.guard.protect(mux)
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Serve listens on an address (host:port) until ctx ends, and tells where by ready.
func (s *Server) Serve(ctx context.Context, address string, ready func(address net.Addr)) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serve questions: %w", err)
	}
	if len(s.cfg.Tokens) == 0 && !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		_ = listener.Close()
		return fmt.Errorf("others reach %s: set RCAS_API_TOKEN, which they must show, or listen on 127.0.0.1", listener.Addr())
	}
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close()
		}
	}()
	ready(listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve questions: %w", err)
	}
	<-stopped
	return nil
}

// catalog is what can be asked now: a migration may have added to it.
func (s *Server) catalog(ctx context.Context) (catalog.Catalog, error) {
	have := s.known.Load()
	if have != nil && s.now().Sub(have.at) < catalogAge {
		return have.Catalog, nil
	}
	fresh, err := catalog.Read(ctx, s.cfg.DB)
	if err != nil {
		return nil, err
	}
	s.known.Store(&knownCatalog{fresh, s.now()})
	return fresh, nil
}
