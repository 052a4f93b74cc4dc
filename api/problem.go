package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"rcas/catalog"
	"rcas/dataset"
)

// problem is an error as RFC 9457 has it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`

	retryAfter int // seconds
}

func newProblem(status int, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

func (p *problem) write(w http.ResponseWriter) {
	header := w.Header()
	for _, name := range []string{"ETag", "Cache-Control", "Content-Disposition"} {
		header.Del(name)
	}
	header.Set("Content-Type", "application/problem+json")
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // who has gone needs no answer
}

// problemOf tells what an error means for whoever asked. What is not theirs to mend is told in general words, and logged.
func problemOf(err error) *problem {
	if text, theirs := catalog.Explain(err); theirs {
		return newProblem(http.StatusBadRequest, text)
	}
	if many, ok := errors.AsType[*dataset.ErrTooMany](err); ok {
		return newProblem(http.StatusBadRequest, many.Error())
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return problemOfDatabase(pg)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return tooSlow()
	}
	p := newProblem(http.StatusServiceUnavailable, "the database does not answer; ask again in a moment")
	p.retryAfter = 5
	return p
}

// problemOfDatabase reads the SQLSTATEs of what is not about values.
func problemOfDatabase(pg *pgconn.PgError) *problem {
	switch class := pg.Code[:min(2, len(pg.Code))]; {
	case pg.Code == "57014":
		return tooSlow()
	case class == "08" || class == "53" || class == "57" || class == "40":
		p := newProblem(http.StatusServiceUnavailable, "the database can't answer just now; ask again in a moment")
		p.retryAfter = 5
		return p
	case class == "54":
		return newProblem(http.StatusBadRequest, "this asks for more than the database can work out at once: ask for less")
	}
	return newProblem(http.StatusInternalServerError, "the database refused this question; the log of rcas serve says why")
}

func tooSlow() *problem {
	return newProblem(http.StatusGatewayTimeout, "the answer took longer than allowed: ask for a shorter time, or for wider buckets")
}

var errNotFound = errors.New("there is no such question: /v1/ lists those there are")

// badRequest is a mistake in what this package reads itself.
type badRequest string

func (b badRequest) Error() string { return string(b) }

// refuse tells a caller why there is no answer.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
		return // nobody is there any more
	}
	p := problemOf(err)
	if bad, ok := errors.AsType[badRequest](err); ok {
		p = newProblem(http.StatusBadRequest, bad.Error())
	}
	if errors.Is(err, errNotFound) {
		p = newProblem(http.StatusNotFound, err.Error())
	}
	if p.Status >= 500 {
		s.cfg.Log.Warn("a question was not answered", "path", r.URL.Path, "status", p.Status, "error", err)
	}
	p.write(w)
}
