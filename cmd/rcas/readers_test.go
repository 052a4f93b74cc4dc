package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// questions are what a board or a bot asks again and again.
var questions = []string{
	"mood?symbol=BTC&from=-24h&to=now&width=1h", "mood?symbol=BTC&from=-12h&to=now&width=5m", "candles?symbol=BTC&from=-12h&to=now&width=5m",
	"candles?symbol=BTC&from=-7d&to=now&width=1h", "mood_price?symbol=BTC&from=-24h&to=now&width=1h",
}

// BenchmarkReaders lets 500 readers ask rcas serve, each from an address of its own, while 2,000 posts a second come in: how long answers take,
// how many are none, and how fresh mood() is meanwhile. Each asks every five seconds, as a board does, or again as soon as it has the answer.
// The servers are those of BenchmarkFreshness, with a week of posts and trades.
func BenchmarkReaders(b *testing.B) {
	for _, pause := range []time.Duration{5 * time.Second, 0} {
		b.Run(fmt.Sprint("pause=", pause), func(b *testing.B) {
			for b.Loop() {
				d := servers(b, 1)
				d.giveHistory()
				times, failed, fresh := d.readWhileWriting(500, pause, 2000, 30*time.Second)
				b.ReportMetric(float64(len(times))/30, "answers/s")
				b.ReportMetric(quantile(times, 0.5).Seconds(), "p50-s")
				b.ReportMetric(quantile(times, 0.95).Seconds(), "p95-s")
				b.ReportMetric(quantile(times, 0.99).Seconds(), "p99-s")
				b.ReportMetric(float64(failed), "errors")
				b.ReportMetric(quantile(fresh, 0.5).Seconds(), "fresh-p50-s")
				b.ReportMetric(quantile(fresh, 0.99).Seconds(), "fresh-p99-s")
			}
		})
	}
}

// giveHistory stores a week of a post and a trade every three seconds, which ended three hours ago.
func (d *deployment) giveHistory() {
	d.Helper()
	d.waitFor("no model is active", func() bool { return strings.Contains(d.score.log.String(), "scoring") })
	storetest.Exec(d, d.database, `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
		SELECT at, 'BTC', 'v', i::text, 100 + i % 97, 1 + i % 5, at
		FROM generate_series(1, 200000) AS i, LATERAL (SELECT now() - INTERVAL '3 hours' - i * INTERVAL '3 seconds' AS at) AS a`)
	storetest.Exec(d, d.database, `INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash, text_hash)
		SELECT at, 'past', i::text, 'BTC', model, 0.25, 0.25, 0.5, (i % 11) / 11.0, 1 + i % 3, 1, false, i % 500, i
		FROM generate_series(1, 200000) AS i, LATERAL (SELECT now() - INTERVAL '3 hours' - i * INTERVAL '3 seconds' AS at) AS a, (SELECT name AS model FROM models WHERE active) AS m`)
	require.NoError(d, d.database.RefreshWindows(d.Context()))
}

// readWhileWriting returns how long answers took, how many questions had none, and how fresh mood() was.
func (d *deployment) readWhileWriting(readers int, pause time.Duration, rate int, lasts time.Duration) (times []time.Duration, failed int, fresh []time.Duration) {
	d.Helper()
	serve := d.part("serve", beRcas+"=1", "serve", "--database-url", d.database.URL(), "--address", "127.0.0.1:0", "--data-dir", d.TempDir())
	serve.start()
	address := ""
	d.waitFor("nobody answers", func() bool {
		_, rest, _ := strings.Cut(serve.log.String(), "answering on http://")
		address, _, _ = strings.Cut(rest, "/")
		return address != ""
	})
	ctx, stop := context.WithTimeout(d.Context(), lasts)
	defer stop()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() {
			dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}}
			client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
			defer client.CloseIdleConnections()
			wait := pause * time.Duration(i) / time.Duration(readers) // they do not all ask at once
			for n := i; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
				began := time.Now()
				err := readAnswer(ctx, client, "http://"+address+"/v1/"+questions[n%len(questions)])
				took := time.Since(began)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				if err != nil {
					failed++
					d.Log(err)
				}
				times = append(times, took)
				mu.Unlock()
				wait = max(pause-took, 0)
			}
		})
	}
	fresh = freshness(d.TB, d, rate, lasts)
	all.Wait()
	return times, failed, fresh
}

// readAnswer reads an answer to its end.
func readAnswer(ctx context.Context, client http.Client, question string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, question, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || len(body) < 100) {
		err = errors.New(answer.Status + ": " + string(body))
	}
	return err
}
