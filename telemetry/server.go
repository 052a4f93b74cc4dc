package telemetry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one check. What does not answer within it is not ready, whatever the reason.
const checkTimeout = 3 * time.Second

// Check is one question of /healthz or /readyz.
type Check struct {
	Name string
	// Ask returns what is wrong, or nil. It is given a few seconds.
	Ask func(ctx context.Context) error
}

// Checks say when a process is well.
type Checks struct {
	// Live ones fail when only a restart helps. /healthz makes them.
	Live []Check
	// Ready ones fail when the process cannot do its work now. /readyz makes them, beside those of Live; faults that last count as well.
	Ready []Check
}

// Server serves /metrics, /healthz, /readyz and, on a loopback address, /debug/pprof/.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Listen serves on an address (host:port) until Close.
func Listen(address string, m *Metrics, checks Checks) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, EnableOpenMetrics: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { m.answer(w, r, checks.Live) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		m.answer(w, r, append(slices.Concat(checks.Live, checks.Ready), Check{Name: "faults", Ask: m.lastingFault}))
	})
	var handler http.Handler = mux
	if listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		handler = forLoopback(mux)
	}
	s := &Server{listener: listener, http: &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}}
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

// forLoopback refuses requests by a name that is not this machine's: a page in a browser here may have had its own name point to us.
func forLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if host != "localhost" && net.ParseIP(host) == nil {
			http.Error(w, "ask by address or as localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// URL is where the server is reached from this machine.
func (s *Server) URL() string {
	at := s.listener.Addr().(*net.TCPAddr)
	if at.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", at.Port)
	}
	return "http://" + at.String()
}

// Close ends it at once.
func (s *Server) Close() error { return s.http.Close() }

// answer makes all checks at the same time and writes a line for each. The status is 200 when all passed, else 503.
func (m *Metrics) answer(w http.ResponseWriter, r *http.Request, checks []Check) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	failures := make([]error, len(checks))
	var wait sync.WaitGroup
	for i, check := range checks {
		wait.Go(func() { failures[i] = ask(ctx, check) })
	}
	wait.Wait()
	var body strings.Builder
	status := http.StatusOK
	for i, check := range checks {
		if failures[i] != nil {
			status = http.StatusServiceUnavailable
			m.ready.WithLabelValues(check.Name).Set(0)
			fmt.Fprintf(&body, "fail %s: %s\n", check.Name, strings.Join(strings.Fields(failures[i].Error()), " "))
			continue
		}
		m.ready.WithLabelValues(check.Name).Set(1)
		fmt.Fprintf(&body, "ok %s\n", check.Name)
	}
	if len(checks) == 0 {
		body.WriteString("ok\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body.String()))
}

// ask waits for a check no longer than its context lasts, even where the check does not heed it.
func ask(ctx context.Context, check Check) error {
	answered := make(chan error, 1)
	go func() { answered <- check.Ask(ctx) }()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer within %s", checkTimeout)
	}
}

// lastingFault tells of what has been failing for minutes.
func (m *Metrics) lastingFault(context.Context) error {
	for _, f := range m.Faults() {
		if time.Since(f.Since) >= lasting {
			return fmt.Errorf("%s, since %s: %s", f.Name, f.Since.UTC().Format(time.DateTime), f.Error)
		}
	}
	return nil
}
