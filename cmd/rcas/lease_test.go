package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
	"rcas/stream/streamtest"
)

// TestSecondIngestReadsOn takes the first of two ingests away, by kill -9 and in order: the other reads on within ten seconds, from where
// the first was, and never do two read at a time.
func TestSecondIngestReadsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	database, nats := storetest.New(t), streamtest.New(t, 1)
	type ingest struct {
		*exec.Cmd
		said *safeBuffer
	}
	start := func() ingest {
		cmd := process(t, "ingest", "--source", "bluesky", "--source-url", "bluesky="+w.socket("/subscribe"), "--database-url", database.URL(),
			"--nats-url", nats.URL(), "--since", "0", "--data-dir", t.TempDir(), "--metrics-address", "off")
		said := &safeBuffer{}
		cmd.Stderr = said
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return ingest{cmd, said}
	}
	connections := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.asked)
	}
	// meanwhile lets the world go on until a condition holds.
	meanwhile := func(otherwise string, condition func() bool) {
		for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
			require.True(t, time.Now().Before(deadline), otherwise)
			w.happen(1)
		}
	}
	saved := func() bool {
		return storetest.Value[int64](t, database, `SELECT count(*) FROM cursors WHERE source = 'bluesky' AND saved_at > now() - INTERVAL '2 seconds'`) > 0
	}
	first := start()
	meanwhile("nobody reads", func() bool { return connections() == 1 && saved() })
	second := start()
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		meanwhile("the other does not stand by", func() bool { return strings.Contains(second.said.String(), "standing by") })
		before := connections()
		require.NoError(t, first.Process.Signal(signal))
		gone := time.Now()
		meanwhile("nobody reads on", func() bool { return connections() > before })
		took := time.Since(gone)
		t.Logf("%v: read on after %v", signal, took)
		require.Less(t, took, 10*time.Second)
		_ = first.Wait()
		meanwhile("the cursor is not saved", saved)
		first, second = second, start()
	}
	require.EqualValues(t, 1, w.most.Load(), "two read at a time")
	posts, _, _ := w.now()
	require.Eventually(t, func() bool {
		row := storetest.Rows(t, database, `SELECT count(*), min(n), max(n), count(DISTINCT n) FROM
			(SELECT substring(id FROM '[0-9]+$')::bigint AS n FROM tweets) AS posts`)[0]
		n, _ := row[0].(int64)
		low, _ := row[1].(int64)
		return n > 0 && row[2] == int64(len(posts)) && n == int64(len(posts))-low+1 && row[3] == n
	}, time.Minute, 50*time.Millisecond, "posts are missing, or there twice")
}
