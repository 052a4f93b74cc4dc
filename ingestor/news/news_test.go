package news_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
	"rcas/ingestor/news"
	"rcas/market"
)

// article is one of a simulated newspaper.
type article struct {
	paper int
	id    string
	at    time.Time
}

func (a article) text() string {
	return fmt.Sprintf("Bitcoin & \"ether\" of %s\nRead <all> of it", a.id)
}

// press is some newspapers on one host, each with a document of its own form.
type press struct {
	chaos *feedtest.Chaos
	url   string

	mu       sync.Mutex
	articles []article
	absent   map[int]bool
	asked    int // requests that told nothing of a document known
}

const papers = 3

// write adds n articles. An early one stands in two documents, as those of two sections do.
func (p *press) write(ctx context.Context, n int) {
	for i := range n {
		p.mu.Lock()
		p.articles = append(p.articles, article{
			paper: p.chaos.Intn(papers), id: strconv.Itoa(len(p.articles)), at: time.Now().UTC().Add(-time.Minute).Truncate(time.Second),
		})
		p.mu.Unlock()
		if i%4 == 0 {
			_ = feed.Sleep(ctx, time.Millisecond)
		}
	}
}

func (p *press) all() []article {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.articles)
}

func (p *press) address(a article) string { return p.url + "/articles/" + a.id + "?page=1" }

func (p *press) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	paper, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/feed/"))
	p.mu.Lock()
	absent := p.absent[paper]
	p.mu.Unlock()
	switch {
	case r.URL.Path == "/moved":
		http.Redirect(w, r, "/feed/0", http.StatusMovedPermanently)
		return
	case err != nil || absent:
		http.Error(w, "<html>no such page</html>", http.StatusNotFound)
		return
	case p.chaos.Refuse(w, r, 0.3):
		return
	case p.chaos.Strikes("page instead", 0.05):
		_, _ = w.Write([]byte("<html><body><p>We are checking your browser</p></body></html>"))
		return
	}
	var own []article
	for _, a := range p.all() {
		if a.paper == paper || paper == 0 && a.paper == 1 {
			own = append(own, a)
		}
	}
	slices.Reverse(own)
	version := strconv.Quote(strconv.Itoa(len(own)))
	w.Header().Set("ETag", version)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	if r.Header.Get("If-None-Match") == version {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Header.Get("If-None-Match") == "" {
		p.mu.Lock()
		p.asked++
		p.mu.Unlock()
	}
	document := []func([]article) []byte{p.rss, p.atom, p.json}[paper](own)
	if p.chaos.Strikes("cut document", 0.05) {
		document = document[:len(document)/2]
	}
	_, _ = w.Write(document)
}

func (p *press) rss(articles []article) []byte {
	var out bytes.Buffer
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>Paper</title><language>en-us</language>`)
	for _, a := range articles {
		title, body, _ := strings.Cut(a.text(), "\n")
		fmt.Fprintf(&out, `<item><title>%s</title><link>%s&amp;utm_source=rss#top</link><guid isPermaLink="false">%s</guid><pubDate>%s</pubDate>`+
			`<description><![CDATA[<p>%s</p><script>alert("x")</script>]]></description></item>`,
			html.EscapeString(html.EscapeString(title)), p.address(a), a.id, a.at.Format(time.RFC1123Z), html.EscapeString(body))
	}
	out.WriteString(`<item><title>Bitcoin without a time</title><link>/x</link></item></channel></rss>`)
	return out.Bytes()
}

func (p *press) atom(articles []article) []byte {
	var out bytes.Buffer
	out.WriteString(`<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>Blog</title>`)
	for _, a := range articles {
		title, body, _ := strings.Cut(a.text(), "\n")
		fmt.Fprintf(&out, `<entry><title type="text">%s</title><link href="/articles/%s?page=1"/><id>tag:%s</id><updated>%s</updated><published>%s</published>`+
			`<summary type="html">%s</summary></entry>`, html.EscapeString(title), a.id, a.id, a.at.Add(time.Hour).Format(time.RFC3339),
			a.at.Format(time.RFC3339), html.EscapeString("<div>"+html.EscapeString(body)+"</div>"))
	}
	out.WriteString(`</feed>`)
	return out.Bytes()
}

func (p *press) json(articles []article) []byte {
	items := []any{}
	for _, a := range articles {
		title, body, _ := strings.Cut(a.text(), "\n")
		items = append(items, map[string]any{
			"id": a.id, "url": p.address(a), "title": title, "summary": html.EscapeString(body), "date_published": a.at.Format(time.RFC3339),
		})
	}
	text, _ := json.Marshal(map[string]any{"version": "https://jsonfeed.org/version/1.1", "title": "Desk", "items": items})
	return text
}

// client is the source under test, on a simulated press.
type client struct {
	t       *testing.T
	config  news.Config
	sink    *feedtest.Sink
	cursors *feedtest.Cursors
	log     *bytes.Buffer
	source  *news.News
	stop    func() error
}

func newPress(t *testing.T, seed uint64) (*press, *client) {
	p := &press{chaos: feedtest.NewChaos(seed), absent: map[int]bool{}}
	p.url = feedtest.Serve(t, p).URL
	c := &client{t: t, sink: feedtest.NewSink(), cursors: &feedtest.Cursors{}, log: new(bytes.Buffer)}
	c.config = news.Config{
		Feeds: []string{p.url + "/feed/0", p.url + "/feed/1", p.url + "/feed/2"}, Every: 5 * time.Millisecond, Cursors: c.cursors,
		HTTP: &http.Client{Transport: &http.Transport{}}, Log: slog.New(slog.NewTextHandler(c.log, nil)),
		Ladder: feed.Ladder{First: 2 * time.Millisecond, Max: 20 * time.Millisecond}, Save: 10 * time.Millisecond,
	}
	return p, c
}

// start runs the source until stop is called.
func (c *client) start() {
	source, err := news.NewAt(c.config)
	require.NoError(c.t, err)
	c.source = source
	c.stop = feedtest.Run(c.t, func(ctx context.Context) error { return source.Run(ctx, c.sink) })
}

func (c *client) has(p *press, a article) bool { return c.sink.HasTweet(news.Source, p.address(a)) }

// eventually writes on until the condition holds.
func (c *client) eventually(p *press, condition func() bool) bool {
	for i := 0; i < 12_000; i++ { // a minute
		if i%20 == 0 { // seldom enough that an answer can be unchanged
			p.write(c.t.Context(), 1)
		}
		_ = feed.Sleep(c.t.Context(), 5*time.Millisecond)
		if condition() {
			return true
		}
	}
	return false
}

// TestMisbehavingPress runs the client against simulated newspapers. The oracle: every article has come, with one content, over restarts,
// crashes and a clock that was slow for a while.
func TestMisbehavingPress(t *testing.T) {
	t.Parallel()
	feedtest.Seeds(t, func(t *testing.T, seed uint64) map[string]int64 {
		p, c := newPress(t, seed)
		troubles := &feedtest.Troubles{Restart: 0.2, Crash: 0.2, SlowClock: 0.3, Behind: time.Hour, Posts: 40, Away: 10, Late: 20}
		troubles.Clock(c.sink)
		p.chaos.Begin()
		c.start()
		troubles.Befall(t, p.chaos, feedtest.Client{Start: c.start, Stop: func() error { return c.stop() }, Say: p.write, Source: news.Source, Cursors: c.cursors})
		due := p.all()
		complete := c.eventually(p, func() bool { return !slices.ContainsFunc(due, func(a article) bool { return !c.has(p, a) }) })
		require.NoError(t, c.stop())
		require.True(t, complete, "lost; %s", feedtest.Line(c.sink.Counters()))
		require.Empty(t, c.sink.Conflicts())
		stored := c.sink.Tweets()
		require.LessOrEqual(t, len(stored), len(p.all()))
		for _, a := range due {
			got := stored["news/"+p.address(a)]
			require.Equal(t, strings.Replace(a.text(), "\n", "\n\n", 1), got.Text)
			require.Equal(t, a.at, got.Time)
			require.Equal(t, "127.0.0.1", got.Author)
		}
		figures := feedtest.Figures(c.sink, p.chaos)
		figures["articles"], figures["stored"] = int64(len(p.all())), int64(len(stored))
		return figures
	})
}

// TestAbsentDocument: one that is not there costs itself only, is named once, and is read once it is there; what did not change is not
// sent again, over a restart too; a redirection is followed.
func TestAbsentDocument(t *testing.T) {
	t.Parallel()
	p, c := newPress(t, 1)
	p.absent[1] = true
	c.config.Feeds = []string{p.url + "/moved", p.url + "/feed/1", p.url + "/feed/2"}
	c.start()
	require.True(t, c.eventually(p, func() bool { return len(c.sink.Tweets()) > 10 && c.sink.Counter("unchanged") > 5 }))
	require.Contains(t, c.source.Report().LeftOut, p.url+"/feed/1")
	require.Equal(t, feed.Reading, c.source.Report().State)
	p.mu.Lock()
	p.absent[1] = false
	p.mu.Unlock()
	require.True(t, c.eventually(p, func() bool { return len(c.source.Report().LeftOut) == 0 }))
	require.NoError(t, c.stop())
	require.Equal(t, 1, strings.Count(c.log.String(), "what="+p.url+"/feed/1 why="), c.log)
	p.mu.Lock()
	asked := p.asked
	p.mu.Unlock()
	c.start()
	last := len(p.all())
	require.True(t, c.eventually(p, func() bool { return c.has(p, p.all()[last]) }))
	require.NoError(t, c.stop())
	require.Equal(t, asked, p.asked, "a restart knows what it has")
}

// TestArticlesAhead: a paper that is wrong about its time zone dates articles hours ahead of its own host's clock. They wait for their time,
// and nobody takes this machine's clock for wrong.
func TestArticlesAhead(t *testing.T) {
	t.Parallel()
	p, c := newPress(t, 1)
	c.sink.Clock = time.Now
	early := []article{
		{id: "hours", at: time.Now().Add(5 * time.Hour).UTC().Truncate(time.Second)}, {id: "seconds", at: time.Now().Add(12 * time.Second).UTC().Truncate(time.Second)},
	}
	p.articles = slices.Clone(early)
	c.start()
	require.True(t, c.eventually(p, func() bool { return c.has(p, early[1]) && c.has(p, p.all()[2]) }))
	require.NoError(t, c.stop())
	require.False(t, c.has(p, early[0]))
	require.Positive(t, c.sink.Counter("ahead"))
	require.Zero(t, c.sink.Counters()["drop future"])
}

// TestOldArticles: a blog's document may reach back for years; windows of the past are opened in bounds.
func TestOldArticles(t *testing.T) {
	t.Parallel()
	p, c := newPress(t, 1)
	for i := range 100 {
		p.articles = append(p.articles, article{id: strconv.Itoa(i), at: time.Date(2015, 1, 1+30*i, 0, 0, 0, 0, time.UTC)})
	}
	c.start()
	require.True(t, c.eventually(p, func() bool { return c.sink.Counters()["drop imported"] == 100-feed.PastWeeks && c.has(p, p.all()[100]) }))
	require.NoError(t, c.stop())
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]news.Config{
		"nothing to read": {}, "no address": {Feeds: []string{"ftp://x/"}}, "too often": {Feeds: []string{"https://x/"}, Every: time.Second},
	} {
		_, err := news.New(cfg)
		require.ErrorContains(t, err, want)
	}
}

// TestStoppedBeforeItBegan: that is no error.
func TestStoppedBeforeItBegan(t *testing.T) {
	t.Parallel()
	_, c := newPress(t, 1)
	source, err := news.New(news.Config{Feeds: c.config.Feeds, Cursors: c.cursors})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, source.Run(ctx, c.sink))
}

func FuzzDecode(f *testing.F) {
	p := &press{url: "http://x"}
	some := []article{{id: "1", at: time.Unix(1714521600, 0).UTC()}}
	f.Add(p.rss(some))
	f.Add(p.atom(some))
	f.Add(p.json(some))
	f.Add([]byte("<rss><channel><item><title>&lt;b&gt;</title><pubDate>Wed, 01 May 2024 00:00:00 GMT</pubDate><guid>\x00é</guid></item></channel></rss>"))
	address, _ := url.Parse("https://paper.example/feed")
	f.Fuzz(func(t *testing.T, document []byte) {
		articles, _, err := news.Decode(document, address)
		if err != nil {
			require.ErrorIs(t, err, feed.ErrMalformed)
			return
		}
		for _, a := range articles {
			require.NotEmpty(t, a.ID)
			require.LessOrEqual(t, len(a.ID), 512)
			a.Clean()
			if err := a.Validate(a.Time); err != nil {
				require.ErrorIs(t, err, market.ErrAncient)
			}
		}
	})
}
