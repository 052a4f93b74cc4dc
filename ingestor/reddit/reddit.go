// Package reddit reads the comments and submissions of chosen subreddits through Reddit's API, with the client credentials of
// an app.
//
// Protocol: https://support.reddithelp.com/hc/en-us/articles/16160319875092 and https://www.reddit.com/dev/api. Reddit has no
// stream: the listings /r/<subreddits>/comments and /new are asked again and again, each time back to what was read before and
// a little further ([Config.Overlap]), since things appear late; what is known by its full name is left out. A listing reaches
// back a thousand things: of a longer absence the rest is lost, and counted. An app has 100 requests a minute; the client keeps
// below, and heeds the X-Ratelimit headers.
//
// Counters, besides those of package feed:
//
//	overlap   things that were read again, and left out
//	gap       times that more came between two readings than a listing holds
//	refused   requests that Reddit refused
package reddit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/store"
	"rcas/telemetry"
)

// Config says what to read. Zero values mean the defaults.
type Config struct {
	// URL of the API, and of the endpoint for tokens, without paths. Default: https://oauth.reddit.com and
	// https://www.reddit.com; AuthURL follows URL where only that is set.
	URL, AuthURL string
	// ClientID and ClientSecret are an app's credentials. There is no default.
	ClientID     string
	ClientSecret feed.Secret
	// Username is the Reddit name of who runs RCAS; Reddit wants it in the User-Agent.
	Username string
	// Version of RCAS, likewise. Default: dev.
	Version string
	// Subreddits to read. Default: [DefaultSubreddits].
	Subreddits []string
	// Cursors keeps how far was read; nil starts with the newest thousand of each listing.
	Cursors ingestor.Cursors
	// HTTP opens all connections; nil means http.DefaultClient.
	HTTP *http.Client
	// Metrics and Log may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	// Every is the time between two readings. Default: 15 s.
	Every time.Duration
	// Overlap is how far a reading goes back behind the newest thing of the last one. Default: 2 min.
	Overlap time.Duration
	// Silence, Idle: see [feed.Runner]. Default: 5 min, and 2 h without a new thing.
	Silence, Idle time.Duration
	// Ladder is the back-off after errors. Default: 2 s doubling to 5 min.
	Ladder feed.Ladder
	// Requests is the rate of requests. Default: 1 a second.
	Requests rate.Limit
	// Save is the time between two saves of the position. Default: 5 s.
	Save time.Duration
	// Retry is the time after which subreddits that were not there are tried again. Default: 5 min.
	Retry time.Duration
}

// DefaultSubreddits speak of coins mostly.
func DefaultSubreddits() []string {
	return []string{"CryptoCurrency", "Bitcoin", "ethereum", "CryptoMarkets", "solana", "dogecoin", "BitcoinMarkets", "ethtrader"}
}

// Reddit is the source. It implements [ingestor.Source].
type Reddit struct {
	cfg   Config
	log   *slog.Logger
	state *feed.State
}

var _ ingestor.Source = (*Reddit)(nil)

// New returns the source, or says what is missing in the configuration.
func New(cfg Config) (*Reddit, error) {
	if cfg.ClientID == "" || cfg.ClientSecret == "" {
		return nil, errors.New("reddit: the client id and secret of an app are missing; make one at reddit.com/prefs/apps")
	}
	if cfg.Username == "" {
		return nil, errors.New("reddit: your Reddit user name is missing; Reddit wants to know who asks")
	}
	cfg.AuthURL = strings.TrimRight(cmp.Or(cfg.AuthURL, cfg.URL, "https://www.reddit.com"), "/")
	cfg.URL = strings.TrimRight(cmp.Or(cfg.URL, "https://oauth.reddit.com"), "/")
	cfg.Version = cmp.Or(cfg.Version, "dev")
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.Every = cmp.Or(cfg.Every, 15*time.Second)
	cfg.Overlap = cmp.Or(cfg.Overlap, 2*time.Minute)
	cfg.Silence = cmp.Or(cfg.Silence, 5*time.Minute)
	cfg.Idle = cmp.Or(cfg.Idle, 2*time.Hour)
	cfg.Ladder = cmp.Or(cfg.Ladder, feed.Ladder{First: 2 * time.Second, Max: 5 * time.Minute})
	cfg.Requests = cmp.Or(cfg.Requests, 1)
	cfg.Save = cmp.Or(cfg.Save, 5*time.Second)
	cfg.Retry = cmp.Or(cfg.Retry, 5*time.Minute)
	if len(cfg.Subreddits) == 0 {
		cfg.Subreddits = DefaultSubreddits()
	}
	return &Reddit{cfg: cfg, log: cfg.Log.With("source", Source), state: feed.NewState(Source, cfg.Log, cfg.Metrics)}, nil
}

// Name returns "reddit".
func (*Reddit) Name() string { return Source }

// Report tells how the source is doing.
func (s *Reddit) Report() store.FeedState { return s.state.Report() }

// Run reads until ctx ends.
func (s *Reddit) Run(ctx context.Context, sink ingestor.Sink) error {
	r := &reader{Reddit: s, sink: sink, newest: map[string]time.Time{}, there: slices.Clone(s.cfg.Subreddits)}
	r.rest = &feed.Client{
		HTTP: straight(s.cfg.HTTP), Limit: rate.NewLimiter(s.cfg.Requests, 5),
		UserAgent: fmt.Sprintf("%s:rcas:%s (by /u/%s)", runtime.GOOS, s.cfg.Version, s.cfg.Username),
	}
	if err := r.load(ctx); err != nil {
		return feed.UnlessEnded(ctx, err)
	}
	keeping, stop := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	defer keeper.Wait()
	defer stop()
	keeper.Go(func() { feed.KeepCursor(keeping, s.cfg.Cursors, sink, Source, s.cfg.Save, r.cursor, s.log) })
	runner := feed.Runner{
		Name: Source, Sink: sink, Log: s.cfg.Log, State: s.state, Silence: s.cfg.Silence, Idle: s.cfg.Idle,
		Ladder: func(error) feed.Ladder { return s.cfg.Ladder },
	}
	return runner.Run(ctx, func(sctx context.Context, session *feed.Session) error { return r.session(ctx, sctx, session) })
}

// straight is the client that follows no redirection: Reddit's lead to other things than those asked for.
func straight(client *http.Client) *http.Client {
	c := *cmp.Or(client, http.DefaultClient)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// listings are what is read of each subreddit.
var listings = [...]string{"comments", "new"}

// reader is one run of the source.
type reader struct {
	*Reddit
	sink    ingestor.Sink
	rest    *feed.Client
	token   string
	expires time.Time
	known   feed.Recent
	there   []string  // the subreddits that are read
	sought  time.Time // when those that are not were last looked for

	mu     sync.Mutex
	newest map[string]time.Time // by listing, the time of the newest thing read
}

// session reads all listings again and again until an error. Posts go to the sink with ctx, which outlives the session.
func (r *reader) session(ctx, sctx context.Context, session *feed.Session) error {
	for {
		if len(r.there) == 0 || len(r.there) < len(r.cfg.Subreddits) && time.Since(r.sought) > r.cfg.Retry {
			if err := r.seek(sctx, session); err != nil {
				return r.refused(err)
			}
		}
		for _, listing := range listings {
			err := r.read(ctx, sctx, session, listing)
			if absent(err) {
				err = r.seek(sctx, session) // one of them; Reddit does not say which
			}
			if err != nil {
				return r.refused(err)
			}
		}
		if err := feed.Sleep(sctx, r.cfg.Every); err != nil {
			return err
		}
	}
}

// absent tells whether an answer says that a subreddit is not there, or not for us: Reddit redirects to its search for subreddits, or
// answers 404, or 403 where one is private, banned or under quarantine.
func absent(err error) bool {
	if errors.Is(err, errNoSubreddit) {
		return true
	}
	status, ok := errors.AsType[*feed.StatusError](err)
	return ok && (status.Code == http.StatusNotFound || status.Code/100 == 3 || status.Code == http.StatusForbidden && reason(status) != "")
}

// reason is why Reddit keeps a subreddit to itself: "private", "banned", "quarantined", …; "" where it does not say.
func reason(status *feed.StatusError) string {
	var answer struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal([]byte(status.Body), &answer) // a firewall's page has none
	return answer.Reason
}

// seek looks which of the subreddits are there, one by one, and reads only these. It fails where none is.
func (r *reader) seek(ctx context.Context, session *feed.Session) error {
	var there []string
	var last error
	for _, subreddit := range r.cfg.Subreddits {
		_, err := r.page(ctx, session, []string{subreddit}, "new", "", 1)
		session.Alive()
		switch {
		case absent(err):
			last = fmt.Errorf("r/%s is not to be read: %w", subreddit, err)
			why := errNoSubreddit.Error()
			if status, ok := errors.AsType[*feed.StatusError](err); ok && reason(status) != "" {
				why = "reddit says that it is " + reason(status)
			}
			r.state.LeaveOut("r/"+subreddit, why)
			continue
		case err != nil:
			return err
		}
		r.state.TakeIn("r/" + subreddit)
		there = append(there, subreddit)
	}
	r.there, r.sought = there, time.Now()
	if len(there) == 0 {
		return feed.Later(last, r.cfg.Retry)
	}
	return nil
}

// maxPages is how many pages a listing has at most: it reaches back a thousand things.
const maxPages = 10

// read reads a listing, newest first, back to what was read before.
func (r *reader) read(ctx, sctx context.Context, session *feed.Session, listing string) error {
	r.mu.Lock()
	horizon := r.newest[listing]
	r.mu.Unlock()
	first := horizon.IsZero()
	horizon = horizon.Add(-r.cfg.Overlap)
	var newest, early time.Time
	after := ""
	for page := 1; ; page++ {
		got, err := r.page(sctx, session, r.there, listing, after, 100)
		if err != nil {
			return err
		}
		session.Alive()
		taken, refused, err := r.take(ctx, session, got)
		if err != nil {
			return err
		}
		newest = later(newest, taken)
		if !refused.IsZero() {
			early = refused // pages come newest first
		}
		after = got.After
		reached := len(got.Things) > 0 && got.Things[len(got.Things)-1].Time.Before(horizon)
		if reached || after == "" || page == maxPages {
			if !first && !reached && page == maxPages {
				r.sink.Count(Source, "gap", 1)
				r.log.Warn("more was said than a listing holds; what lies between is lost", "listing", listing, "since", horizon)
			}
			break
		}
	}
	if !early.IsZero() && newest.After(early) { // the clock was set back meanwhile
		newest = early
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if newest.After(r.newest[listing]) {
		r.newest[listing] = newest
	}
	return nil
}

// take hands on what is new of a page, and returns the time of the newest thing in it, and that of the oldest which was refused for lying
// ahead of this machine's clock: that is as if it had not been in it, and the next reading brings it again.
func (r *reader) take(ctx context.Context, session *feed.Session, page *Listing) (newest, refused time.Time, err error) {
	early := false
	ctx = ingestor.WithDrops(ctx, func(reason string) { early = reason == ingestor.DropFuture })
	for _, entry := range page.Malformed {
		r.sink.Drop(Source, "malformed")
		r.state.Illegible(entry)
	}
	r.state.Legible(len(page.Things))
	for _, thing := range page.Things {
		if r.known.Add(thing.Name) {
			r.sink.Count(Source, "overlap", 1)
			newest = later(newest, thing.Time)
			continue
		}
		session.Data()
		if thing.Post == nil {
			r.sink.Drop(Source, "removed")
			newest = later(newest, thing.Time)
			continue
		}
		thing.Post.ReceivedAt = time.Now().UTC()
		early = false
		if err := r.sink.Tweet(ctx, thing.Post); err != nil {
			return newest, refused, feed.Fatal(err)
		}
		if early {
			r.known.Forget(thing.Name)
			refused = thing.Time
			continue
		}
		newest = later(newest, thing.Time)
		r.state.Fresh("", thing.Time)
	}
	return newest, refused, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// page asks for one page of a listing, of n things.
func (r *reader) page(
	ctx context.Context, session *feed.Session, subreddits []string, listing, after string, n int,
) (*Listing, error) {
	if err := r.authorise(ctx); err != nil {
		return nil, err
	}
	query := url.Values{"limit": {strconv.Itoa(n)}, "raw_json": {"1"}}
	if after != "" {
		query.Set("after", after)
	}
	address := fmt.Sprintf("%s/r/%s/%s?%s", r.cfg.URL, strings.Join(subreddits, "+"), listing, query.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, feed.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	var page Listing
	header, err := r.rest.Do(request, &page)
	if err != nil {
		return nil, err
	}
	for wait := untilReset(header); wait > 0 && err == nil; wait -= r.cfg.Silence / 4 {
		err = feed.Sleep(ctx, min(wait, r.cfg.Silence/4))
		session.Alive() // silent by intent
	}
	return &page, err
}

// untilReset returns how long to wait where the window's requests are used up, by the X-Ratelimit headers.
func untilReset(header http.Header) time.Duration {
	remaining, err := strconv.ParseFloat(header.Get("X-Ratelimit-Remaining"), 64)
	if err != nil || remaining >= 2 {
		return 0
	}
	seconds, err := strconv.ParseFloat(header.Get("X-Ratelimit-Reset"), 64)
	if err != nil || !(seconds > 0 && seconds < 3600) {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// authorise gets a token where there is none or it is about to expire.
func (r *reader) authorise(ctx context.Context) error {
	if r.token != "" && time.Now().Before(r.expires) {
		return nil
	}
	form := strings.NewReader("grant_type=client_credentials")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.cfg.AuthURL+"/api/v1/access_token", form)
	if err != nil {
		return feed.Fatal(err)
	}
	request.SetBasicAuth(r.cfg.ClientID, string(r.cfg.ClientSecret))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		Token   string  `json:"access_token"`
		Expires float64 `json:"expires_in"`
		Error   string  `json:"error"`
	}
	_, err = r.rest.Do(request, &answer)
	if isStatus(err, http.StatusUnauthorized) {
		return feed.Fatal(fmt.Errorf("reddit does not accept the client id and secret: %w", err))
	}
	if err == nil && answer.Token == "" {
		err = fmt.Errorf("%w: an answer without a token: %.80q", feed.ErrMalformed, answer.Error)
	}
	if err != nil {
		return fmt.Errorf("ask reddit for a token: %w", err)
	}
	r.token = answer.Token
	r.expires = time.Now().Add(time.Duration(answer.Expires * 0.9 * float64(time.Second)))
	return nil
}

// refused counts a refusal and adds how long its headers ask to stay away. A token that is no longer accepted is forgotten.
func (r *reader) refused(err error) error {
	status, ok := errors.AsType[*feed.StatusError](err)
	if !ok || feed.IsFatal(err) {
		return err
	}
	r.sink.Count(Source, "refused", 1)
	if status.Code == http.StatusUnauthorized {
		r.token = ""
	}
	if status.Code == http.StatusTooManyRequests {
		return feed.Later(err, max(status.RetryAfter, untilReset(status.Header)))
	}
	return err
}

func isStatus(err error, code int) bool {
	status, ok := errors.AsType[*feed.StatusError](err)
	return ok && status.Code == code
}

func (r *reader) cursor() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.newest) == 0 {
		return ""
	}
	text, _ := json.Marshal(r.newest) // times always marshal
	return string(text)
}

// load takes up where the last run ended.
func (r *reader) load(ctx context.Context) error {
	saved := map[string]time.Time{}
	found, err := feed.LoadCursor(ctx, r.cfg.Cursors, Source, &saved, r.log)
	if !found {
		return err
	}
	maps.Copy(r.newest, saved)
	return nil
}
