package twitter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"rcas/ingestor/feed"
	"rcas/market"
)

// lookback is how far the recent search reaches back, less a margin.
const lookback = 7*24*time.Hour - 5*time.Minute

// How many posts a page may be asked to hold.
const (
	minResults = 10
	maxResults = 100
)

// search is the filling of one gap: all queries, page by page. It goes on where a failed request left it.
type search struct {
	from, to time.Time
	query    int    // index of the query under way
	token    string // of its next page
	refused  int    // queries that X refused
}

// fill searches what the stream did not cover, until ctx ends: gaps after reconnects and restarts, and, while there is no
// stream at all, the present. It returns an error only when nothing more can be done.
func (r *reader) fill(ctx context.Context) error {
	var s *search
	failures := 0
	for ctx.Err() == nil {
		if s == nil {
			s = r.nextSearch(time.Now())
		}
		if s == nil {
			_ = feed.Sleep(ctx, r.cfg.SearchEvery/4)
			continue
		}
		if left, _, _ := r.budget.Left(); left < minResults {
			s = nil
			r.coverage.forgive()
			continue
		}
		done, wait, err := r.step(ctx, s)
		switch {
		case ctx.Err() != nil:
			return nil
		case feed.IsFatal(err):
			return err
		case err != nil:
			r.sink.Count(Source, "refused", 1)
			wait = max(feed.Wait(err), r.cfg.ladder(err).Wait(failures, rand.Float64()))
			failures++
			r.log.Warn("search failed", "err", err, "wait", wait)
		default:
			failures = 0
		}
		if done {
			r.coverage.searched(s.to)
			s = nil
		}
		_ = feed.Sleep(ctx, wait)
	}
	return nil
}

// nextSearch returns what to search, or nil: a gap that the stream has left behind it, or, while it stays away, all up to now.
// The newest seconds are not asked for, since the index lags behind.
func (r *reader) nextSearch(now time.Time) *search {
	if left, _, _ := r.budget.Left(); left < minResults {
		return nil
	}
	r.coverage.begin(now)
	from, to, ok := r.coverage.gap(now.Add(-r.cfg.SearchLag))
	if !ok || now.Sub(from) < r.cfg.SearchEvery || now.Sub(to) < r.cfg.SearchLag {
		return nil
	}
	r.sink.Count(Source, "gap", 1)
	from = from.Add(-r.cfg.Overlap)
	if oldest := now.Add(-min(r.cfg.Reach, lookback)); from.Before(oldest) {
		r.sink.Count(Source, "out of reach", 1)
		r.log.Warn("part of a gap lies further back than is searched, and is lost", "from", from, "reach", oldest)
		from = oldest
	}
	return &search{from: from, to: to}
}

// step asks for one page. done tells that it was the last one; wait is how long the limits ask to wait before the next.
func (r *reader) step(ctx context.Context, s *search) (done bool, wait time.Duration, err error) {
	left, _, _ := r.budget.Left()
	query := fields()
	query.Set("query", r.queries[s.query].Value)
	query.Set("start_time", s.from.UTC().Truncate(time.Second).Format(time.RFC3339))
	query.Set("end_time", s.to.UTC().Truncate(time.Second).Add(time.Second).Format(time.RFC3339))
	query.Set("max_results", strconv.FormatInt(min(maxResults, max(minResults, left)), 10))
	if s.token != "" {
		query.Set("next_token", s.token)
	}
	request, err := r.request(ctx, http.MethodGet, "/2/tweets/search/recent?"+query.Encode(), nil)
	if err != nil {
		return false, 0, feed.Fatal(err)
	}
	var p page
	header, err := r.rest.Do(request, &p)
	switch {
	case isStatus(err, http.StatusBadRequest):
		done, err = r.skip(s, err)
		return done, untilReset(header, time.Now()), err
	case err != nil:
		return false, 0, r.refused(limited(err))
	}
	unsaved := r.spend(ctx, len(p.posts)+p.malformed)
	for range p.malformed {
		r.sink.Drop(Source, "malformed")
	}
	for _, t := range p.posts {
		if !r.recent.Add(t.ID) {
			r.sink.Count(Source, "repaired", 1)
		}
		if err := r.take(ctx, t); err != nil {
			return false, 0, err
		}
	}
	if s.token = p.next; s.token == "" {
		s.query++
	}
	return s.query >= len(r.queries), untilReset(header, time.Now()), unsaved
}

// skip passes over the query under way, which X does not understand: it would not the next time either, and the other coins
// would wait for ever. Where X refuses every query, the fault is none of theirs, and the search begins anew after a while.
func (r *reader) skip(s *search, cause error) (done bool, err error) {
	s.refused++
	if s.refused == len(r.queries) {
		s.query, s.token, s.refused = 0, "", 0
		return false, cause
	}
	r.sink.Count(Source, "refused", 1)
	if query := r.queries[s.query]; !r.skipped[s.query] {
		r.skipped[s.query] = true
		r.log.Error("x refused a search, its posts are not searched for: change the coin in the assets file, or the filter",
			"coin", query.Tag, "query", query.Value, "err", cause)
	}
	s.query, s.token = s.query+1, ""
	return s.query >= len(r.queries), nil
}

// refused makes an answer that no later one will differ from fatal: a token that is not accepted.
func (r *reader) refused(err error) error {
	if isStatus(err, http.StatusUnauthorized) {
		return feed.Fatal(fmt.Errorf("x does not accept the bearer token: %w", err))
	}
	return err
}

// take hands a post on.
func (r *reader) take(ctx context.Context, t *market.Tweet) error {
	t.ReceivedAt = time.Now().UTC()
	return feed.Fatal(r.sink.Tweet(ctx, t))
}

// fields are the parameters that say what to tell of each post.
func fields() url.Values {
	return url.Values{
		"tweet.fields": {"created_at,lang,public_metrics,author_id,referenced_tweets,note_tweet"},
		"expansions":   {"author_id"},
		"user.fields":  {"public_metrics,username"},
	}
}

// untilReset returns how long to wait where the window's requests are used up, by the x-rate-limit headers.
func untilReset(header http.Header, now time.Time) time.Duration {
	if header.Get("x-rate-limit-remaining") != "0" {
		return 0
	}
	reset, err := strconv.ParseInt(header.Get("x-rate-limit-reset"), 10, 64)
	if err != nil {
		return 0
	}
	return min(max(0, time.Unix(reset, 0).Sub(now)), 16*time.Minute)
}

// limited adds to a refusal how long its x-rate-limit headers ask to wait.
func limited(err error) error {
	status, ok := errors.AsType[*feed.StatusError](err)
	if !ok || status.Code != http.StatusTooManyRequests {
		return err
	}
	return feed.Later(err, max(untilReset(status.Header, time.Now()), status.RetryAfter))
}

func isStatus(err error, code int) bool {
	status, ok := errors.AsType[*feed.StatusError](err)
	return ok && status.Code == code
}
