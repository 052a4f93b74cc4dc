package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is moved by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestFaultIsToldOnceAndItsEnd(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &clock{time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	m := New("test")
	f := m.Fault(slog.New(slog.NewTextHandler(&out, nil)), "batch not stored", "stream", "TWEETS")
	f.now = c.now
	f.Over()
	require.Empty(t, out.String())

	lines := func() []string { return strings.Split(strings.TrimSpace(out.String()), "\n") }
	for range 120 { // two minutes of tries
		f.Failed(errors.New("the database is away"))
		c.at = c.at.Add(time.Second)
	}
	require.Len(t, lines(), 1, "a line a fault, not a line a retry")
	require.Contains(t, out.String(), `level=WARN msg="batch not stored" stream=TWEETS error="the database is away"`)
	require.Equal(t, "the database is away", m.Faults()[0].Error)
	for range 600 {
		f.Failed(errors.New("the database is away"))
		c.at = c.at.Add(time.Second)
	}
	require.Len(t, lines(), 2)
	require.Contains(t, lines()[1], "level=ERROR")
	require.Contains(t, lines()[1], `since="2026-05-04 12:00:00"`)
	c.at = c.at.Add(time.Hour)
	f.Failed(errors.New("still"))
	require.Len(t, lines(), 3, "and a reminder an hour")
	f.Over()
	require.Len(t, lines(), 4)
	require.Contains(t, lines()[3], "over: batch not stored")
	require.Contains(t, lines()[3], "tries=721")
	require.Empty(t, m.Faults())
}

// A fault that comes and goes every second fills no screen either.
func TestFaultThatComesAndGoes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &clock{time.Now()}
	f := (*Metrics)(nil).Fault(slog.New(slog.NewTextHandler(&out, nil)), "reconnecting")
	f.now = c.now
	for range 300 {
		f.Failed(errors.New("cut"))
		c.at = c.at.Add(500 * time.Millisecond)
		f.Over()
		c.at = c.at.Add(500 * time.Millisecond)
	}
	lines := strings.Count(out.String(), "\n")
	require.LessOrEqual(t, lines, 10, out.String())
	require.Contains(t, out.String(), "times_since_last_told=60")
}

func get(t *testing.T, url, host string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	if host != "" {
		request.Host = host
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestServer(t *testing.T) {
	t.Parallel()
	var dead, away error
	m := New("1.2.3")
	s, err := Listen("127.0.0.1:0", m, Checks{
		Live:  []Check{{"database process", func(context.Context) error { return dead }}},
		Ready: []Check{{"stream", func(context.Context) error { return away }}},
	})
	require.NoError(t, err)
	defer s.Close()

	status, body := get(t, s.URL()+"/healthz", "")
	require.Equal(t, 200, status)
	require.Equal(t, "ok database process\n", body)
	status, body = get(t, s.URL()+"/readyz", "")
	require.Equal(t, 200, status, body)

	away = errors.New("no route\nto host")
	status, body = get(t, s.URL()+"/readyz", "")
	require.Equal(t, 503, status)
	require.Equal(t, "ok database process\nfail stream: no route to host\nok faults\n", body)
	status, _ = get(t, s.URL()+"/healthz", "")
	require.Equal(t, 200, status, "a restart would not help")
	away, dead = nil, errors.New("gone")
	status, _ = get(t, s.URL()+"/healthz", "")
	require.Equal(t, 503, status)
	status, _ = get(t, s.URL()+"/readyz", "")
	require.Equal(t, 503, status)
	dead = nil

	f := m.Fault(nil, "batch not stored")
	f.Failed(errors.New("full"))
	status, _ = get(t, s.URL()+"/readyz", "")
	require.Equal(t, 200, status, "a hiccup")
	f.mu.Lock()
	f.since = time.Now().Add(-2 * lasting)
	f.mu.Unlock()
	status, body = get(t, s.URL()+"/readyz", "")
	require.Equal(t, 503, status)
	require.Contains(t, body, "fail faults: batch not stored, since ")

	_, body = get(t, s.URL()+"/metrics", "")
	for _, want := range []string{`rcas_build_info{version="1.2.3"} 1`, `rcas_ready{check="faults"} 0`, `rcas_faults_total{fault="batch not stored"} 1`,
		`rcas_fault_since_timestamp_seconds{fault="batch not stored"}`, "go_goroutines", "process_resident_memory_bytes"} {
		require.Contains(t, body, want)
	}
	status, _ = get(t, s.URL()+"/debug/pprof/cmdline", "")
	require.Equal(t, 200, status)
	status, _ = get(t, s.URL()+"/metrics", "evil.example:80")
	require.Equal(t, 403, status, "a page whose name points here")
	_, err = Listen(strings.TrimPrefix(s.URL(), "http://"), m, Checks{})
	require.ErrorContains(t, err, "serve metrics")
}

func TestCheckThatHangs(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	m := New("")
	s, err := Listen("127.0.0.1:0", m, Checks{Ready: []Check{{"database", func(context.Context) error { <-release; return nil }}}})
	require.NoError(t, err)
	defer s.Close()
	status, body := get(t, s.URL()+"/readyz", "")
	require.Equal(t, 503, status)
	require.Contains(t, body, "fail database: no answer within 3s")
}

func TestCounts(t *testing.T) {
	t.Parallel()
	m := New("")
	m.Count("bluesky", "read", 3)
	m.Count("bluesky", "published", 2)
	m.Count("bluesky", "dropped:unmapped", 1)
	m.Count("bluesky", "reconnect", 1)
	m.Lag("bluesky", 1500*time.Millisecond)
	m.Lag("bluesky", 1000*time.Hour)
	m.Stored("bluesky", "stored", 2)
	m.Stored("bluesky", "duplicate", 1)
	m.Scored("bluesky", "", time.Now().Add(-time.Second))
	m.Scored("bluesky", "language", time.Now())
	m.Batch("TWEETS", "writer", 3, time.Second)
	m.BatchRetry("TWEETS", "writer")
	m.PublishRetry()
	m.Dead("writer", "bluesky")
	m.Model("a")
	m.Model("b")
	m.Backlog("TWEETS", "writer", 5, 3, 1)
	m.StreamBytes("TWEETS", 1000)
	m.Disk(10, 20)
	m.DeadLetters(7)
	m.TableBytes("tweets", 99)
	for i := range 3 * maxNames {
		m.Count(strings.Repeat("x", i+1), "read", 1)
	}
	s, err := Listen("127.0.0.1:0", m, Checks{})
	require.NoError(t, err)
	defer s.Close()
	_, body := get(t, s.URL()+"/metrics", "")
	for _, want := range []string{
		`rcas_messages_read_total{source="bluesky"} 3`, `rcas_messages_published_total{source="bluesky"} 2`,
		`rcas_messages_dropped_total{reason="unmapped",source="bluesky"} 1`, `rcas_feed_events_total{event="reconnect",source="bluesky"} 1`,
		`rcas_feed_lag_seconds_count{source="bluesky"} 1`, `rcas_feed_lag_seconds_bucket{source="bluesky",le="2.5"} 1`,
		`rcas_rows_stored_total{source="bluesky"} 2`, `rcas_rows_duplicate_total{source="bluesky"} 1`,
		`rcas_sentiments_scored_total{source="bluesky"} 1`, `rcas_sentiments_skipped_total{reason="language",source="bluesky"} 1`,
		`rcas_freshness_seconds_count{stage="scored"} 2`, `rcas_batch_messages_count{consumer="writer",stream="TWEETS"} 1`,
		`rcas_batch_retries_total{consumer="writer",stream="TWEETS"} 1`, `rcas_publish_retries_total 1`,
		`rcas_messages_dead_total{consumer="writer",source="bluesky"} 1`, `rcas_model_info{model="b"} 1`,
		`rcas_backlog_messages{consumer="writer",stream="TWEETS"} 5`, `rcas_stream_bytes{stream="TWEETS"} 1000`, `rcas_disk_free_bytes 10`,
		`rcas_dead_letters 7`, `rcas_table_bytes{table="tweets"} 99`, `rcas_messages_read_total{source="other"}`,
	} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, body, `model="a"`)
	require.LessOrEqual(t, strings.Count(body, "rcas_messages_read_total{"), maxNames+1, "whoever makes up names fills no memory")
	require.WithinDuration(t, time.Now(), m.LastMessage("bluesky"), time.Minute)
	m.NoBacklog()
	_, body = get(t, s.URL()+"/metrics", "")
	require.NotContains(t, body, "rcas_backlog_messages{")
}

// Parts count without asking whether anybody looks.
func TestNobodyLooks(t *testing.T) {
	t.Parallel()
	var m *Metrics
	m.Count("a", "read", 1)
	m.Lag("a", 1)
	m.Stored("a", "stored", 1)
	m.Scored("a", "", time.Now())
	m.Batch("a", "b", 1, 1)
	m.Backlog("a", "b", 1, 1, 1)
	m.Disk(1, 1)
	m.Model("a")
	f := m.Fault(nil, "x")
	f.Failed(errors.New("y"))
	f.Over()
	require.Nil(t, m.Faults())
	require.Zero(t, m.LastMessage("a"))
}
