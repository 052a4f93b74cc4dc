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
		mux.HandleFunc("/"+kind+"/{$}", take)
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
	if r.Method != http.MethodPost && r.Method != http.MethodPut { // some shippers only know one of them
		w.Header().Set("Allow", "POST, PUT")
		refuse(w, http.StatusMethodNotAllowed, "send lines by POST")
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
	lines, err := body(r, http.MaxBytesReader(w, r.Body, d.cfg.MaxBody), d.cfg.MaxBody)
	var answer Answer
	if err == nil {
		defer lines.Close()
		answer, err = d.take(kind, r.PathValue("name"), lines)
	}
	status := http.StatusOK
	if err != nil {
		status, answer.Error = explain(err)
	}
	if errors.Is(err, errNoLine) {
		if way := otherForm(r.Header.Get("Content-Type")); way != "" {
			status, answer.Error = http.StatusUnsupportedMediaType, way
		}
	}
	write(w, status, answer)
}

// otherForm says what to do about a body in which nothing can be read, and that is said to be of a known other form; "" where it is not.
func otherForm(contentType string) string {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	for form, way := range map[string]string{
		"msgpack": "it is said to be MessagePack; send JSON (in Fluent Bit: format json)", "protobuf": "it is said to be Protocol Buffers; send JSON",
		"snappy": "it is said to be Snappy; send JSON", "x-www-form-urlencoded": "it is encoded as a form; send the file as it is (curl --data-binary @FILE)",
		"xml": "it is said to be XML; send JSON", "csv": "it is said to be CSV; send JSON, or read the file with rcas replay",
	} {
		if strings.Contains(kind, form) {
			return "no line of it can be read: " + way
		}
	}
	return ""
}

// explain returns the status of an error of take, and what to tell about it.
func explain(err error) (status int, text string) {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	const taken = "; what came before is taken, as counted here. Send it again in smaller parts: what comes twice is stored once"
	const again = "; what came before is taken, as counted here. Send all of it again: what comes twice is stored once"
	switch {
	case errors.Is(err, errSink):
		return http.StatusServiceUnavailable, errSink.Error()
	case tooLarge:
		return http.StatusRequestEntityTooLarge, "the body is too large" + taken
	case errors.Is(err, errUnpacked):
		return http.StatusRequestEntityTooLarge, errUnpacked.Error() + taken
	case errors.Is(err, errEncoding):
		return http.StatusUnsupportedMediaType, err.Error()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, "the body came too slowly" + again
	case errors.Is(err, errBadName), errors.Is(err, errNothing), errors.Is(err, errNoLine):
		return http.StatusBadRequest, err.Error()
	}
	return http.StatusBadRequest, "the body broke off (" + err.Error() + ")" + again
}

func refuse(w http.ResponseWriter, status int, text string) { write(w, status, Answer{Error: text}) }

func write(w http.ResponseWriter, status int, answer Answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // who sent the request may be gone
}
