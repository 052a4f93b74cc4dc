package bluesky_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
)

// post is an event of the simulated network.
type post struct {
	did, rkey, operation, text, createdAt string
	at                                    time.Time
}

// id is what is stored or forgotten: of an account that is gone, all its posts.
func (p post) id() string {
	if p.operation == "account" {
		return p.did + "/"
	}
	return p.did + "/app.bsky.feed.post/" + p.rkey
}

// network is what the simulated Bluesky says, in the order in which every host sees it.
type network struct {
	mu     sync.Mutex
	events []post
	grown  chan struct{}
	chaos  *feedtest.Chaos
	faults []string // what the client did against the protocol
}

func newNetwork(seed uint64) *network {
	return &network{grown: make(chan struct{}), chaos: feedtest.NewChaos(seed)}
}

// speak adds n events: mostly posts, now and then the deletion of an earlier one or of its account.
func (n *network) speak(ctx context.Context, count int) {
	for i := range count {
		n.mu.Lock()
		now := time.Now().UTC()
		p := post{
			did: fmt.Sprintf("did:plc:%024d", n.chaos.Intn(50)), rkey: fmt.Sprintf("3m%011d", len(n.events)), operation: "create",
			text: fmt.Sprintf("#btc to %d \"soon\"\n🚀", n.chaos.Intn(1e6)), at: now,
			createdAt: now.Add(-time.Duration(n.chaos.Intn(2000)) * time.Millisecond).Format(time.RFC3339Nano),
		}
		if len(n.events) > 0 && n.chaos.Intn(10) == 0 {
			old := n.events[n.chaos.Intn(len(n.events))]
			p = post{did: old.did, rkey: old.rkey, operation: []string{"delete", "delete", "account"}[n.chaos.Intn(3)], at: now}
		}
		n.events = append(n.events, p)
		close(n.grown)
		n.grown = make(chan struct{})
		n.mu.Unlock()
		if i%4 == 0 {
			_ = feed.Sleep(ctx, time.Millisecond)
		}
	}
}

func (n *network) from(i int) ([]post, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.events[i:len(n.events):len(n.events)], n.grown
}

func (n *network) blame(fault string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, fault)
}

// host is one Jetstream instance: it numbers events its own way and sees each a little earlier or later than other hosts do.
type host struct {
	*network
	firstSeq   int
	late       time.Duration
	idle       time.Duration // stalls last longer than this
	dictionary []byte
	encoder    *zstd.Encoder
	server     *httptest.Server

	mu     sync.Mutex
	down   time.Time // refuses all until then
	oldest int       // index of the oldest event that it still has
}

const xrpc = "/xrpc/network.bsky.jetstream."

func newHost(t *testing.T, n *network, number int, idle time.Duration) *host {
	h := &host{network: n, firstSeq: 1 + number*1_000_000, late: time.Duration(number*7) * time.Millisecond, idle: idle}
	dictionary, err := trainedDictionary()
	require.NoError(t, err)
	h.dictionary = slices.Clone(dictionary)
	h.dictionary[4] = byte(1 + number) // the identifier: each host has its own
	h.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderDict(h.dictionary), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(1<<17), zstd.WithEncoderLevel(zstd.SpeedFastest))
	require.NoError(t, err)
	h.server = feedtest.Serve(t, http.HandlerFunc(h.serve))
	return h
}

// trainedDictionary is a small dictionary, made once.
var trainedDictionary = sync.OnceValues(func() ([]byte, error) {
	var samples [][]byte
	for i := range 200 {
		samples = append(samples, frame(post{
			did: "did:plc:abc", rkey: strconv.Itoa(i * 7919), operation: "create", text: strings.Repeat("to the moon ", i%7),
		}, i, time.Unix(int64(i), 0)))
	}
	return zstd.BuildDict(zstd.BuildDictOptions{
		ID: 1000, Contents: samples, History: samples[0], Offsets: [3]int{1, 4, 8}, Level: zstd.SpeedDefault,
	})
})

func (h *host) url(path string) string { return "ws" + strings.TrimPrefix(h.server.URL, "http") + path }

// seen is when the host saw the event: not quite in the order of the events.
func (h *host) seen(i int, p post) time.Time {
	return p.at.Add(h.late + time.Duration((i*7919)%5)*time.Millisecond).Truncate(time.Microsecond)
}

func (h *host) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == xrpc+"getZstdDictionary" {
		if !h.chaos.Refuse(w, r, 0.3) {
			_, _ = w.Write(h.dictionary)
		}
		return
	}
	h.mu.Lock()
	if h.chaos.Strikes("host down", 0.1) {
		h.down = time.Now().Add(50 * time.Millisecond)
	}
	down := time.Now().Before(h.down)
	h.mu.Unlock()
	if down {
		http.Error(w, `{"error":"ServiceUnavailable","message":"not ready"}`, http.StatusServiceUnavailable)
		return
	}
	if h.chaos.Refuse(w, r, 0.3) {
		return
	}
	start, clamped, refusal := h.start(r)
	if refusal != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": refusal, "message": "the current id is 5"})
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		return
	}
	defer ws.CloseNow()
	s := &subscriber{host: h, ws: ws, raw: feedtest.Raw(r), v2: r.URL.Path == xrpc+"subscribeEvents", position: start}
	s.clamped = clamped && s.v2
	s.zip = r.URL.Query().Get("compress") == "true" || r.URL.Query().Get("zstdDictionary") != ""
	if h.chaos.Strikes("slow feed", 0.1) {
		s.raw.Slow(50 * time.Microsecond)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() { // any data frame from the client closes the connection
		defer cancel()
		if _, _, err := ws.Read(ctx); err == nil {
			h.blame("the client sent data")
		}
	}()
	s.play(ctx)
}

// start returns the index of the first event to send, and whether that is later than asked; or the name of the error with which the request
// is refused.
func (h *host) start(r *http.Request) (first int, clamped bool, refusal string) {
	query := r.URL.Query()
	v2 := r.URL.Path == xrpc+"subscribeEvents"
	wanted := query["wantedCollections"]
	if v2 {
		wanted = query["collections"]
		if query.Has("wantedCollections") || !slices.Equal(query["kinds"], []string{"commit", "account"}) {
			return 0, false, "InvalidRequest"
		}
		if id := query.Get("zstdDictionary"); id != "" && (id != h.id() || h.chaos.Strikes("dictionary retired", 0.2)) {
			return 0, false, "UnknownZstdDictionary"
		}
	}
	if !slices.Equal(wanted, []string{"app.bsky.feed.post"}) {
		h.blame("asked for " + r.URL.RawQuery)
	}
	events, _ := h.from(0)
	h.mu.Lock()
	oldest := h.oldest
	h.mu.Unlock()
	cursor, err := strconv.Atoi(query.Get("cursor"))
	switch {
	case err != nil:
		return len(events), false, ""
	case cursor >= 1e15:
		at := time.UnixMicro(int64(cursor))
		i := slices.IndexFunc(events, func(p post) bool { return !p.at.Add(h.late).Before(at) })
		if i < 0 {
			i = len(events)
		}
		return max(i, oldest), i < oldest, ""
	case cursor-h.firstSeq < oldest && v2:
		return 0, false, "CursorTooOld"
	case cursor-h.firstSeq > len(events): // the host counts anew: it takes what comes for the future
		return len(events), false, ""
	}
	return max(cursor-h.firstSeq, oldest), false, ""
}

func (h *host) id() string {
	return strconv.Itoa(int(h.dictionary[4]) | int(h.dictionary[5])<<8 | int(h.dictionary[6])<<16 | int(h.dictionary[7])<<24)
}

// forget makes the host lose all events before now.
func (h *host) forget() {
	events, _ := h.from(0)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.oldest = len(events)
}

// subscriber is one connection of a client.
type subscriber struct {
	*host
	ws       *websocket.Conn
	raw      *feedtest.Conn
	v2, zip  bool
	clamped  bool
	position int
}

func (s *subscriber) play(ctx context.Context) {
	if s.clamped {
		_ = s.send(ctx, []byte(`{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#info","name":"OutdatedCursor"}}`))
	}
	for ctx.Err() == nil {
		events, grown := s.from(s.position)
		for i, p := range events {
			if !s.noise(ctx) || !s.blow(ctx) || s.send(ctx, s.encode(s.position+i, p)) != nil {
				return
			}
		}
		s.position += len(events)
		select {
		case <-ctx.Done():
		case <-grown:
		}
	}
}

func (s *subscriber) encode(i int, p post) []byte {
	if s.v2 {
		return frame(p, s.firstSeq+i, s.seen(i, p))
	}
	event := map[string]any{"did": p.did, "time_us": s.seen(i, p).UnixMicro(), "kind": "commit"}
	if p.operation == "account" {
		event["kind"], event["account"] = "account", gone
		text, _ := json.Marshal(event)
		return text
	}
	commit := map[string]any{"rev": "3mptbypluud2a", "operation": p.operation, "collection": "app.bsky.feed.post", "rkey": p.rkey}
	if p.operation == "create" {
		commit["record"] = p.record()
	}
	event["commit"] = commit
	text, _ := json.Marshal(event)
	return text
}

// gone is what a host says of an account that was deleted.
var gone = map[string]any{"active": false, "status": "deleted"}

func (p post) record() map[string]any {
	return map[string]any{"$type": "app.bsky.feed.post", "text": p.text, "langs": []string{"en-US", "ja"}, "createdAt": p.createdAt}
}

// frame is a version 2 message.
func frame(p post, seq int, seen time.Time) []byte {
	payload := map[string]any{
		"$type": "network.bsky.jetstream.subscribeEvents#commit", "seq": seq, "did": p.did,
		"time": seen.Format("2006-01-02T15:04:05.000000Z"), "rev": "3mptbypluud2a", "operation": p.operation,
		"collection": "app.bsky.feed.post", "rkey": p.rkey,
	}
	switch p.operation {
	case "create":
		payload["record"] = p.record()
	case "account":
		payload["$type"], payload["account"] = "network.bsky.jetstream.subscribeEvents#account", gone
	}
	text, _ := json.Marshal(map[string]any{"$type": "message", "payload": payload})
	return text
}

// noise sends what a client has to ignore.
func (s *subscriber) noise(ctx context.Context) bool {
	for name, message := range map[string]string{
		"garbage": "{\"did\":\"x\x00", "wrong form": `{"$type":"message","payload":[1,2]}`,
		"unknown type": `{"$type":"surprise","n":1}`,
		"account": `{"did":"did:plc:x","time_us":1783175888390226,"kind":"account","account":{"active":true,"did":"did:plc:x",` +
			`"seq":31527015471,"time":"2026-07-04T14:38:07.877Z"}}`,
	} {
		if name == "account" && s.v2 {
			continue
		}
		if s.chaos.Strikes(name, 0.005) && s.send(ctx, []byte(message)) != nil {
			return false
		}
	}
	return true
}

// blow strikes the connection, and tells whether it lives on.
func (s *subscriber) blow(ctx context.Context) bool {
	switch {
	case s.chaos.Strikes("drop", 0.004):
		s.raw.Break()
	case s.chaos.Strikes("half frame", 0.004):
		s.raw.CutNext()
		return true
	case s.chaos.Strikes("close", 0.003):
		_ = s.ws.Close(websocket.StatusGoingAway, "server shutting down")
	case s.chaos.Strikes("stall", 0.002):
		_ = feed.Sleep(ctx, 2*s.idle)
	case s.v2 && s.chaos.Strikes("consumer too slow", 0.003):
		_ = s.send(ctx, []byte(`{"$type":"error","error":"ConsumerTooSlow","message":"far behind"}`))
	default:
		return true
	}
	return false
}

func (s *subscriber) send(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if s.zip {
		s.host.mu.Lock()
		message = s.encoder.EncodeAll(message, nil)
		s.host.mu.Unlock()
		return s.ws.Write(ctx, websocket.MessageBinary, message)
	}
	return s.ws.Write(ctx, websocket.MessageText, message)
}
