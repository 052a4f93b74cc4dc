package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rcas/store"
	"rcas/store/storetest"
)

// BenchmarkScorers adds batches of 2,000 posts, each about one coin with eight words, by one, two and four processes at once: on a native
// server (RCAS_TEST_DATABASE_URL), for the embedded database takes one session at a time.
func BenchmarkScorers(b *testing.B) {
	for _, writers := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			s := storetest.New(b)
			require.NoError(b, s.UseModel(b.Context(), "m", nil, false))
			var next atomic.Int64
			started := time.Now()
			var group errgroup.Group
			for range writers {
				process := storetest.Another(b, s)
				group.Go(func() error {
					for {
						n := int(next.Add(1))
						if n > b.N {
							return nil
						}
						if _, err := process.InsertSentiments(b.Context(), "m", scoredBatch(n, 2000)); err != nil {
							return err
						}
					}
				})
			}
			require.NoError(b, group.Wait())
			b.ReportMetric(float64(2000*b.N)/time.Since(started).Seconds(), "posts/s")
		})
	}
}

func scoredBatch(n, size int) []store.ScoredPost {
	posts := make([]store.ScoredPost, size)
	for i := range posts {
		p := tweet(n*size+i, noon.Add(time.Duration(n*size+i)*time.Millisecond))
		p.Symbols = []string{"BTC"}
		posts[i] = scored(p)
		posts[i].TextHash = int64(n*size+i) % 100_003
		for w := range 8 {
			posts[i].Terms = append(posts[i].Terms, fmt.Sprint("word", (i*7+w*w)%900))
		}
	}
	return posts
}
