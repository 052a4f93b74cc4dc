// Package bluesky reads the posts of Bluesky from a Jetstream. No key is needed.
//
// Protocol: https://github.com/bluesky-social/jetstream. Version 1 (path /subscribe) sends bare events and takes a time in
// microseconds as its cursor; version 2 (/xrpc/network.bsky.jetstream.subscribeEvents) sends frames and takes the host's own
// sequence number or a time. The path of the URL decides. Both repeat the event at the cursor; the database knows it by its
// key. Numbers are a host's own, so that on another one a time is the cursor, and on version 1 always. Times are not quite in order: such a
// cursor goes back a few seconds ([Config.Rewind]), and on another host by as much as the one before may have been slower
// ([Config.HostRewind]). A host that answers such a cursor from much further back costs reading only.
//
// A host keeps about 36 hours. Of a number that it no longer has it says so; the cursor by time that follows begins with the oldest, which
// version 2 says too and version 1 does not. A number that it does not have yet, since it counts anew, begins with the newest in silence;
// that shows by the time of the first event, and a cursor by time follows.
//
// A host that delivers nothing is left for the next one; from one of version 1 the source goes back to the first as soon as it is cut off.
// A post's identifier is did/collection/rkey. Deleted posts are forgotten through [ingestor.Sink.Delete]. Posts dated in the past, which
// an imported archive has by the thousand, are stored in their time, in bounds ([Config.PastWeeks]); the rest is dropped as imported.
//
// Compression: version 2 serves its zstd dictionary, which is fetched at the first connection. That of version 1 is nowhere to
// be asked for: who has it sets [Config.Dictionary]; without it version 1 is read uncompressed.
//
// Counters, besides those of package feed:
//
//	failover      times that another host was taken
//	gap           times that the host no longer had the events after the cursor: what lay between is lost
//	updated       posts whose record was replaced; the first wording stays
//	account gone  accounts deleted or taken down; their posts are forgotten
package bluesky

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/market"
	"rcas/store"
	"rcas/telemetry"
)

// Config says where to read. Zero values mean the defaults.
type Config struct {
	// URLs of the hosts, in order of preference, with their paths. Default: [DefaultURLs].
	URLs []string
	// Plain asks for no compression.
	Plain bool
	// Dictionary is the zstd dictionary of version 1. Default: none, uncompressed.
	Dictionary []byte
	// Rewind is how far a cursor by time goes back, and HostRewind on another host. Default: 5 s, and a minute.
	Rewind, HostRewind time.Duration
	// PastWeeks bounds how many weeks of the past posts may be dated in: see [feed.Past]. Default: [feed.PastWeeks].
	PastWeeks *int
	// Cursors keeps the position; nil starts at the newest post each time.
	Cursors ingestor.Cursors
	// HTTP opens all connections; nil means http.DefaultClient.
	HTTP *http.Client
	// Metrics and Log may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	// Silence, Idle: see [feed.Runner]. Default: 30 s each; posts come many times a second.
	Silence, Idle time.Duration
	// Ladder is the back-off between sessions. Default: [feed.DefaultLadder].
	Ladder feed.Ladder
	// Save is the time between two saves of the position. Default: 5 s.
	Save time.Duration
}

// DefaultURLs are the public hosts: those of version 2, then those of version 1.
func DefaultURLs() []string {
	return []string{
		"wss://jetstream.us-east.bsky.network/xrpc/network.bsky.jetstream.subscribeEvents",
		"wss://jetstream.us-west.bsky.network/xrpc/network.bsky.jetstream.subscribeEvents",
		"wss://jetstream2.us-east.bsky.network/subscribe",
		"wss://jetstream1.us-east.bsky.network/subscribe",
		"wss://jetstream2.us-west.bsky.network/subscribe",
		"wss://jetstream1.us-west.bsky.network/subscribe",
	}
}

// Bluesky is the source. It implements [ingestor.Source].
type Bluesky struct {
	cfg   Config
	log   *slog.Logger
	state *feed.State
}

var _ ingestor.Source = (*Bluesky)(nil)

// New returns the source.
func New(cfg Config) *Bluesky {
	if len(cfg.URLs) == 0 {
		cfg.URLs = DefaultURLs()
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&cfg.Rewind, 5 * time.Second}, {&cfg.HostRewind, time.Minute}, {&cfg.Silence, 30 * time.Second}, {&cfg.Idle, 30 * time.Second},
		{&cfg.Save, 5 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Bluesky{cfg: cfg, log: cfg.Log.With("source", Source), state: feed.NewState(Source, cfg.Log, cfg.Metrics)}
}

// Name returns "bluesky".
func (*Bluesky) Name() string { return Source }

// Report tells how the source is doing.
func (b *Bluesky) Report() store.FeedState { return b.state.Report() }

// Run reads until ctx ends.
func (b *Bluesky) Run(ctx context.Context, sink ingestor.Sink) error {
	r := &reader{Bluesky: b, sink: sink, began: time.Now(), past: feed.Past{Weeks: feed.PastWeeks}}
	if b.cfg.PastWeeks != nil {
		r.past.Weeks = *b.cfg.PastWeeks
	}
	defer r.inflate.close()
	if err := r.load(ctx); err != nil {
		return feed.UnlessEnded(ctx, err)
	}
	keeping, stop := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	defer keeper.Wait()
	defer stop()
	keeper.Go(func() { feed.KeepCursor(keeping, b.cfg.Cursors, sink, Source, b.cfg.Save, r.cursor, b.log) })
	runner := feed.Runner{
		Name: Source, Sink: sink, Log: b.cfg.Log, State: b.state, Silence: b.cfg.Silence, Idle: b.cfg.Idle,
		Ladder: func(error) feed.Ladder { return b.cfg.Ladder },
	}
	return runner.Run(ctx, func(sctx context.Context, session *feed.Session) error { return r.session(ctx, sctx, session) })
}

// reader is one run of the source.
type reader struct {
	*Bluesky
	sink    ingestor.Sink
	host    int // index of the host in use
	inflate inflater
	past    feed.Past
	clamped bool // the host says that it no longer has what came after our position
	began   time.Time
	asked   bool // a host was asked to begin with now

	mu       sync.Mutex
	at       position
	early    int       // posts in a row that lie ahead of this machine's clock
	earliest time.Time // when the host saw the first of them
}

// position is how far the source has read.
type position struct {
	// URL of the host whose number Seq is.
	URL string `json:"url"`
	Seq int64  `json:"seq,omitempty"`
	// Time is the newest that a host has told.
	Time time.Time `json:"time"`
}

// session is one connection. Data goes to the sink with ctx, which outlives the session.
func (r *reader) session(ctx, sctx context.Context, session *feed.Session) error {
	host := r.cfg.URLs[r.host]
	delivered := false
	err := r.read(ctx, sctx, session, host, &delivered)
	switch {
	case xrpcName(err) == "CursorTooOld":
		r.clamped = true
		r.byTime() // a time, unlike a number, is moved up to the oldest
	case xrpcName(err) == "UnknownZstdDictionary":
		r.inflate.forget(host)
	case errors.Is(err, feed.ErrAgain):
	case !delivered && len(r.cfg.URLs) > 1:
		r.host = (r.host + 1) % len(r.cfg.URLs)
		r.sink.Count(Source, "failover", 1)
	case !isV2(host) && isV2(r.cfg.URLs[0]):
		r.host = 0
	}
	return err
}

// byTime makes the next cursor one by time.
func (r *reader) byTime() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Seq = 0
}

func (r *reader) read(ctx, sctx context.Context, session *feed.Session, host string, delivered *bool) error {
	dictionary := r.dictionary(sctx, host)
	address, from, err := r.address(host, dictionary)
	if err != nil {
		return feed.Fatal(err)
	}
	conn, err := feed.Dial(sctx, r.cfg.HTTP, address, session)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Each(sctx, func(text []byte) error {
		if dictionary != nil {
			if text, err = r.inflate.decode(dictionary, text); err != nil {
				r.sink.Drop(Source, "malformed")
				r.state.Illegible([]byte("what cannot be decompressed: " + err.Error()))
				return nil
			}
		}
		event, err := r.decode(text)
		if err != nil {
			return err
		}
		if !event.Time.IsZero() {
			if !*delivered {
				if err := r.checkStart(from, host, event); err != nil {
					return err
				}
				*delivered = true
			}
			session.Data()
		}
		return r.take(ctx, host, event)
	})
}

// decode reads a message. One that cannot be read is counted, and says nothing.
func (r *reader) decode(text []byte) (Event, error) {
	event, err := Decode(text)
	switch {
	case errors.Is(err, feed.ErrMalformed):
		r.sink.Drop(Source, "malformed")
		r.state.Illegible(text)
		return Event{}, nil
	case err != nil:
		return event, err
	case event.Unknown:
		r.state.Illegible(text)
	case !event.Time.IsZero():
		r.state.Legible(1)
	}
	return event, nil
}

// startsLate is how much later than asked the first event may be before it is taken for a gap. Posts come many times a second.
const startsLate = time.Minute

// checkStart notices at the first event that a host did not start where it was asked to. Its error ends the session: the host counts anew,
// and is to be asked by time.
func (r *reader) checkStart(from time.Time, host string, first Event) error {
	r.mu.Lock()
	bySeq := r.bySeq(host)
	r.mu.Unlock()
	late := !from.IsZero() && first.Time.Sub(from) > startsLate
	switch {
	case late && bySeq && !r.clamped:
		r.byTime()
		return fmt.Errorf("%w: the host's numbers are not those that it had", feed.ErrAgain)
	case late, r.clamped:
		r.sink.Count(Source, "gap", 1)
		r.state.Lost(1, "the host no longer has what came after our position; reading on from the oldest that it has: what lies between is lost",
			"host", host, "position", from, "start", first.Time)
	}
	r.clamped = false
	return nil
}

// take hands an event on and then advances the position past it.
func (r *reader) take(ctx context.Context, host string, event Event) error {
	var err error
	early := false
	ctx = ingestor.WithDrops(ctx, func(reason string) { early = reason == ingestor.DropFuture })
	switch {
	case event.Post != nil && !r.past.Admits(event.Post.Time, event.Time):
		r.sink.Drop(Source, "imported")
		r.state.Lost(1, "posts dated in the past are left out: somebody imports an archive into the network. past_weeks allows more")
	case event.Post != nil:
		event.Post.ReceivedAt = time.Now().UTC()
		err = r.sink.Tweet(ctx, event.Post)
	case event.Deleted != "":
		err = r.sink.Delete(ctx, Source, event.Deleted)
	case event.Updated:
		r.sink.Count(Source, "updated", 1)
	case event.Gone != "":
		r.sink.Count(Source, "account gone", 1)
		err = r.sink.Delete(ctx, Source, event.Gone+"/")
	case event.Info == "OutdatedCursor":
		r.clamped = true
	}
	if err != nil {
		return feed.Fatal(err)
	}
	if event.Time.IsZero() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if held, err := r.hold(host, event, early); held || err != nil {
		return err
	}
	r.at.URL, r.at.Seq = host, event.Seq
	// A time ahead of ours is not believed: a cursor in the future would skip what comes until then.
	if event.Time.After(r.at.Time) && event.Time.Before(time.Now().Add(time.Minute)) {
		r.at.Time = event.Time
		r.state.Fresh("", event.Time)
	}
	return nil
}

// earlyLeast is how many posts in a row must lie ahead of this machine's clock before the source stops reading for a while.
const earlyLeast = 3

// hold keeps the position from moving past posts that were refused because they lie ahead of this machine's clock (early), and tells whether
// it does. When the clock is right again, by a post that is not refused, or has not been for a few posts, its error ends the session: the
// next one begins at the first of them. Where the post that is not refused is much older, the others had no sane time.
func (r *reader) hold(host string, event Event, early bool) (held bool, err error) {
	switch {
	case early:
		if r.early == 0 {
			r.earliest = event.Time
		}
		if r.at.Time.IsZero() { // nothing was read before
			r.at = position{URL: host, Seq: event.Seq, Time: event.Time}
		}
		if r.early++; r.early >= earlyLeast {
			r.early = 0
			return true, feed.Later(fmt.Errorf("%w: what comes lies ahead of this machine's clock", feed.ErrAgain), r.cfg.Rewind)
		}
		return true, nil
	case r.early == 0:
		return false, nil
	case event.Post == nil, event.Post.Time.Before(event.Time.Add(-market.MaxFuture)): // what is old says nothing of a clock
		return true, nil
	}
	r.early = 0
	if r.earliest.After(event.Time.Add(market.MaxFuture)) {
		return false, nil
	}
	return true, fmt.Errorf("%w: this machine's clock is right again", feed.ErrAgain)
}

// isV2 tells the version by the path.
func isV2(address string) bool {
	return strings.Contains(address, "network.bsky.jetstream.subscribeEvents")
}

// bySeq tells whether the position is a number of the host; r.mu is held.
func (r *reader) bySeq(host string) bool { return isV2(host) && r.at.URL == host && r.at.Seq > 0 }

// address returns the URL to connect to, and the time from which the host is asked to start, zero where that is now.
func (r *reader) address(host string, dictionary []byte) (address string, from time.Time, err error) {
	u, err := url.Parse(host)
	if err != nil || u.Host == "" {
		return "", from, fmt.Errorf("bluesky: %q is no WebSocket URL like %s", host, DefaultURLs()[0])
	}
	query := u.Query()
	if isV2(host) {
		query["collections"] = []string{collection}
		query["kinds"] = []string{"commit", "account"}
		if dictionary != nil {
			query.Set("zstdDictionary", strconv.FormatUint(uint64(dictionaryID(dictionary)), 10))
		}
	} else {
		query["wantedCollections"] = []string{collection}
		if dictionary != nil {
			query.Set("compress", "true")
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.bySeq(host):
		from = r.at.Time
		query.Set("cursor", strconv.FormatInt(r.at.Seq, 10))
	case !r.at.Time.IsZero():
		from = r.at.Time.Add(-r.cfg.Rewind)
		if r.at.URL != host {
			from = r.at.Time.Add(-r.cfg.HostRewind)
		}
		query.Set("cursor", strconv.FormatInt(from.UnixMicro(), 10))
	case r.asked: // in vain, or nothing came: what was said since belongs to it
		from = r.began
		query.Set("cursor", strconv.FormatInt(from.UnixMicro(), 10))
	}
	r.asked = true
	u.RawQuery = query.Encode()
	return u.String(), from, nil
}

// xrpcName returns the name of the error with which a host refused a connection, or "".
func xrpcName(err error) string {
	status, ok := errors.AsType[*feed.StatusError](err)
	if !ok {
		return ""
	}
	var body struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal([]byte(status.Body), &body) // other bodies have no name
	return body.Error
}

func (r *reader) cursor() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.Time.IsZero() {
		return ""
	}
	text, _ := json.Marshal(r.at) // strings, a number and a time always marshal
	return string(text)
}

// load takes up where the last run ended.
func (r *reader) load(ctx context.Context) error {
	var saved position
	found, err := feed.LoadCursor(ctx, r.cfg.Cursors, Source, &saved, r.log)
	if !found {
		return err
	}
	r.at = saved
	for i, host := range r.cfg.URLs {
		if host == r.at.URL {
			r.host = i
		}
	}
	return nil
}
