package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// guard stands before every question.
type guard struct {
	tokens [][sha256.Size]byte
	origin string
	rate   rate.Limit

	mu sync.Mutex
	// callers are the limits of those who asked lately.
	callers map[string]*rate.Limiter
}

// manyCallers bounds what is remembered; beyond it, all begin anew.
const manyCallers = 10_000

func newGuard(cfg Config) *guard {
	g := &guard{origin: cfg.Origin, rate: rate.Limit(cfg.Rate), callers: map[string]*rate.Limiter{}}
	for _, token := range cfg.Tokens {
		g.tokens = append(g.tokens, sha256.Sum256([]byte(token)))
	}
	return g
}

// protect lets in who may come in.
func (g *guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		if g.origin != "" {
			header.Add("Vary", "Origin")
			if r.Header.Get("Origin") == g.origin {
				header.Set("Access-Control-Allow-Origin", g.origin)
				header.Set("Access-Control-Expose-Headers", "ETag, Retry-After")
			}
			if r.Method == http.MethodOptions { // browsers send no token with it
				header.Set("Access-Control-Allow-Headers", "Authorization, If-None-Match")
				header.Set("Access-Control-Allow-Methods", "GET")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		if p := g.refuse(r); p != nil {
			if p.Status == http.StatusUnauthorized {
				header.Set("WWW-Authenticate", `Bearer realm="rcas"`)
			}
			p.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *guard) refuse(r *http.Request) *problem {
	if len(g.tokens) == 0 && !localHost(r.Host) {
		// A page elsewhere may have pointed a name of its own at this machine (DNS rebinding).
		return newProblem(http.StatusForbidden, "without a token this answers to 127.0.0.1 and localhost only, whatever other names the machine has")
	}
	if len(g.tokens) > 0 && !g.known(r.Header.Get("Authorization")) {
		return newProblem(http.StatusUnauthorized, "send the header Authorization: Bearer TOKEN, with a token of RCAS_API_TOKEN")
	}
	if g.rate > 0 && !g.limiter(r).Allow() {
		p := newProblem(http.StatusTooManyRequests, "these are more questions a second than one address may ask")
		p.retryAfter = 1
		return p
	}
	return nil
}

func (g *guard) known(authorization string) bool {
	token, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok {
		return false
	}
	sum, found := sha256.Sum256([]byte(token)), 0
	for _, want := range g.tokens {
		found |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	return found == 1
}

func (g *guard) limiter(r *http.Request) *rate.Limiter {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter := g.callers[host]
	if limiter == nil {
		if len(g.callers) >= manyCallers {
			clear(g.callers)
		}
		limiter = rate.NewLimiter(g.rate, max(1, int(5*g.rate)))
		g.callers[host] = limiter
	}
	return limiter
}

// localHost tells whether the name by which the server was reached is one that only this machine can mean.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
