package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// BenchmarkFreshness sends posts at a rate, and asks mood() all the time how many it knows of: the time from the moment a post is sent until
// it is in the answer. Servers are those of docs/operations.md: an ingest, a score, a NATS server, and the database of RCAS_TEST_DATABASE_URL,
// or else an embedded one.
func BenchmarkFreshness(b *testing.B) {
	for _, rate := range []int{500, 2000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			for b.Loop() {
				times := freshness(b, servers(b, 1), rate, 20*time.Second)
				b.ReportMetric(quantile(times, 0.5).Seconds(), "p50-s")
				b.ReportMetric(quantile(times, 0.99).Seconds(), "p99-s")
			}
		})
	}
}

// quantile sorts times, and returns that below which this share of them lies.
func quantile(times []time.Duration, share float64) time.Duration {
	slices.Sort(times)
	return times[int(share*float64(len(times)-1))]
}

// freshness returns, for each batch of a twentieth of a second, how long after it was sent mood() knew of all its posts.
func freshness(b testing.TB, d *deployment, rate int, lasts time.Duration) []time.Duration {
	d.waitFor("nobody takes posts", func() bool { return d.address() != "" && strings.Contains(d.score.log.String(), "scoring") })
	const tick = 50 * time.Millisecond
	posts := rate / int(time.Second/tick)
	batches := int(lasts / tick)
	known := func() int {
		return int(storetest.Value[int64](b, d.database, `SELECT coalesce(sum(posts), 0)::bigint FROM mood('BTC', now() - INTERVAL '2 hours',
			now() + INTERVAL '1 hour', '1 hour', who => 'all', repeats => true)`)) / posts
	}
	sent := make([]time.Time, batches)
	var begun atomic.Int64
	began := time.Now()
	go func() {
		for i := range batches {
			time.Sleep(time.Until(began.Add(time.Duration(i) * tick)))
			sent[i] = time.Now()
			begun.Add(1)
			go sendPosts(d.address(), i*posts, posts, sent[i])
		}
	}()
	var times []time.Duration
	for deadline := time.Now().Add(lasts + 10*time.Minute); len(times) < batches; {
		require.True(b, time.Now().Before(deadline), "mood() knows of %d of %d batches", len(times), batches)
		have, now := known(), time.Now()
		for ; len(times) < min(have, int(begun.Load())); times = append(times, now.Sub(sent[len(times)])) {
		}
		time.Sleep(50 * time.Millisecond) // others ask the database too
	}
	return times
}

// sendPosts sends posts until they are accepted.
func sendPosts(address string, first, n int, at time.Time) {
	var body strings.Builder
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&body, `{"id":"p%d","time":%q,"author":"a%d","lang":"en","text":"%s is why i think that bitcoin will go up"}`+"\n", i,
			at.UTC().Format(time.RFC3339Nano), i, ownWord(i))
	}
	for text := body.String(); ; time.Sleep(10 * time.Millisecond) {
		answer, err := http.Post("http://"+address+"/posts/bench", "", strings.NewReader(text))
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
}
