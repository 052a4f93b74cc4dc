package dataset_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"rcas/dataset"
	"rcas/ingestor/archive"
	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// from is the first time of what the tests store; all of it lies within two days.
var from, to = time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 5, 3, 0, 0, 0, 0, time.UTC)

// fill stores invented posts and trades: more than a page, many of one time, and texts with all that formats may stumble over. BTC has trades,
// ETH those of bars.
func fill(t *testing.T, s *store.Store) {
	t.Helper()
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	require.NoError(t, s.SaveAssets(t.Context(), assets))
	matcher := market.NewMatcher(assets)
	texts := []string{"bitcoin &amp; \"tulips\"", "a\r\nb\n,;\t| $BTC", " blanks around bitcoin ", "", "RT @anna: ether 🚀", `back\slash $ETH <b>`, "=1+1 bitcoin"}
	var tweets []*market.Tweet
	for i := range 6000 {
		post := &market.Tweet{
			Source: []string{"twitter", "bluesky"}[i%2], ID: fmt.Sprintf("id/%d", i), Time: from.Add(time.Duration(i/7) * 90 * time.Second).Add(time.Duration(i%3) * time.Microsecond),
			Author: []string{"anna", "", "b, \"c\""}[i%3], Lang: []string{"en", ""}[i%2], Text: texts[i%len(texts)], Repost: i%5 == 0,
			Followers: int64(i), QuoteCount: 1, ReplyCount: 2, RetweetCount: 3, FavoriteCount: 1 << 40, ReceivedAt: to,
		}
		post.Symbols = matcher.Match(post.Text)
		tweets = append(tweets, post)
	}
	_, err = s.InsertTweets(t.Context(), tweets)
	require.NoError(t, err)
	var prices []*market.Price
	for i := range 12000 { // 7,000 of them at one time
		prices = append(prices, &market.Price{
			Venue: []string{"kraken", "binance"}[i%2], Symbol: "BTC", TradeID: fmt.Sprint(i), Time: from.Add(time.Duration(max(i-7000, 0)) * 7 * time.Second),
			Price: 0.1 + float64(i)/3, Volume: float64(i%10) / 7, ReceivedAt: to,
		})
	}
	source := archive.New(archive.Config{Paths: []string{bars(t)}, Venue: "bitfinex"})
	require.NoError(t, source.Run(t.Context(), &sink{prices: &prices}))
	_, err = s.InsertPrices(t.Context(), prices)
	require.NoError(t, err)
}

// bars is a file of hours of ETH.
func bars(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("time,open,high,low,close,volume\n")
	for i := range 30 {
		fmt.Fprintf(&b, "%s,5,7.%d,3,6,%d\n", from.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), i, i%3)
	}
	path := filepath.Join(t.TempDir(), "ETHUSD.csv")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

// sink gathers what a replay reads, and finds the coins of posts as the door does.
type sink struct {
	matcher *market.Matcher
	tweets  *[]*market.Tweet
	prices  *[]*market.Price
}

func (s *sink) Tweet(_ context.Context, t *market.Tweet) error {
	t.Symbols, t.ReceivedAt = s.matcher.Match(t.Text), to
	*s.tweets = append(*s.tweets, t)
	return nil
}

func (s *sink) Price(_ context.Context, p *market.Price) error {
	p.ReceivedAt = to
	*s.prices = append(*s.prices, p)
	return nil
}

func (s *sink) Delete(context.Context, string, string) error { return errors.New("nothing is deleted") }
func (s *sink) Drop(source, reason string)                   { panic(source + ": " + reason) }
func (s *sink) Count(string, string, int64)                  {}
func (s *sink) Flush(context.Context) error                  { return nil }
func (s *sink) Sync(context.Context) error                   { return nil }

// write exports a data set to a file of the format and returns its path, and how many rows it has.
func write(t *testing.T, s *store.Store, name, symbol, file string) (string, int64) {
	t.Helper()
	set, err := dataset.Find(name)
	require.NoError(t, err)
	q := dataset.Question{From: from, To: to, Symbol: symbol}
	if set.Buckets {
		q.Width = "1 hour"
	}
	e := dataset.Export{Set: set, Question: q, Path: filepath.Join(t.TempDir(), file)}
	e.Format, _ = dataset.FormatOf(file)
	rows, err := e.Run(t.Context(), s.Pool())
	require.NoError(t, err)
	left, err := filepath.Glob(filepath.Join(filepath.Dir(e.Path), "*"))
	require.NoError(t, err)
	require.Equal(t, []string{e.Path}, left, "nothing else is left behind")
	return e.Path, rows
}

// What is exported can be replayed to the same rows, in each format, compressed or not.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	fill(t, s)
	const (
		tweetRows = `SELECT time, source, id, author, lang, text, symbols, repost, followers, quote_count, reply_count, retweet_count, favorite_count
			FROM tweets ORDER BY time, source, id`
		priceRows  = `SELECT time, symbol, venue, trade_id, price, volume FROM prices WHERE symbol = 'BTC' ORDER BY time, symbol, venue, trade_id`
		candleRows = `SELECT bucket, venue, open, high, low, close, volume FROM candles_by_venue('ETH', '2024-05-01', '2024-05-03', '1 hour') ORDER BY 1`
	)
	for _, suffix := range []string{".csv.gz", ".ndjson.zst", ".parquet"} {
		t.Run(suffix, func(t *testing.T) {
			tweets, n := write(t, s, "tweets", "", "tweets"+suffix)
			require.EqualValues(t, 6000, n)
			prices, n := write(t, s, "prices", "BTC", "prices"+suffix)
			require.EqualValues(t, 12000, n)
			candles, n := write(t, s, "candles", "ETH", "candles"+suffix)
			require.EqualValues(t, 30, n)

			fresh := storetest.New(t)
			assets, err := market.DefaultAssets()
			require.NoError(t, err)
			require.NoError(t, fresh.SaveAssets(t.Context(), assets))
			read := &sink{matcher: market.NewMatcher(assets), tweets: new([]*market.Tweet), prices: new([]*market.Price)}
			require.NoError(t, archive.New(archive.Config{Paths: []string{tweets, prices, candles}}).Run(t.Context(), read))
			_, err = fresh.InsertTweets(t.Context(), *read.tweets)
			require.NoError(t, err)
			_, err = fresh.InsertPrices(t.Context(), *read.prices)
			require.NoError(t, err)
			for _, query := range []string{tweetRows, priceRows, candleRows} {
				want, got := storetest.Rows(t, s, query), storetest.Rows(t, fresh, query)
				require.NotEmpty(t, want)
				require.Len(t, got, len(want))
				for i := range want {
					require.Equal(t, want[i], got[i], query)
				}
			}
		})
	}
	t.Run("interrupted", func(t *testing.T) { testInterrupted(t, s) })
	t.Run("all sets", func(t *testing.T) { testAllSets(t, s) })
}

// An export that is interrupted has no file under its name, and goes on where it stopped.
func testInterrupted(t *testing.T, s *store.Store) {
	for _, suffix := range []string{".csv", ".csv.gz", ".ndjson.zst", ".parquet"} {
		whole, rows := write(t, s, "prices", "BTC", "whole"+suffix)
		set, err := dataset.Find("prices")
		require.NoError(t, err)
		e := dataset.Export{
			Set: set, Question: dataset.Question{From: from, To: to, Symbol: "BTC"}, Path: filepath.Join(t.TempDir(), "prices"+suffix), MarkBytes: 100_000,
		}
		e.Format, _ = dataset.FormatOf(e.Path)
		ctx, cancel := context.WithCancel(t.Context())
		e.Progress = func(n int64, _ time.Time) {
			if n > 8000 {
				cancel()
			}
		}
		_, err = e.Run(ctx, s.Pool())
		require.ErrorIs(t, err, context.Canceled, suffix)
		require.NoFileExists(t, e.Path)
		require.FileExists(t, e.Path+".part")

		var first int64
		e.Progress = func(n int64, _ time.Time) {
			if first == 0 {
				first = n
			}
		}
		again, err := e.Run(t.Context(), s.Pool())
		require.NoError(t, err)
		require.Equal(t, rows, again, suffix)
		if e.Format != dataset.Parquet {
			require.Greater(t, first, int64(7000), "it went on, %s", suffix)
		}
		require.Equal(t, replayed(t, whole), replayed(t, e.Path), suffix)
		_, err = e.Run(t.Context(), s.Pool())
		require.ErrorContains(t, err, "is there already")
	}
}

// replayed returns the trades that a file holds.
func replayed(t *testing.T, path string) (list []market.Price) {
	t.Helper()
	read := &sink{prices: new([]*market.Price)}
	require.NoError(t, archive.New(archive.Config{Paths: []string{path}}).Run(t.Context(), read))
	for _, p := range *read.prices {
		list = append(list, *p)
	}
	return list
}

// Every set of the catalogue answers, in each format, and what is no post and no price says so when it is replayed.
func testAllSets(t *testing.T, s *store.Store) {
	require.NoError(t, s.UseModel(t.Context(), "m", nil, false))
	posts := []store.ScoredPost{}
	for i := range 40 {
		tweet := &market.Tweet{Source: "twitter", ID: fmt.Sprint(i), Time: from.Add(time.Duration(i) * time.Hour / 2), Symbols: []string{"BTC"}}
		posts = append(posts, store.ScoredPost{
			Tweet: tweet, AuthorHash: int32(i), TextHash: int64(i), Terms: []string{"tulips", fmt.Sprint("word", i)},
			Sentiments: []market.Sentiment{{Tweet: tweet, Symbol: "BTC", Model: "m", Negative: .25, Neutral: .25, Positive: .5, Kind: market.Person}},
		})
	}
	_, err := s.InsertSentiments(t.Context(), "m", posts)
	require.NoError(t, err)
	storetest.Exec(t, s, `INSERT INTO alerts (symbol, rule, direction, start_time, fired_at, end_time, value, divergence, mood_z, return_z, posts)
		VALUES ('BTC', 'r', 'bullish', $1, $1, $1, 1, 1, 1, 1, 1)`, from)
	for i := range dataset.All {
		set := &dataset.All[i]
		for _, suffix := range []string{".ndjson", ".csv", ".parquet"} {
			path, rows := write(t, s, set.Name, "BTC", set.Name+suffix)
			require.Positive(t, rows, set.Name)
			if set.Name == "tweets" || set.Name == "prices" || set.Name == "candles" || set.Name == "alerts" {
				continue
			}
			err := archive.New(archive.Config{Paths: []string{path}}).Run(t.Context(), &sink{})
			require.ErrorContains(t, err, "rcas export tweets", path)
		}
	}
	set, err := dataset.Find("terms")
	require.NoError(t, err)
	var out bytes.Buffer
	e := dataset.Export{Set: set, Question: dataset.Question{From: from, To: from.Add(time.Hour), Width: "1 hour"}, Format: dataset.CSV, Path: "-", Out: &out}
	_, err = e.Run(t.Context(), s.Pool())
	require.NoError(t, err)
	require.Equal(t, "symbol,interval,bucket,term,posts\nBTC,01:00:00,2024-05-01T00:00:00Z,tulips,2\nBTC,01:00:00,2024-05-01T00:00:00Z,word0,1\n"+
		"BTC,01:00:00,2024-05-01T00:00:00Z,word1,1\n", out.String())
	for want, q := range map[string]dataset.Question{
		`there is no coin "DUCK": there are AAVE`: {From: from, To: to, Symbol: "DUCK", Width: "1 hour"},
		"does not lie before":                     {From: to, To: from, Width: "1 hour"},
		"a width of 1 second is none":             {From: from, To: to, Width: "1 second"},
	} {
		e.Question = q
		_, err = e.Run(t.Context(), s.Pool())
		require.ErrorContains(t, err, want)
	}
	_, err = dataset.Find("tulips")
	require.ErrorContains(t, err, "there are tweets, sentiments, prices")
}

var _ dataset.Querier = (*pgx.Conn)(nil)
