package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"rcas/bench"
	"rcas/figure"
	"rcas/ingestor"
	"rcas/ingestor/archive"
	"rcas/market"
)

// backlogRate is how many posts a second came in while nobody worked.
const backlogRate = 500

// measureBacklog publishes the posts of a time in which nobody worked, starts writer and scorer, and waits until mood() counts all of them.
// The time ends where the posts begin that were sent live.
func (b *benchmark) measureBacklog(ctx context.Context, a *app, meter *bench.Meter, end time.Time) (*bench.Backlog, error) {
	b.note(fmt.Sprintf("the backlog of %s at %d/s", b.backlog, backlogRate))
	p := &past{begins: end.Add(-b.backlog), size: int64(b.backlog.Seconds() * backlogRate)}
	stored := filepath.Join(b.settings.dataDir, "nats")
	empty := bytesIn(stored)
	if err := b.publishPast(ctx, a, p); err != nil {
		return nil, err
	}
	found := &bench.Backlog{FeedSeconds: b.backlog.Seconds(), Rate: backlogRate, Stream: float64(bytesIn(stored)-empty) / float64(p.size)}
	debug.FreeOSMemory()
	meter.ForgetPeak()
	before, started := meter.Read(), time.Now()
	working, stop := context.WithCancel(ctx)
	defer stop()
	worked := make(chan error, 1)
	go func() { worked <- a.run(working, pipeline{write: true, score: true}) }()
	err := p.await(working, a, end, worked)
	found.Part = bench.Measured("backlog", int(p.size), time.Since(started), meter.Read().Since(before))
	found.Memory.RCAS, found.Memory.Database = meter.Peak()
	stop()
	if err != nil {
		return nil, err
	}
	return found, unlessStopped(<-worked)
}

// publishPast publishes the comments of the file, again and again if need be.
func (b *benchmark) publishPast(ctx context.Context, a *app, p *past) error {
	door, err := a.door(ctx, nil)
	if err != nil {
		return err
	}
	p.door = door
	for err == nil {
		err = archive.New(archive.Config{Paths: []string{b.file}, Source: "reddit"}).Run(ctx, p)
	}
	if !errors.Is(err, errPastFull) {
		return err
	}
	return door.Flush(ctx)
}

// past is a sink that makes comments posts of the time in which nobody worked, all about one coin.
type past struct {
	ingestor.Sink // nil: an archive of comments calls nothing else
	door          *ingestor.Door
	begins        time.Time
	size          int64
	next          atomic.Int64
}

var errPastFull = errors.New("there are as many posts as are wanted")

func (p *past) Tweet(ctx context.Context, t *market.Tweet) error {
	n := p.next.Add(1) - 1
	if n >= p.size {
		return errPastFull
	}
	t.Source, t.ID, t.Time = "past", strconv.FormatInt(n, 10), p.begins.Add(time.Duration(n)*time.Second/backlogRate)
	t.ReceivedAt, t.Text = t.Time, fmt.Sprint("bitcoin ", n, " ", t.Text)
	return p.door.Tweet(ctx, t)
}
func (p *past) Count(string, string, int64) {}
func (p *past) Flush(context.Context) error { return nil }

// await waits until mood() counts all.
func (p *past) await(ctx context.Context, a *app, end time.Time, worked chan error) error {
	for known := int64(0); known < p.size; {
		asked := time.Now()
		err := a.store.Pool().QueryRow(ctx, `SELECT coalesce(sum(posts), 0)::bigint FROM mood('BTC', $1, $2, '1 minute', who => 'all', repeats => true)`,
			p.begins.Truncate(time.Minute), end.Truncate(time.Minute).Add(time.Minute)).Scan(&known)
		if err != nil {
			return fmt.Errorf("ask mood: %w", err)
		}
		select {
		case err := <-worked:
			return errors.Join(fmt.Errorf("the work ended with %s of %s posts in mood()", figure.Count(known), figure.Count(p.size)), err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(250*time.Millisecond, 4*time.Since(asked))): // asking takes a fifth of a core at most
		}
	}
	return nil
}

// bytesIn is the size of all files below a directory; 0 where there is none, as of a stream elsewhere.
func bytesIn(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
