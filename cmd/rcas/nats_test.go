package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/stream"
	"rcas/stream/streamtest"
)

func TestNATSSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		environ []string
		args    []string
		want    string
	}{
		{nil, []string{"--nats-user", "a"}, "--nats-url"},
		{[]string{"RCAS_NATS_TOKEN=s3cret"}, nil, "--nats-url"},
		{nil, []string{"--nats-replicas", "3"}, "one node"},
		{nil, []string{"--nats-replicas", "7", "--nats-url", "nats://127.0.0.1:1"}, "1 to 5"},
		{nil, []string{"--nats-max-bytes", "many"}, "KiB, MiB"},
		{nil, []string{"--nats-max-bytes", "-1"}, "KiB, MiB"},
		{nil, []string{"--nats-sync-interval", "0s"}, "always"},
		{[]string{"RCAS_NATS_TOKEN_FILE=/nowhere"}, nil, "secret"},
	} {
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"status", "--data-dir", dir}, c.args...), c.environ, &out, &out)
		require.NotZero(t, code)
		require.Contains(t, out.String(), c.want)
		require.NotContains(t, out.String(), "s3cret")
	}
	var size byteSize
	for text, want := range map[string]int64{"1024": 1024, "20GiB": 20 << 30, "3 MiB": 3 << 20, "1TiB": 1 << 40} {
		require.NoError(t, size.Set(text))
		require.EqualValues(t, want, size)
	}
	require.Equal(t, "1TiB", (new(byteSize(1 << 40))).String())
}

// Questions leave the stream as it is, and a way in by secret variables is taken.
func TestStatusMakesNoStream(t *testing.T) {
	t.Parallel()
	nodes := streamtest.New(t, 1, func(o *server.Options) { o.Username, o.Password = "rcas", "s3cret" })
	environ := []string{"RCAS_NATS_PASSWORD=s3cret", "RCAS_NATS_USER=rcas", "RCAS_NATS_URL=" + nodes.URL()}
	dir := dataDir(t)
	for _, command := range [][]string{{"status"}, {"dead", "list"}} {
		var out bytes.Buffer
		require.Zero(t, run(t.Context(), append(command, "--data-dir", dir), environ, &out, &out), out.String())
		require.NotContains(t, out.String(), "s3cret")
	}
	s, err := stream.Open(t.Context(), stream.Config{URL: nodes.URL(), Auth: stream.Auth{User: "rcas", Password: "s3cret"}, ReadOnly: true})
	require.NoError(t, err)
	defer s.Close()
	backlogs, err := s.Backlogs(t.Context())
	require.NoError(t, err)
	require.Empty(t, backlogs)
}

// flaky is a source that fails as often as told, and then reads.
type flaky struct {
	name    string
	fails   []error
	runs    atomic.Int32
	reading chan struct{}
}

func (f *flaky) Name() string { return f.name }

func (f *flaky) Run(ctx context.Context, _ ingestor.Sink) error {
	if n := int(f.runs.Add(1)); n <= len(f.fails) {
		return f.fails[n-1]
	}
	close(f.reading)
	<-ctx.Done()
	return nil
}

func TestSourcesAreSupervised(t *testing.T) {
	t.Parallel()
	s, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	a := &app{settings: &settings{log: slog.New(slog.DiscardHandler)}, stream: s}
	door := ingestor.NewDoor(ingestor.DoorConfig{Stream: s})
	passing := []error{errors.New("the database is away"), feed.Fatal(stream.ErrNotStored)}
	wrongKey := errors.New("wrong key")
	for _, name := range []string{"bluesky", "push"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		f := &flaky{name: name, fails: passing, reading: make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- a.supervise(ctx, f, door) }()
		select {
		case <-f.reading:
		case err := <-ended:
			require.Fail(t, "it ended", "%v", err)
		}
		cancel()
		require.NoError(t, <-ended)
		f = &flaky{name: name, fails: []error{passing[0], feed.Fatal(wrongKey)}}
		require.ErrorIs(t, a.supervise(t.Context(), f, door), wrongKey)
	}
}
