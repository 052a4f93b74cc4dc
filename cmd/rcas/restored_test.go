package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/store"
	"rcas/store/storetest"
	"rcas/stream"
)

// TestPutBackToAnEarlierTime puts the database back to a copy of before under services that run. What they had acknowledged since is told, message by
// message, and comes back when it is sent again: nothing is there twice.
func TestPutBackToAnEarlierTime(t *testing.T) {
	if os.Getenv(storetest.Variable) != "" {
		t.Skip("it copies the directory of the embedded database, wherever the others are")
	}
	t.Parallel()
	d := deploy(t, 1)
	earlier := filepath.Join(t.TempDir(), "earlier")
	d.waitFor("nothing is taken", func() bool { return d.batches.Load() > 2 })
	kept, positions := d.reopen(func(dir string) { require.NoError(t, os.CopyFS(earlier, os.DirFS(dir))) })
	d.waitFor("nothing is taken after the copy", func() bool { return d.batches.Load() > kept+5 })
	until, later := d.reopen(func(dir string) {
		old, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, entry := range old {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
		require.NoError(t, os.CopyFS(dir, os.DirFS(earlier)))
	})
	d.lost = until - kept
	d.waitFor("nothing is taken after the database was put back", func() bool { return d.batches.Load() > until })
	d.settle()
	d.missing = [][]any{{"PRICES", later[0] - positions[0]}, {"TWEETS", later[1] - positions[1]}}
	d.waitFor("it is not told", func() bool { return len(d.told()) == len(d.missing) })
	require.Equal(t, d.missing, d.told())
	require.Contains(t, d.ingest.log.String(), "the database lacks messages that were acknowledged")
	out := must(t, "status", "--database-url", d.database.URL(), "--nats-url", d.natsURL, "--data-dir", t.TempDir(), "--metrics-address", "127.0.0.1:1")
	require.Contains(t, out, store.EventMissing)

	d.sending.Lock()
	for n := kept; n < until; n++ {
		posts, trades := d.batch(int(n))
		require.True(t, d.deliver("posts", posts) && d.deliver("prices", trades))
	}
	d.lost = 0
	d.sending.Unlock()
	d.settle()
	d.requireExact()
}

// reopen closes the database once everything is stored and acknowledged, lets somebody have its directory, and starts it again. It returns how
// many batches there are, and how far the streams of prices and posts are noted.
func (d *deployment) reopen(work func(dir string)) (batches int64, positions [2]int64) {
	d.Helper()
	s, err := stream.Open(d.Context(), stream.Config{URL: d.natsURL, ReadOnly: true})
	require.NoError(d, err)
	defer s.Close()
	d.sending.Lock()
	defer d.sending.Unlock()
	d.waitFor("not everything is acknowledged", func() bool {
		backlogs, err := s.Backlogs(d.Context())
		for _, b := range backlogs {
			if b.Pending > 0 || b.Unacknowledged > 0 {
				return false
			}
		}
		return err == nil
	})
	for i, row := range storetest.Rows(d, d.database, `SELECT sequence FROM stream_positions ORDER BY stream`) {
		positions[i] = row[0].(int64)
	}
	away := d.harmDatabase(harm{closed: true})
	require.NoError(d, d.database.Close())
	work(d.databaseDisk.dir)
	d.database = storetest.NewIn(d, d.databaseDisk.dir)
	away()
	return d.batches.Load(), positions
}

// told is what the database is told to lack.
func (d *deployment) told() [][]any {
	return storetest.Rows(d, d.database, `SELECT source, sum(n)::bigint FROM pipeline_counts WHERE event = $1 GROUP BY 1 ORDER BY 1`, store.EventMissing)
}

// counting is a source that reads one number after the other, and keeps the last as its cursor.
type counting struct {
	cursors ingestor.Cursors
	began   chan string // with which cursor
}

func (c *counting) Name() string { return "counting" }

func (c *counting) Run(ctx context.Context, sink ingestor.Sink) error {
	cursor, err := c.cursors.LoadCursor(ctx, c.Name())
	if err != nil {
		return err
	}
	c.began <- cursor
	feed.KeepCursor(ctx, c.cursors, sink, c.Name(), time.Millisecond, func() string { cursor += "+"; return cursor }, slog.New(slog.DiscardHandler))
	return nil
}

// TestSourceReadsOnFromTheCursorPutBack: a source that runs while its cursor is put back does not write over it, but is started again from it.
func TestSourceReadsOnFromTheCursorPutBack(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	s, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	a := &app{settings: &settings{log: slog.New(slog.DiscardHandler)}, store: db, cursors: cursors{Store: db}, stream: s}
	source := &counting{cursors: &a.cursors, began: make(chan string)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.supervise(ctx, source, ingestor.NewDoor(ingestor.DoorConfig{Stream: s})) }()
	require.Empty(t, <-source.began)
	for _, earlier := range []string{"an hour ago", "yesterday"} {
		require.Eventually(t, func() bool {
			cursor, err := db.LoadCursor(t.Context(), "counting")
			return err == nil && len(cursor) > len(earlier)+3
		}, 2*time.Minute, 10*time.Millisecond)
		require.NoError(t, db.SaveCursor(t.Context(), "counting", earlier))
		require.Equal(t, earlier, <-source.began)
	}
	storetest.Exec(t, db, `DELETE FROM cursors`) // put back to before the first start
	require.Empty(t, <-source.began)
	cancel()
	require.NoError(t, <-ended)
}
