// Package news reads articles from the RSS, Atom and JSON Feed documents of newspapers, blogs and exchanges. No key is needed.
//
// Formats: https://www.rssboard.org/rss-specification, https://www.rfc-editor.org/rfc/rfc4287, read by github.com/mmcdole/gofeed. Each
// document is asked for again and again ([Config.Every]), and only if it has changed since, as it tells itself: by If-None-Match and
// If-Modified-Since. An article is a post whose author is the host that it stands on; its identifier is its address. Articles of which the
// document tells no time are left out, since windows are about times.
//
// A document that is not to be had costs itself only: it is named, and tried again, each time later, ten minutes at last. What lies ahead
// of its own host's clock, as articles do whose feed is wrong about its time zone, is taken when its time has come.
//
// Counters, besides those of package feed:
//
//	unchanged  answers that a document is as it was
//	ahead      articles in a document that its host dates later than its own clock
//	refused    answers that are no document
package news

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/market"
	"rcas/store"
	"rcas/telemetry"
)

// Config says what to read. Zero values mean the defaults.
type Config struct {
	// Feeds are the addresses of the documents. There is no default.
	Feeds []string
	// Every is the time between two looks at a document. Default: 5 min; a minute at least.
	Every time.Duration
	// Version of RCAS, which hosts are told. Default: dev.
	Version string
	// PastWeeks bounds how many weeks of the past articles may be of: see [feed.Past]. Default: [feed.PastWeeks].
	PastWeeks *int
	// Cursors keeps what is known of each document; nil reads all of each again.
	Cursors ingestor.Cursors
	// HTTP opens all connections; nil means http.DefaultClient.
	HTTP *http.Client
	// Metrics and Log may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	// Ladder is the back-off for a document that is not to be had. Default: 30 s doubling to 10 min.
	Ladder feed.Ladder
	// Save is the time between two saves of the position. Default: 5 s.
	Save time.Duration
}

// leastEvery is how often a document may be looked at.
const leastEvery = time.Minute

// maxDocument bounds a document, in bytes.
const maxDocument = 8 << 20

// maxFeeds bounds the number of documents, each of which has a connection at times.
const maxFeeds = 500

// News is the source. It implements [ingestor.Source].
type News struct {
	cfg   Config
	log   *slog.Logger
	state *feed.State
	feeds []*url.URL
}

var _ ingestor.Source = (*News)(nil)

// New returns the source, or says what is wrong in the configuration.
func New(cfg Config) (*News, error) {
	if len(cfg.Feeds) == 0 {
		return nil, errors.New("news: there is nothing to read; list the addresses of RSS or Atom feeds under feeds")
	}
	if len(cfg.Feeds) > maxFeeds {
		return nil, fmt.Errorf("news: %d feeds are more than %d", len(cfg.Feeds), maxFeeds)
	}
	if cfg.Every != 0 && cfg.Every < leastEvery {
		return nil, fmt.Errorf("news: every %s is too often for the hosts; a minute is the least", cfg.Every)
	}
	return newNews(cfg)
}

func newNews(cfg Config) (*News, error) {
	cfg.Every = cmp.Or(cfg.Every, 5*time.Minute)
	cfg.Version = cmp.Or(cfg.Version, "dev")
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.Ladder = cmp.Or(cfg.Ladder, feed.Ladder{First: 30 * time.Second, Max: 10 * time.Minute, Exact: true})
	cfg.Save = cmp.Or(cfg.Save, 5*time.Second)
	n := &News{cfg: cfg, log: cfg.Log.With("source", Source), state: feed.NewState(Source, cfg.Log, cfg.Metrics)}
	for _, address := range cfg.Feeds {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("news: %q is no address that begins with https:// or http://", address)
		}
		if !slices.ContainsFunc(n.feeds, func(other *url.URL) bool { return other.String() == u.String() }) {
			n.feeds = append(n.feeds, u)
		}
	}
	return n, nil
}

// Name returns "news".
func (*News) Name() string { return Source }

// Report tells how the source is doing.
func (n *News) Report() store.FeedState { return n.state.Report() }

// Run reads until ctx ends.
func (n *News) Run(ctx context.Context, sink ingestor.Sink) error {
	r := &reader{
		News: n, sink: sink, past: feed.Past{Weeks: feed.PastWeeks}, marks: map[string]mark{},
		rest: &feed.Client{
			HTTP: n.cfg.HTTP, Limit: rate.NewLimiter(10, 10), MaxAnswer: maxDocument,
			UserAgent: "rcas/" + n.cfg.Version + " (reads feeds)",
		},
	}
	if n.cfg.PastWeeks != nil {
		r.past.Weeks = *n.cfg.PastWeeks
	}
	if _, err := feed.LoadCursor(ctx, n.cfg.Cursors, Source, &r.marks, n.log); err != nil {
		return feed.UnlessEnded(ctx, err)
	}
	keeping, stop := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	defer keeper.Wait()
	defer stop()
	keeper.Go(func() { feed.KeepCursor(keeping, n.cfg.Cursors, sink, Source, n.cfg.Save, r.cursor, n.log) })
	runner := feed.Runner{
		Name: Source, Sink: sink, Log: n.cfg.Log, State: n.state, Idle: max(3*n.cfg.Every, 15*time.Minute),
		Ladder: func(error) feed.Ladder { return n.cfg.Ladder },
	}
	return runner.Run(ctx, func(sctx context.Context, session *feed.Session) error {
		all, sctx := errgroup.WithContext(sctx)
		for _, address := range n.feeds {
			all.Go(func() error { return r.follow(ctx, sctx, session, address) })
		}
		return all.Wait()
	})
}

// reader is one run of the source.
type reader struct {
	*News
	sink  ingestor.Sink
	rest  *feed.Client
	past  feed.Past
	known feed.Recent

	mu    sync.Mutex
	marks map[string]mark // by the document's address
}

// mark is what is known of a document.
type mark struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
	// Seen are hashes of the identifiers in it: articles whose time is changed later are still the same.
	Seen []string `json:"seen,omitempty"`
}

// follow looks at one document again and again until sctx ends. Articles go to the sink with ctx, which outlives the session.
func (r *reader) follow(ctx, sctx context.Context, session *feed.Session, address *url.URL) error {
	failures := 0
	for {
		wait := r.cfg.Every
		err := r.look(ctx, sctx, address)
		switch {
		case sctx.Err() != nil:
			return sctx.Err()
		case feed.IsFatal(err):
			return err
		case err != nil:
			r.sink.Count(Source, "refused", 1)
			r.state.LeaveOut(address.Redacted(), err.Error())
			if errors.Is(err, feed.ErrMalformed) {
				r.state.Illegible([]byte(err.Error()))
			}
			wait = max(r.cfg.Ladder.Wait(failures, rand.Float64()), feed.Wait(err))
			failures++
		default:
			failures = 0
			session.Data()
			r.state.Legible(1)
			r.state.TakeIn(address.Redacted())
		}
		if err := feed.Sleep(sctx, wait); err != nil {
			return err
		}
	}
}

// look asks for a document, if it has changed, and hands on what is new in it.
func (r *reader) look(ctx, sctx context.Context, address *url.URL) error {
	key := address.String()
	r.mu.Lock()
	last := r.marks[key]
	r.mu.Unlock()
	request, err := http.NewRequestWithContext(sctx, http.MethodGet, key, nil)
	if err != nil {
		return feed.Fatal(err)
	}
	request.Header.Set("Accept", "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5")
	if last.ETag != "" {
		request.Header.Set("If-None-Match", last.ETag)
	}
	if last.Modified != "" {
		request.Header.Set("If-Modified-Since", last.Modified)
	}
	document, header, err := r.rest.Raw(request)
	if status, ok := errors.AsType[*feed.StatusError](err); ok && status.Code == http.StatusNotModified {
		r.sink.Count(Source, "unchanged", 1)
		return nil
	}
	if err != nil {
		return err
	}
	articles, dateless, err := Decode(document, address)
	if err != nil {
		return err
	}
	for range dateless {
		r.sink.Drop(Source, "no time")
	}
	next := mark{ETag: header.Get("ETag"), Modified: header.Get("Last-Modified")}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	early, err := r.take(ctx, articles, now, last.Seen, &next)
	if err != nil {
		return err
	}
	if early { // the same document is to come again
		next.ETag, next.Modified = "", ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks[key] = next
	return nil
}

// take hands on the articles that are new, and marks all but those that lie ahead of this machine's clock or of their host's, which says now;
// early tells of these.
func (r *reader) take(ctx context.Context, articles []*market.Tweet, now time.Time, seen []string, next *mark) (early bool, err error) {
	refused := false
	ctx = ingestor.WithDrops(ctx, func(reason string) { refused = reason == ingestor.DropFuture })
	for _, article := range articles {
		if article.Time.After(now.Add(market.MaxFuture)) { // whose clock is wrong is plain
			r.sink.Count(Source, "ahead", 1)
			early = true
			continue
		}
		id := hash(article.ID)
		if slices.Contains(seen, id) || r.known.Add(article.ID) {
			next.Seen = append(next.Seen, id)
			continue
		}
		if !r.past.Admits(article.Time, time.Now()) {
			r.sink.Drop(Source, "imported")
			next.Seen = append(next.Seen, id)
			continue
		}
		article.ReceivedAt = time.Now().UTC()
		refused = false
		if err := r.sink.Tweet(ctx, article); err != nil {
			return early, feed.Fatal(err)
		}
		if refused {
			r.known.Forget(article.ID)
			early = true
			continue
		}
		next.Seen = append(next.Seen, id)
		r.state.Fresh("", article.Time)
	}
	return early, nil
}

func (r *reader) cursor() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.marks) == 0 {
		return ""
	}
	text, _ := json.Marshal(r.marks) // strings always marshal
	return string(text)
}
