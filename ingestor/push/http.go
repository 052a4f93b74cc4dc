package push

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// serveHTTP serves until ctx ends and what is under way is answered.
func (d *desk) serveHTTP(ctx context.Context) {
	server := &http.Server{
		Handler: d.handler(), MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(d.cfg.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: min(10*time.Second, d.cfg.Timeout), ReadTimeout: d.cfg.Timeout, IdleTimeout: 2 * time.Minute,
		WriteTimeout: d.cfg.Timeout + time.Minute, // counted from the request's header: time to store what was read
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.Grace)
		defer cancel()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
	}()
	if err := server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		d.fail(fmt.Errorf("serve HTTP on %s: %w", d.Addr(), err))
	}
	<-stopped
}

// handler answers all requests.
func (d *desk) handler() http.Handler {
	mux := http.NewServeMux()
	for _, kind := range []string{posts, prices} {
		take := func(w http.ResponseWriter, r *http.Request) { d.post(w, r, kind) }
		mux.HandleFunc("/"+kind, take)
		mux.HandleFunc("/"+kind+"/{name}", take)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "there are /posts, /posts/SOURCE, /prices and /prices/VENUE")
	})
	return d.guard(mux)
}

// guard refuses who may not send.
func (d *desk) guard(next http.Handler) http.Handler {
	pages := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case d.cfg.Token == "" && !isLoopback(hostname(r.Host)):
			// A page may have its own name point here, and so send to this address from its own origin.
			refuse(w, http.StatusForbidden, "without a token, requests must name a loopback address as their host")
		case pages.Check(r) != nil:
			refuse(w, http.StatusForbidden, "requests of web pages are refused")
		case d.cfg.Token != "" && !d.authorised(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="rcas"`)
			refuse(w, http.StatusUnauthorized, "send the token of RCAS_PUSH_TOKEN as Authorization: Bearer TOKEN")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// authorised compares in constant time; hashed, so that not even the token's length shows.
func (d *desk) authorised(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], d.token[:]) == 1
}

// post takes the lines of a request.
func (d *desk) post(w http.ResponseWriter, r *http.Request, kind string) {
	switch encoding := r.Header.Get("Content-Encoding"); {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "send lines by POST")
		return
	case encoding != "" && encoding != "identity":
		refuse(w, http.StatusUnsupportedMediaType, "send the lines uncompressed")
		return
	}
	select {
	case d.busy <- struct{}{}:
		defer func() { <-d.busy }()
	default:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "too many requests at once; send it again")
		return
	}
	answer, err := d.take(kind, r.PathValue("name"), http.MaxBytesReader(w, r.Body, d.cfg.MaxBody))
	status := http.StatusOK
	if err != nil {
		status, answer.Error = explain(err)
	}
	write(w, status, answer)
}

// explain returns the status of an error of take, and what to tell about it.
func explain(err error) (status int, text string) {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	const taken = "; what is counted here was taken, send the rest in smaller parts"
	switch {
	case errors.Is(err, errSink):
		return http.StatusServiceUnavailable, errSink.Error()
	case tooLarge:
		return http.StatusRequestEntityTooLarge, "the body is too large" + taken
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, "the body came too slowly" + taken
	case errors.Is(err, errBadName), errors.Is(err, errNothing), errors.Is(err, errNoLine):
		return http.StatusBadRequest, err.Error()
	}
	return http.StatusBadRequest, "the body broke off (" + err.Error() + ")" + taken
}

func refuse(w http.ResponseWriter, status int, text string) { write(w, status, Answer{Error: text}) }

func write(w http.ResponseWriter, status int, answer Answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // who sent the request may be gone
}
