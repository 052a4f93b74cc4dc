package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rcas/catalog"
	"rcas/dataset"
)

// media are the types by which formats are asked for and answered.
var media = []struct {
	format dataset.Format
	name   string
}{
	{dataset.JSON, "application/json"}, {dataset.CSV, "text/csv"}, {dataset.NDJSON, "application/x-ndjson"},
	{dataset.Parquet, "application/vnd.apache.parquet"}, {dataset.Arrow, "application/vnd.apache.arrow.stream"},
}

// ask answers GET /v1/{name}.
func (s *Server) ask(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Time)
	defer cancel()
	q, err := s.question(ctx, r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	out := &answer{w: w, r: r}
	out.describe(q)
	if err := s.together(ctx, q, out); err != nil {
		if out.sent { // the beginning is with the caller already: only a broken connection tells that the end is missing
			s.cfg.Log.Warn("an answer was cut off", "question", r.URL.Path, "error", err)
			panic(http.ErrAbortHandler)
		}
		s.refuse(w, r, err)
		return
	}
	out.finish(q)
}

// together answers with others who ask the same at the same time.
func (s *Server) together(ctx context.Context, q *question, out *answer) error {
	text := out.r.URL.Path + "?" + out.r.URL.RawQuery + " " + string(q.format)
	group, first := s.crowd.join(text)
	if first {
		defer s.crowd.end(text, group)
	} else {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-group.done:
		}
		if group.body != nil || group.err != nil {
			_, _ = out.body.Write(group.body)
			q.final = group.final
			return group.err
		}
	}
	turn, err := s.cfg.DB.Acquire(ctx)
	if err != nil {
		return err
	}
	defer turn.Release()
	if first {
		s.crowd.begin(text, group)
	}
	if err := q.at(s.now()); err != nil {
		return err
	}
	err = s.answer(ctx, turn, q, q.most, out)
	if first && err == nil && !out.sent {
		group.body, group.final = out.body.Bytes(), q.final
	} else if first && err != nil && ctx.Err() == nil {
		group.err = err
	}
	return err
}

// question is what a request asks for.
type question struct {
	catalog.Question
	entry  *catalog.Entry
	values url.Values // of its arguments
	limit  int        // of the rows that the database is asked for
	format dataset.Format
	most   int  // rows
	final  bool // once it is answered: nothing that the answer says changes by itself any more
}

// at puts the question, of which times may count from now.
func (q *question) at(now time.Time) (err error) {
	q.Question, err = q.entry.Ask(q.values, q.limit, now)
	return err
}

func (s *Server) question(ctx context.Context, r *http.Request) (*question, error) {
	known, err := s.catalog(ctx)
	if err != nil {
		return nil, err
	}
	entry := known.Find(r.PathValue("name"))
	if entry == nil {
		return nil, errNotFound
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the question does not parse: percent-encode what stands behind the ?")
	}
	q := &question{entry: entry, values: values, most: s.cfg.Rows}
	if q.format, err = formatOf(values.Get("format"), r.Header.Get("Accept")); err != nil {
		return nil, err
	}
	if q.limit, err = s.limit(values); err != nil {
		return nil, err
	}
	for _, own := range []string{"format", "rows"} {
		delete(values, own)
	}
	return q, q.at(s.now())
}

// limit is how many rows a caller wants at most; rows=N, because functions have arguments that are called limit.
func (s *Server) limit(values url.Values) (int, error) {
	text := values.Get("rows")
	if text == "" {
		return s.cfg.Rows + 1, nil // one more than allowed tells that there are more
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > s.cfg.Rows {
		return 0, badRequest(fmt.Sprintf("rows=%.20s: write a number of rows from 1 to %d", text, s.cfg.Rows))
	}
	return n, nil
}

// formatOf goes by ?format=, else by the type of the Accept header that is wanted most of those that are known.
func formatOf(asked, accept string) (dataset.Format, error) {
	names := make([]string, len(media))
	for i, m := range media {
		if names[i] = string(m.format); asked == names[i] {
			return m.format, nil
		}
	}
	if asked != "" {
		return "", badRequest(fmt.Sprintf("there is no format %.40q: there are %s", asked, strings.Join(names, ", ")))
	}
	best, most := dataset.JSON, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight, err := strconv.ParseFloat(cmp.Or(parameters["q"], "1"), 64)
		for _, m := range media {
			if err == nil && name == m.name && weight > most {
				best, most = m.format, weight
			}
		}
	}
	return best, nil
}

// answer asks the database and writes what it says, in the question's format.
func (s *Server) answer(ctx context.Context, db querier, q *question, most int, out io.Writer) error {
	rows, err := db.Query(ctx, q.SQL, q.Args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	writer, err := dataset.NewWriter(q.format, out, false)
	if err != nil {
		return err
	}
	watched := &finals{Sink: writer}
	if _, err := dataset.Give(rows, most, watched); err != nil {
		return err
	}
	q.final = watched.rows > 0 && watched.final == watched.rows && q.fixed(s.now())
	return writer.Close()
}

// querier is a pool, or one of its connections.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// held is how much of an answer waits for its end: an answer that is shorter has an ETag, and one that fails before has a proper error.
const held = 1 << 20

// answer is what is written to a caller.
type answer struct {
	w    http.ResponseWriter
	r    *http.Request
	body bytes.Buffer
	sent bool // the header, and more than held
}

func (a *answer) describe(q *question) {
	header := a.w.Header()
	for _, m := range media {
		if m.format == q.format {
			header.Set("Content-Type", m.name)
		}
	}
	header.Add("Vary", "Accept")
	header.Set("Cache-Control", "private, no-cache") // a copy may be kept, and is asked about by its ETag
	if q.format == dataset.Parquet || q.format == dataset.Arrow || q.format == dataset.CSV {
		header.Set("Content-Disposition", fmt.Sprintf("inline; filename=%q", q.entry.Name+"."+string(q.format)))
	}
}

// Write implements [io.Writer].
func (a *answer) Write(b []byte) (int, error) {
	if a.sent {
		return a.w.Write(b)
	}
	a.body.Write(b)
	if a.body.Len() <= held {
		return len(b), nil
	}
	a.sent = true
	if _, err := a.w.Write(a.body.Bytes()); err != nil {
		return 0, err
	}
	a.body = bytes.Buffer{}
	return len(b), nil
}

// finish sends what was held, or that the caller has it.
func (a *answer) finish(q *question) {
	if a.sent {
		return
	}
	if q.final { // by hand (a replay, a rescoring) it may still change: an hour is not for ever
		a.w.Header().Set("Cache-Control", "private, max-age=3600")
	}
	sum := sha256.Sum256(a.body.Bytes())
	etag := `"` + hex.EncodeToString(sum[:12]) + `"`
	a.w.Header().Set("ETag", etag)
	if match := a.r.Header.Get("If-None-Match"); match == "*" || strings.Contains(match, etag) {
		a.w.WriteHeader(http.StatusNotModified)
		return
	}
	a.w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	_, _ = a.w.Write(a.body.Bytes()) // who has gone needs no answer
}
