package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"rcas/bench"
	"rcas/figure"
	"rcas/market"
)

// liveTick is how often posts are sent, as feeds bring them in packets, and how often mood() is asked.
const liveTick = 20 * time.Millisecond

// live measures freshness at each rate, one after the other.
func (b *benchmark) live(ctx context.Context, a *app, meter *bench.Meter) ([]bench.Freshness, error) {
	read := &comments{matcher: market.NewMatcher(b.settings.file.Assets), most: benchSample}
	if err := b.readComments(ctx, read); err != nil {
		return nil, err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	worked := make(chan error, 1)
	go func() { worked <- a.run(working, pipeline{write: true, score: true}) }()
	var all []bench.Freshness
	l := &liveBench{app: a, meter: meter, lasts: b.lasts, began: time.Now(), from: read.tweets}
	for _, rate := range b.rates {
		b.note(fmt.Sprintf("live at %s/s", figure.Count(int64(rate))))
		f, err := l.at(working, rate)
		if err != nil {
			stop()
			<-worked
			return nil, err
		}
		all = append(all, f)
	}
	stop()
	return all, unlessStopped(<-worked)
}

// liveBench sends posts of now, all about one coin, and asks mood() how many it counts.
type liveBench struct {
	app   *app
	meter *bench.Meter
	lasts time.Duration
	began time.Time
	from  []*market.Tweet // of which the posts are made
	sent  int             // before, at other rates
}

// at sends packets of posts at a rate, and asks all the time: a packet has arrived when so many posts are in the answer.
func (l *liveBench) at(ctx context.Context, rate int) (bench.Freshness, error) {
	packet, packets := max(rate*int(liveTick)/int(time.Second), 1), int(l.lasts/liveTick)
	sent := make(chan time.Time, packets)
	before := l.meter.Read()
	var took []time.Duration
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.send(ctx, packet, packets, sent) })
	group.Go(func() error {
		for len(took) < packets {
			asked := time.Now()
			known, err := l.known(ctx)
			if err != nil {
				return err
			}
			now := time.Now()
			for len(took) < (known-l.sent)/packet {
				took = append(took, now.Sub(<-sent))
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(max(liveTick, now.Sub(asked))): // asking takes half of a core at most
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return bench.Freshness{}, err
	}
	l.sent += packet * packets
	slices.Sort(took)
	return bench.Fresh(rate, packet*packets, took, l.meter.Read().Since(before)), nil
}

func (l *liveBench) send(ctx context.Context, packet, packets int, sent chan<- time.Time) error {
	door, err := l.app.door(ctx, nil)
	if err != nil {
		return err
	}
	for i, began := 0, time.Now(); i < packets; i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i) * liveTick)))
		now := time.Now()
		for n := l.sent + i*packet; n < l.sent+(i+1)*packet; n++ {
			t := *l.from[n%len(l.from)]
			t.Source, t.ID, t.Time, t.ReceivedAt = "bench", fmt.Sprint(n), now, now
			t.Text = fmt.Sprint("bitcoin ", n, " ", t.Text)
			if err := door.Tweet(ctx, &t); err != nil {
				return err
			}
		}
		sent <- now
	}
	return door.Flush(ctx)
}

// known is how many of the posts mood() counts.
func (l *liveBench) known(ctx context.Context) (n int, err error) {
	err = l.app.store.Pool().QueryRow(ctx, `SELECT coalesce(sum(posts), 0)::bigint FROM mood('BTC', $1, now() + INTERVAL '1 hour', '1 minute',
		who => 'all', repeats => true)`, l.began.Add(-time.Minute)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("ask mood: %w", err)
	}
	return n, nil
}
