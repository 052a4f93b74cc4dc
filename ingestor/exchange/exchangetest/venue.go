// Package exchangetest simulates exchanges on local sockets for the tests of their clients: a market that trades, a WebSocket
// feed and a REST endpoint that tell of it, and misfortune by a seed. Each venue's tests add its [Protocol].
//
// It is for tests only.
package exchangetest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"rcas/ingestor/feed/feedtest"
)

// Protocol is how a simulated venue speaks.
type Protocol struct {
	// Venue is the name under which the client stores trades.
	Venue string
	// Products holds the symbols by product that the venue lists and the client should find.
	Products map[string]string
	// Feed is the path of the WebSocket endpoint.
	Feed string
	// Resolution is that of the venue's times on the feed.
	Resolution time.Duration
	// REST answers requests to the REST endpoint: a status and what becomes the JSON body. known gives the trades of a product
	// that the endpoint has, oldest first.
	REST func(r *http.Request, known func(product string) []Trade) (status int, body any)
	// Greet speaks the opening of a connection: it reads the subscription and returns its products. An error closes.
	Greet func(ctx context.Context, ws *websocket.Conn, r *http.Request, known func(product string) []Trade) ([]string, error)
	// Encode tells of trades in one message or more.
	Encode func(trades []Trade) [][]byte
	// Heartbeats are sent when nothing else is, of those products.
	Heartbeats func(products []string) [][]byte
	// Shutdown is the message that announces the end of a connection, where the venue has one.
	Shutdown []byte
	// Batch is how many trades one message may hold.
	Batch int
}

// Durations of the simulated venue.
const (
	heartbeat = 10 * time.Millisecond
	restLag   = 10 * time.Millisecond // how far the REST endpoint is behind the feed
	pongLimit = 20 * time.Second      // how long a ping may stay unanswered on an overloaded machine; a minute, at Binance
)

// venue is one simulated exchange.
type venue struct {
	Protocol
	tape  *Tape
	chaos *feedtest.Chaos
	idle  time.Duration // how long the client waits for data: stalls last longer

	mu   sync.Mutex
	gone map[string]map[int64]bool // forgotten by the REST endpoint, by product
	faux []string                  // what the client did against the protocol
}

func newVenue(p Protocol, seed uint64, idle time.Duration) *venue {
	chaos := feedtest.NewChaos(seed)
	skew := time.Duration(chaos.Intn(6000)-3000) * time.Millisecond
	return &venue{Protocol: p, tape: newTape(skew), chaos: chaos, idle: idle, gone: map[string]map[int64]bool{}}
}

// serve starts the venue's server.
func (v *venue) serve(t testing.TB) string {
	return feedtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == v.Feed && r.Header.Get("Upgrade") != "" {
			v.feed(w, r)
			return
		}
		v.rest(w, r)
	})).URL
}

func (v *venue) rest(w http.ResponseWriter, r *http.Request) {
	if v.chaos.Refuse(w, r, 0.2) {
		return
	}
	if v.chaos.Strikes("slow REST", 0.05) {
		_ = sleep(r.Context(), 20*time.Millisecond)
	}
	status, body := v.REST(r, func(product string) []Trade {
		trades := v.known(product)
		horizon := time.Now().Add(v.tape.skew - restLag)
		return slices.DeleteFunc(trades, func(t Trade) bool { return t.Time.After(horizon) })
	})
	writeJSON(w, status, body)
}

// known returns the trades of a product that the venue remembers.
func (v *venue) known(product string) []Trade {
	all, _ := v.tape.from(0)
	v.mu.Lock()
	defer v.mu.Unlock()
	var trades []Trade
	for _, t := range all {
		if t.Product == product && !v.gone[product][t.ID] {
			trades = append(trades, t)
		}
	}
	return trades
}

func (v *venue) forget(t Trade) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.gone[t.Product] == nil {
		v.gone[t.Product] = map[int64]bool{}
	}
	v.gone[t.Product][t.ID] = true
}

func (v *venue) forgotten(t Trade) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.gone[t.Product][t.ID]
}

func (v *venue) blame(fault string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faux = append(v.faux, fault)
}

// blames returns what the client did against the protocol.
func (v *venue) blames() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.faux)
}

// feed serves one WebSocket connection.
func (v *venue) feed(w http.ResponseWriter, r *http.Request) {
	if v.chaos.Refuse(w, r, 0.3) {
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	raw := feedtest.Raw(r)
	if v.chaos.Strikes("slow feed", 0.1) {
		raw.Slow(50 * time.Microsecond)
	}
	position := v.tape.len()
	greeting, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	products, err := v.Greet(greeting, ws, r, v.known)
	if err != nil {
		v.blame("greeting: " + err.Error())
		return
	}
	c := &connection{venue: v, ws: ws, raw: raw, products: products, position: position}
	c.play(ws.CloseRead(r.Context())) // a message from the client after the greeting closes the connection
}

// connection plays the tape to one client.
type connection struct {
	*venue
	ws       *websocket.Conn
	raw      *feedtest.Conn
	products []string
	position int
	held     []Trade // held back, to be sent after the next
}

// play sends what is traded until the client leaves or misfortune ends the connection.
func (c *connection) play(ctx context.Context) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		trades, grown := c.tape.from(c.position)
		c.position += len(trades)
		if !c.tell(ctx, trades) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-grown:
		case <-beat.C:
			if !c.beat(ctx) {
				return
			}
		}
	}
}

// beat sends heartbeats and pings, and expects the pong.
func (c *connection) beat(ctx context.Context) bool {
	for _, message := range c.Heartbeats(c.products) {
		if c.write(ctx, message) != nil {
			return false
		}
	}
	go func() {
		waiting, cancel := context.WithTimeout(ctx, pongLimit)
		defer cancel()
		if c.ws.Ping(waiting) != nil && waiting.Err() == context.DeadlineExceeded {
			c.blame("a ping was not answered")
		}
	}()
	return true
}

// tell sends trades as misfortune has it, and tells whether the connection lives on.
func (c *connection) tell(ctx context.Context, trades []Trade) bool {
	batch := c.held
	c.held = nil
	for _, t := range trades {
		if !slices.Contains(c.products, t.Product) {
			continue
		}
		switch {
		case c.chaos.Strikes("skipped", 0.02):
			if c.chaos.Strikes("forgotten", 0.2) {
				c.forget(t)
			}
			continue
		case c.chaos.Strikes("duplicate", 0.02):
			batch = append(batch, t)
		case c.chaos.Strikes("held back", 0.02):
			c.held = append(c.held, t)
			continue
		}
		batch = append(batch, t)
		if len(batch) >= 1+c.chaos.Intn(c.Batch) {
			if !c.send(ctx, batch) {
				return false
			}
			batch = append([]Trade(nil), c.held...)
			c.held = nil
		}
	}
	return len(batch) == 0 || c.send(ctx, batch)
}

// send sends trades and strikes the connection now and then.
func (c *connection) send(ctx context.Context, trades []Trade) bool {
	if !c.noise(ctx) || !c.blow(ctx) {
		return false
	}
	for _, message := range c.Encode(trades) {
		if c.chaos.Strikes("half frame", 0.004) {
			c.raw.CutNext()
		}
		if c.chaos.Strikes("garbled", 0.005) {
			message = message[:c.chaos.Intn(len(message))]
		}
		if c.write(ctx, message) != nil {
			return false
		}
	}
	return true
}

// noise sends what a client has to ignore.
func (c *connection) noise(ctx context.Context) bool {
	var err error
	if c.chaos.Strikes("unknown message", 0.01) {
		err = c.write(ctx, []byte(`{"type":"status","channel":"news","e":"news","stream":"x","data":[{"n":1}],"extra":{"a":[]}}`))
	}
	if c.chaos.Strikes("garbage", 0.01) {
		err = c.write(ctx, []byte(`]{"type":"match",`+"\x00\xff"))
	}
	return err == nil
}

// blow strikes the connection, and tells whether it lives on.
func (c *connection) blow(ctx context.Context) bool {
	switch {
	case c.chaos.Strikes("drop", 0.004):
		c.raw.Break()
	case c.chaos.Strikes("close", 0.004):
		_ = c.ws.Close(websocket.StatusGoingAway, "maintenance")
	case c.chaos.Strikes("stall", 0.002): // the connection stays open, only silent
		_ = sleep(ctx, 2*c.idle)
	case c.chaos.Strikes("heartbeats only", 0.002):
		for until := time.Now().Add(2 * c.idle); time.Now().Before(until) && c.beat(ctx); {
			if sleep(ctx, heartbeat) != nil {
				return false
			}
		}
	case c.Shutdown != nil && c.chaos.Strikes("shutdown", 0.004):
		if c.write(ctx, c.Shutdown) != nil {
			return false
		}
		go func() { // the feed goes on a little
			_ = sleep(ctx, 100*time.Millisecond)
			c.raw.Break()
		}()
	default:
		return true
	}
	return ctx.Err() == nil
}

func (c *connection) write(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, message)
}
