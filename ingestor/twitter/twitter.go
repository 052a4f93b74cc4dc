// Package twitter reads the posts of X (Twitter) about coins: its API v2, with a bearer token.
//
// Protocol: https://docs.x.com/x-api. The filtered stream (GET /2/tweets/search/stream) delivers the posts that match the
// stream's rules, which are made from the assets file and kept as wanted on X: they are RCAS's own, so give it an app of its
// own. What the stream could not deliver, because it was down or RCAS was, the recent search brings
// (GET /2/tweets/search/recent, seven days back); where X grants no stream, the search alone reads on, a minute behind.
//
// X bills every post and every user read. The client counts both per day and month, over restarts, and stops reading with a clear
// word when the budget ([Limits]) is spent, until the next day or month.
//
// X does not tell these clients of deletions. It tells an edit as a post of its own; here it is the first version's post, whose text
// stays where it was read. The bearer token is never logged.
//
// Counters, besides those of package feed:
//
//	duplicate     posts that came again
//	edit          later versions of posts that are known
//	gap           stretches of time that the stream missed and a search was made for
//	repaired      posts that a search brought
//	out of reach  gaps of which a part lies further back than is searched
//	refused       rules and requests that X refused
//	budget        times that the budget was spent
package twitter

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/market"
	"rcas/store"
	"rcas/telemetry"
)

// Config says what to read and how much of it. Zero values mean the defaults.
type Config struct {
	// URL of the API, without a path. Default: https://api.x.com.
	URL string
	// Token is the app's bearer token. There is no default.
	Token feed.Secret
	// Assets are the coins to read about.
	Assets []market.Asset
	// Filter is added to every rule and query: "lang:en -is:retweet". Default: none.
	Filter string
	// NoUsers asks for no users: X bills each at twice the price of a post. Posts then have their author's number instead of the name,
	// and no followers.
	NoUsers bool
	// Limits are the budget.
	Limits
	// Reach is how far back gaps are searched, seven days at most; it keeps a restart after days from spending the budget on
	// the past. Default: 6 h.
	Reach time.Duration
	// Cursors keeps the position and the counts of posts. Nil forgets both with the process, the budget too.
	Cursors ingestor.Cursors
	// HTTP opens all connections; nil means http.DefaultClient. It must have no timeout: the stream is one long answer.
	HTTP *http.Client
	// Metrics and Log may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	Timing
}

// Timing holds the durations. Zero values mean X's documented ones.
type Timing struct {
	// Silence ends a stream that sent nothing. Default: 20 s, which is how often X sends a keep-alive at least.
	Silence time.Duration
	// Idle ends a stream without posts. Default: 30 min.
	Idle time.Duration
	// Network, HTTP, RateLimit are the back-offs after errors of the connection (default: at once, then 250 ms more each
	// time, to 16 s), after other answers than 200 (5 s doubling to 320 s) and after 429 (60 s doubling to 16 min).
	Network, HTTP, RateLimit feed.Ladder
	// SearchEvery is how long a gap may last before it is searched, and the time between searches without a stream. Default:
	// 1 min.
	SearchEvery time.Duration
	// SearchLag is how far the search stays behind the present. Default: 15 s; X demands 10.
	SearchLag time.Duration
	// Overlap is how much earlier than the gap a search begins: posts reach the stream with delay. Default: 10 s.
	Overlap time.Duration
	// Requests is the rate of requests to everything but the stream, Connects that of connections to it. Default: 450 and 50
	// in 15 minutes.
	Requests, Connects rate.Limit
	// Save is the time between two saves of the position. Default: 5 s.
	Save time.Duration
	// Quiet is for how long no post may have been refused for lying ahead of this machine's clock until that is taken to be right again.
	// Each time costs a search, which X bills. Default: 1 min.
	Quiet time.Duration
	// Rules is the time after which rules that X refused are tried again. Default: 5 min.
	Rules time.Duration
}

func (t Timing) withDefaults() Timing {
	t.Silence = cmp.Or(t.Silence, 20*time.Second)
	t.Idle = cmp.Or(t.Idle, 30*time.Minute)
	t.Network = cmp.Or(t.Network, feed.Ladder{Step: 250 * time.Millisecond, Max: 16 * time.Second, Exact: true})
	t.HTTP = cmp.Or(t.HTTP, feed.Ladder{First: 5 * time.Second, Max: 320 * time.Second, Exact: true})
	t.RateLimit = cmp.Or(t.RateLimit, feed.Ladder{First: time.Minute, Max: 16 * time.Minute, Exact: true})
	t.SearchEvery = cmp.Or(t.SearchEvery, time.Minute)
	t.SearchLag = cmp.Or(t.SearchLag, 15*time.Second)
	t.Overlap = cmp.Or(t.Overlap, 10*time.Second)
	t.Requests = cmp.Or(t.Requests, rate.Every(2*time.Second))
	t.Connects = cmp.Or(t.Connects, rate.Every(18*time.Second))
	t.Save = cmp.Or(t.Save, 5*time.Second)
	t.Quiet = cmp.Or(t.Quiet, time.Minute)
	t.Rules = cmp.Or(t.Rules, 5*time.Minute)
	return t
}

// ladder chooses the back-off that X documents for an error.
func (t Timing) ladder(err error) feed.Ladder {
	status, refused := errors.AsType[*feed.StatusError](err)
	stream, told := errors.AsType[*StreamError](err)
	switch {
	case refused && status.Code == http.StatusTooManyRequests:
		return t.RateLimit
	case refused, told && stream.Connections:
		return t.HTTP
	}
	return t.Network
}

// Twitter is the source. It implements [ingestor.Source].
type Twitter struct {
	cfg            Config
	log            *slog.Logger
	state          *feed.State
	rules, queries []Rule
}

var _ ingestor.Source = (*Twitter)(nil)

// New returns the source, or says what is missing in the configuration.
func New(cfg Config) (*Twitter, error) {
	cfg.URL = strings.TrimRight(cmp.Or(cfg.URL, "https://api.x.com"), "/")
	cfg.Limits = cfg.Limits.withDefaults()
	cfg.Reach = cmp.Or(cfg.Reach, 6*time.Hour)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.HTTP = cmp.Or(cfg.HTTP, http.DefaultClient)
	cfg.Timing = cfg.Timing.withDefaults()
	if cfg.Token == "" {
		return nil, errors.New("twitter: the bearer token of an X app is missing")
	}
	rules, err := Rules(cfg.Assets, cfg.Filter, maxRuleBytes)
	if err != nil {
		return nil, fmt.Errorf("twitter: %w", err)
	}
	queries, err := Rules(cfg.Assets, cfg.Filter, maxQuery)
	if err != nil {
		return nil, fmt.Errorf("twitter: %w", err)
	}
	if cfg.PostPrice < 0 || cfg.UserPrice < 0 {
		return nil, errors.New("twitter: the price of a post or of a user is negative; give what X takes, in dollars")
	}
	if len(rules) == 0 {
		return nil, errors.New("twitter: no coins to read about; name some in the assets file")
	}
	return &Twitter{cfg: cfg, log: cfg.Log.With("source", Source), state: feed.NewState(Source, cfg.Log, cfg.Metrics), rules: rules, queries: queries}, nil
}

// Name returns "twitter".
func (*Twitter) Name() string { return Source }

// Report tells how the source is doing.
func (t *Twitter) Report() store.FeedState { return t.state.Report() }

// Run reads until ctx ends.
func (t *Twitter) Run(parent context.Context, sink ingestor.Sink) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	r := &reader{
		Twitter: t, sink: sink, budget: NewBudget(t.cfg.Limits, t.most(), time.Now),
		rest:     &feed.Client{HTTP: t.cfg.HTTP, Limit: rate.NewLimiter(t.cfg.Requests, 10)},
		connects: rate.NewLimiter(t.cfg.Connects, 10),
	}
	r.coverage.quiet = t.cfg.Quiet
	if err := r.load(ctx); err != nil {
		return feed.UnlessEnded(ctx, err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		if err := r.fill(ctx); err != nil {
			cancel(err)
		}
	})
	work.Go(func() { r.retryRules(ctx) })
	work.Go(func() { feed.KeepCursor(ctx, t.cfg.Cursors, sink, Source, t.cfg.Save, r.coverage.cursor, t.log) })
	runner := feed.Runner{
		Name: Source, Sink: sink, Log: t.cfg.Log, State: t.state, Silence: t.cfg.Silence, Idle: t.cfg.Idle, Ladder: t.cfg.ladder,
	}
	err := runner.Run(ctx, func(sctx context.Context, session *feed.Session) error { return r.session(ctx, sctx, session) })
	cancel(err)
	work.Wait()
	last, done := context.WithTimeout(context.WithoutCancel(parent), 5*time.Second)
	defer done()
	if err := r.saveBudget(last, r.budget.Saved()); err != nil {
		t.log.Warn("a few posts more than were read stay counted", "err", err)
	}
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// budgetCursor is the name under which the counts of posts are saved.
const budgetCursor = Source + "/budget"

// reader is one run of the source.
type reader struct {
	*Twitter
	sink     ingestor.Sink
	rest     *feed.Client
	connects *rate.Limiter
	budget   *Budget
	spending sync.Mutex // held until what was spent is saved, so that the saved count only grows
	coverage coverage
	recent   feed.Recent
	behind   time.Duration // by how much more than [Timing.SearchLag] searches stay behind this machine's clock; of fill alone

	ruling  sync.Mutex // held while the stream's rules are changed
	ruled   bool       // they are those wanted, as far as X takes them
	lacking bool       // X does not take all
}

// session is one connection to the stream. Data goes to the sink with ctx, which outlives the session.
func (r *reader) session(ctx, sctx context.Context, session *feed.Session) error {
	if err := r.overspent(); err != nil {
		return err
	}
	if err := r.syncRules(sctx, false); err != nil {
		return r.refused(err)
	}
	session.Alive()
	if reserved := r.connects.Reserve(); reserved.Delay() > 0 {
		delay := reserved.Delay()
		reserved.Cancel()
		return feed.Later(errors.New("x allows 50 connections in 15 minutes, and they are used up"), delay)
	}
	request, err := r.request(sctx, http.MethodGet, "/2/tweets/search/stream?"+r.fields().Encode(), nil)
	if err != nil {
		return feed.Fatal(err)
	}
	response, err := r.cfg.HTTP.Do(request)
	if err != nil {
		return fmt.Errorf("connect to the stream: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("connect to the stream: %w", r.refused(limited(feed.Refusal(response))))
	}
	r.coverage.connected(time.Now())
	defer r.coverage.disconnected()
	return r.lines(ctx, session, response.Body)
}

// lines reads the stream line by line. Anything that arrives is a sign of life; an empty line is a keep-alive.
func (r *reader) lines(ctx context.Context, session *feed.Session, body io.Reader) error {
	session.Alive()
	scanner := bufio.NewScanner(signs{body, session})
	scanner.Buffer(make([]byte, 0, 64<<10), feed.MaxMessage)
	for scanner.Scan() {
		if line := bytes.TrimSpace(scanner.Bytes()); len(line) > 0 {
			if err := r.line(ctx, session, line); err != nil {
				return err
			}
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	return errors.New("x closed the stream")
}

func (r *reader) line(ctx context.Context, session *feed.Session, line []byte) error {
	t, bill, err := Decode(line)
	if err != nil && !errors.Is(err, feed.ErrMalformed) {
		return err
	}
	unsaved := r.spend(ctx, bill)
	if err != nil {
		r.sink.Drop(Source, "malformed")
		r.state.Illegible(line)
		return unsaved
	}
	session.Data()
	r.state.Legible(1)
	known := r.recent.Add(t.ID)
	if known && !t.Edit {
		r.sink.Count(Source, "duplicate", 1)
	}
	early, err := r.take(ctx, t, known)
	switch {
	case err != nil:
		return err
	case early:
		r.coverage.early(time.Now())
	case r.coverage.delivered(t.Time, time.Now()):
		err = fmt.Errorf("%w: this machine's clock is right again; what was refused meanwhile is searched for", feed.ErrAgain)
	}
	if unsaved != nil || err != nil {
		return errors.Join(unsaved, err)
	}
	return r.overspent()
}

// spend counts what was read before they are handed on. Its error is that the count could not be saved: no more should be read until
// it can, but what was read is good.
func (r *reader) spend(ctx context.Context, bill Bill) error {
	r.spending.Lock()
	defer r.spending.Unlock()
	due := r.budget.Spend(bill)
	if due == "" {
		return nil
	}
	err := r.saveBudget(ctx, due)
	if err != nil {
		r.budget.Unsaved()
	}
	return err
}

func (r *reader) saveBudget(ctx context.Context, counts string) error {
	if r.cfg.Cursors == nil {
		return nil
	}
	if err := r.cfg.Cursors.SaveCursor(ctx, budgetCursor, counts); err != nil {
		return fmt.Errorf("save the count of posts, which guards the budget: %w", err)
	}
	return nil
}

// overspent says that the budget is spent, if it is, and when to come back.
func (r *reader) overspent() error {
	left, until, word := r.budget.Left()
	if left > 0 {
		return nil
	}
	r.sink.Count(Source, "budget", 1)
	r.coverage.forgive()
	return feed.Later(fmt.Errorf("x: %s; reading goes on at %s", word, until.Format(time.RFC3339)), time.Until(until))
}

// signs reports every read that brought something.
type signs struct {
	io.Reader
	session *feed.Session
}

func (s signs) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if n > 0 {
		s.session.Alive()
	}
	return n, err
}

// request makes a request with the token.
func (r *reader) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.cfg.URL+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+string(r.cfg.Token))
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

func (r *reader) get(ctx context.Context, path string, answer any) error {
	request, err := r.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return feed.Fatal(err)
	}
	_, err = r.rest.Do(request, answer)
	return limited(err)
}

// load takes up where the last run ended. Counts that can't be read end the run: they guard money.
func (r *reader) load(ctx context.Context) error {
	if r.cfg.Cursors == nil {
		return nil
	}
	var position saved
	if found, err := feed.LoadCursor(ctx, r.cfg.Cursors, Source, &position, r.log); err != nil {
		return err
	} else if found {
		r.coverage.resume(position)
	}
	counts, err := r.cfg.Cursors.LoadCursor(ctx, budgetCursor)
	if err != nil {
		return fmt.Errorf("load the count of posts: %w", err)
	}
	return r.budget.Load(counts)
}
