package twitter

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rcas/ingestor"
	"rcas/ingestor/feed"
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
	query    int           // index of the query under way
	token    string        // of its next page
	refused  map[int]error // queries that X refused
}

// noSearch is the fault of searches that X does not answer.
const noSearch = "what the stream missed cannot be searched for; trying again"

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
			r.state.Fault(noSearch, err)
		default:
			failures = 0
			r.state.Over(noSearch)
		}
		if done {
			r.coverage.searched(s.to)
			for i, why := range s.refused {
				r.state.LeaveOut(name("search for", r.queries, i), why.Error())
			}
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
	from, to, ok := r.coverage.gap(now.Add(-r.cfg.SearchLag - r.behind))
	if !ok || now.Sub(from) < r.cfg.SearchEvery || now.Sub(to) < r.cfg.SearchLag+r.behind {
		return nil
	}
	r.sink.Count(Source, "gap", 1)
	from = from.Add(-r.cfg.Overlap)
	if oldest := now.Add(-min(r.cfg.Reach, lookback)); from.Before(oldest) {
		r.sink.Count(Source, "out of reach", 1)
		r.log.Warn("part of a gap lies further back than is searched, and is lost", "from", from, "reach", oldest)
		from = oldest
	}
	return &search{from: from, to: to, refused: map[int]error{}}
}

// step asks for one page. done tells that it was the last one; wait is how long the limits ask to wait before the next.
func (r *reader) step(ctx context.Context, s *search) (done bool, wait time.Duration, err error) {
	left, _, _ := r.budget.Left()
	query := r.fields()
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
	case isStatus(err, http.StatusBadRequest) && aboutTime(err):
		return false, 0, r.early(s, err)
	case isStatus(err, http.StatusBadRequest):
		done, err = r.skip(s, said(err))
		return done, untilReset(header, time.Now()), err
	case err != nil:
		return false, 0, r.refused(limited(err))
	}
	r.state.TakeIn(name("search for", r.queries, s.query))
	unsaved := r.spend(ctx, p.bill)
	for _, post := range p.malformed {
		r.sink.Drop(Source, "malformed")
		r.state.Illegible(post)
	}
	r.state.Legible(len(p.posts))
	for _, t := range p.posts {
		known := r.recent.Add(t.ID)
		if !known {
			r.sink.Count(Source, "repaired", 1)
		}
		early, err := r.take(ctx, t, known)
		if err != nil {
			return false, 0, err
		}
		if early {
			return false, 0, feed.Later(errors.New("what a search brings lies ahead of this machine's clock"), r.cfg.SearchLag)
		}
	}
	if s.token = p.next; s.token == "" {
		s.query++
	}
	return s.query >= len(r.queries), untilReset(header, time.Now()), unsaved
}

// aboutTime tells whether X refuses the times of a search rather than its query.
func aboutTime(err error) bool {
	status, _ := errors.AsType[*feed.StatusError](err)
	return strings.Contains(status.Body, "end_time") || strings.Contains(status.Body, "start_time")
}

// early keeps a search whose times X refuses: by X's clock its end has not come yet, or its beginning lies too far back. That is this
// machine's clock and no coin's fault. The same end passes a little later, and the searches that follow stay as much further behind.
func (r *reader) early(s *search, cause error) error {
	status, _ := errors.AsType[*feed.StatusError](cause)
	if strings.Contains(status.Body, "start_time") && !strings.Contains(status.Body, "end_time") {
		s.from = s.from.Add(time.Minute)
		return feed.Later(fmt.Errorf("x says that a search begins too far back; is this machine's clock slow? It is tried again: %w", said(cause)), 0)
	}
	r.behind = min(r.behind+r.cfg.SearchLag, maxBehind)
	return feed.Later(fmt.Errorf("x says that the end of a search has not come yet: this machine's clock is fast. "+
		"The same search is tried again: %w", said(cause)), r.cfg.SearchLag)
}

// maxBehind bounds how much further behind the present searches stay where this machine's clock is fast.
const maxBehind = 10 * time.Minute

// skip passes over the query under way, which X does not understand: it would not the next time either, and the other coins
// would wait for ever. Where X refuses every query, the fault is none of theirs, and the search begins anew after a while.
func (r *reader) skip(s *search, cause error) (done bool, err error) {
	s.refused[s.query] = cause
	if len(s.refused) == len(r.queries) {
		s.query, s.token = 0, ""
		clear(s.refused)
		return false, cause
	}
	r.sink.Count(Source, "refused", 1)
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

// take hands a post on. An edit of one that is known is the same post. early tells that it was refused for lying ahead of this machine's
// clock, and is not known therefore.
func (r *reader) take(ctx context.Context, p Post, known bool) (early bool, err error) {
	if p.Edit && known {
		r.sink.Count(Source, "edit", 1)
		return false, nil
	}
	p.ReceivedAt = time.Now().UTC()
	err = r.sink.Tweet(ingestor.WithDrops(ctx, func(reason string) { early = reason == ingestor.DropFuture }), p.Tweet)
	if early {
		r.recent.Forget(p.ID)
	} else {
		r.state.Fresh("", p.Time)
	}
	return early, feed.Fatal(err)
}

// fields are the parameters that say what to tell of each post. X bills the users and the posts that are asked for beside it: users
// are needed for the name and the followers of the author, the posts for the whole text of reposts.
func (t *Twitter) fields() url.Values {
	values := url.Values{"tweet.fields": {"created_at,lang,public_metrics,author_id,referenced_tweets,note_tweet,edit_history_tweet_ids"}}
	var expansions []string
	if t.reposts() {
		expansions = append(expansions, "referenced_tweets.id")
	}
	if !t.cfg.NoUsers {
		expansions = append(expansions, "author_id")
		values.Set("user.fields", "public_metrics,username")
	}
	if len(expansions) > 0 {
		values.Set("expansions", strings.Join(expansions, ","))
	}
	return values
}

// reposts tells whether reposts are read.
func (t *Twitter) reposts() bool {
	return !slices.Contains(strings.Fields(strings.ToLower(t.cfg.Filter)), "-is:retweet")
}

// most is what X may bill for one post that is asked for: itself, one that it refers to, its author.
func (t *Twitter) most() Bill {
	most := Bill{Posts: 1}
	if t.reposts() {
		most.Posts++
	}
	if !t.cfg.NoUsers {
		most.Users++
	}
	return most
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

// problemError is an answer by which X refuses, told by its own words.
type problemError struct {
	*feed.StatusError
	title, detail string
}

func (e *problemError) Error() string {
	return fmt.Sprintf("HTTP %d: x says %s: %s", e.Code, cmp.Or(e.title, http.StatusText(e.Code)), e.detail)
}

func (e *problemError) Unwrap() error { return e.StatusError }

// said makes a refusal say all that X says, where X says something.
func said(err error) error {
	status, ok := errors.AsType[*feed.StatusError](err)
	if _, done := errors.AsType[*problemError](err); !ok || done {
		return err
	}
	var answer struct {
		problem
		Errors []refusal `json:"errors"`
	}
	if json.Unmarshal([]byte(status.Body), &answer) != nil {
		return err
	}
	title, detail := answer.Title, []string{answer.Detail}
	for _, p := range answer.Errors {
		title = cmp.Or(title, p.Title)
		if reason := p.reason(); !slices.Contains(detail, reason) {
			detail = append(detail, reason)
		}
	}
	text := strings.Join(slices.DeleteFunc(detail, func(s string) bool { return s == "" }), "; ")
	if title == "" && text == "" {
		return err
	}
	return &problemError{StatusError: status, title: title, detail: text}
}

// refusal is one of the reasons of an answer to rules or to parameters.
type refusal struct {
	problem
	Value   string   `json:"value"` // the rule
	Details []string `json:"details"`
	Message string   `json:"message"`
}

// reason is all that X says.
func (p *refusal) reason() string {
	parts := append([]string{p.Title, p.Detail, p.Message}, p.Details...)
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

// capWait is the wait after X said that there is nothing more to be had this month or for the credits there are. Somebody may raise
// them, so it is less than what is left of the month.
const capWait = 3 * time.Hour

// limited adds to a refusal what X says, and how long to wait: until the window of its x-rate-limit headers ends, or for hours where
// the cap of X's product or the credits are used up, which those headers do not know of.
func limited(err error) error {
	err = said(err)
	status, ok := errors.AsType[*feed.StatusError](err)
	switch told, _ := errors.AsType[*problemError](err); {
	case !ok:
		return err
	case status.Code == http.StatusPaymentRequired, told != nil && told.title == "CreditsDepleted":
		return feed.Later(fmt.Errorf("the credits of the X account are used up, buy more in X's console; asked again in %s: %w", capWait, err), capWait)
	case told != nil && told.title == "UsageCapExceeded":
		return feed.Later(fmt.Errorf("the monthly cap of the X product is reached (X's own, not the budget of RCAS): nothing can be read until "+
			"it is raised or its month ends; asked again in %s: %w", capWait, err), capWait)
	case status.Code == http.StatusTooManyRequests:
		return feed.Later(err, max(untilReset(status.Header, time.Now()), status.RetryAfter))
	}
	return err
}

func isStatus(err error, code int) bool {
	status, ok := errors.AsType[*feed.StatusError](err)
	return ok && status.Code == code
}
