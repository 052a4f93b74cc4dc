package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"rcas/dataset"
)

const (
	// liveEvery is how often a question is asked again, unless every= says otherwise; liveLeast is the least of that.
	liveEvery, liveLeast = 2 * time.Second, 500 * time.Millisecond
	// liveRows bounds one event.
	liveRows = 1000
	// liveBeat is how often a comment keeps the connection of a quiet question open.
	liveBeat = 20 * time.Second
)

// follow answers GET /v1/live/{name}: the answer now, and again whenever it has changed, as server-sent events of JSON (an array of rows).
// A function of from, to and width that is given no times answers for its newest buckets.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	select {
	case s.live <- struct{}{}:
		defer func() { <-s.live }()
	default:
		p := newProblem(http.StatusServiceUnavailable, "as many streams of events as this server gives are open; close one, or ask again later")
		p.retryAfter = 10
		p.write(w)
		return
	}
	every, err := interval(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	asked := s.newest(r)
	events := &events{w: w, control: http.NewResponseController(w)}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := s.event(asked(), events); err != nil {
			if !events.begun {
				s.refuse(w, r, err)
				return
			}
			events.trouble(problemOf(err))
		}
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
		}
	}
}

func interval(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("every")
	if text == "" {
		return liveEvery, nil
	}
	every, err := time.ParseDuration(text)
	if err != nil || every < liveLeast || every > time.Hour {
		return 0, badRequest(fmt.Sprintf("every=%.20s: write a time from %s to 1h, as 2s", text, liveLeast))
	}
	return every, nil
}

// event asks once, and sends what is new.
func (s *Server) event(r *http.Request, to *events) error {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Time)
	defer cancel()
	q, err := s.question(ctx, r)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := s.answer(ctx, s.cfg.DB, q, min(q.most, liveRows), &body); err != nil {
		return err
	}
	return to.send(body.Bytes())
}

// newest is the request without every=, and with times where it has none: two buckets of its width, or the last hour, up to whenever it is called.
func (s *Server) newest(r *http.Request) func() *http.Request {
	back := s.back(r)
	return func() *http.Request {
		again := r.Clone(r.Context())
		again.SetPathValue("name", r.PathValue("name"))
		values := again.URL.Query()
		values.Del("every")
		values.Set("format", string(dataset.JSON))
		if known, err := s.catalog(r.Context()); err == nil {
			entry := known.Find(r.PathValue("name"))
			if entry != nil && entry.Takes("from") && !values.Has("from") && !values.Has("from_time") {
				now := s.now().UTC()
				values.Set("from", now.Add(-back).Format(time.RFC3339Nano))
				if entry.Takes("to") && !values.Has("to") && !values.Has("to_time") {
					values.Set("to", now.Format(time.RFC3339Nano))
				}
			}
		}
		again.URL.RawQuery = values.Encode()
		return again
	}
}

// back is how far back the bucket before the one of now lies at most: a width, which the database reads as it reads the question's, or an hour.
func (s *Server) back(r *http.Request) time.Duration {
	width := r.URL.Query().Get("width")
	if width == "" {
		return time.Hour
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Time)
	defer cancel()
	var seconds float64
	err := s.cfg.DB.QueryRow(ctx, `SELECT extract(epoch FROM now() - (now() - $1::text::interval))`, width).Scan(&seconds)
	if err != nil || seconds <= 0 || seconds > maxBack.Seconds() { // what is wrong with it the answer says
		return time.Hour
	}
	return time.Duration(seconds * float64(time.Second))
}

// maxBack bounds the times of a stream that names none.
const maxBack = 100 * 365 * 24 * time.Hour

// events are a stream of them.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
	last    [sha256.Size]byte
	sent    time.Time
	id      int
}

// send sends the data of an event, unless it is the last one's.
func (e *events) send(data []byte) error {
	sum := sha256.Sum256(data)
	switch {
	case e.begun && sum == e.last && time.Since(e.sent) < liveBeat:
		return nil
	case e.begun && sum == e.last:
		return e.write(": still so\n\n")
	}
	e.last = sum
	e.id++
	return e.write(fmt.Sprintf("id: %d\nevent: rows\ndata: %s\n\n", e.id, bytes.ReplaceAll(bytes.TrimSpace(data), []byte("\n"), nil)))
}

// trouble tells that there is no answer now; the stream goes on.
func (e *events) trouble(p *problem) {
	data, _ := json.Marshal(map[string]any{"status": p.Status, "detail": p.Detail}) // of these two it can't fail
	_ = e.write(fmt.Sprintf("event: trouble\ndata: %s\n\n", data))
}

func (e *events) write(text string) error {
	if !e.begun {
		e.begun = true
		header := e.w.Header()
		header.Set("Content-Type", "text/event-stream")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Accel-Buffering", "no") // else a proxy may hold events back
	}
	e.sent = time.Now()
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.control.Flush()
}
