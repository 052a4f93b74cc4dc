package exchange

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rcas/ingestor/feed"
)

const (
	// relist is how old the list of products may grow.
	relist = time.Hour
	// relistLeast is the least age of the list at which a message of the venue has it asked for again.
	relistLeast = 5 * time.Second
	// refusalEvery is the least time between two lines about refusals that name no product.
	refusalEvery = 10 * time.Minute
	// probeEvery is the least time between two searches for a product that the venue refuses without naming it.
	probeEvery = 5 * time.Minute
	// probePatience is how long the venue may take to say whether it accepts a product, probePause the time between two questions.
	probePatience = 5 * time.Second
	probePause    = 250 * time.Millisecond
)

// catalogue is what the venue lists of the coins wanted, and what of that it refuses. Safe for concurrent use.
type catalogue struct {
	mu       sync.Mutex
	symbols  map[string]string // by product, of all lists so far; replaced, never changed
	listings []Listing         // the last list
	listed   time.Time         // when the venue was asked for it
	outdated bool              // it is to be asked for before the next connection
	same     int               // lists in a row that said the same
	resumed  int               // times that a product began to trade
	refused  map[string]*refusal
	retry    bool      // the next connection tries refused products again; without one that reads beside it, the others would wait
	single   bool      // and of these one at a time, since the venue does not name what it refuses
	said     time.Time // when the log last told of a refusal of something else
	suspect  bool      // a product that was not named is refused
	probed   time.Time // when that was last looked into
}

// refusal is a product that the venue refuses.
type refusal struct {
	times int
	until time.Time // when to try again
}

// subscription is what a connection asks for.
type subscription struct {
	products []string          // sorted
	symbols  map[string]string // by product
	retried  map[string]bool   // those that the venue refused before, and has not accepted yet
	resumed  int               // see catalogue
}

// subscription returns what is to be asked for now, refused products that are due among them where retry says so or nothing else is left.
func (r *reader) subscription(retry bool) subscription {
	c := &r.catalogue
	c.mu.Lock()
	defer c.mu.Unlock()
	s := subscription{symbols: c.symbols, retried: map[string]bool{}, resumed: c.resumed}
	var due []string
	for _, l := range c.listings {
		switch refusal := c.refused[l.Product]; {
		case refusal == nil:
			s.products = append(s.products, l.Product)
		case time.Now().After(refusal.until):
			due = append(due, l.Product)
		}
	}
	if !retry && len(s.products) > 0 {
		return s
	}
	if c.single && len(due) > 1 {
		due = []string{slices.MinFunc(due, func(a, b string) int { return c.refused[a].until.Compare(c.refused[b].until) })}
	}
	for _, product := range due {
		s.retried[product] = true
	}
	s.products = slices.Sorted(slices.Values(append(s.products, due...)))
	return s
}

// mayRetry tells whether the next connection may try refused products again, once.
func (c *catalogue) mayRetry() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	may := c.retry
	c.retry = false
	return may
}

// list asks the venue for its products if that is due: at first, when the list is old, or after a refusal.
func (r *reader) list(ctx context.Context) error {
	c := &r.catalogue
	c.mu.Lock()
	first, due := c.listings == nil, c.outdated || time.Now().After(c.relist(r.cfg.Relist))
	c.mu.Unlock()
	if !first && !due {
		return nil
	}
	listings, err := r.wire.Products(ctx, r.cfg.Symbols)
	switch {
	case err != nil:
		err = fmt.Errorf("ask %s which coins it lists: %w", r.name, err)
	case len(listings) == 0:
		err = fmt.Errorf("%s lists none of the %d coins wanted", r.name, len(r.cfg.Symbols))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed, c.outdated = time.Now(), false
	const old = "the list of products cannot be renewed; going on with the old one"
	switch {
	case err != nil && first:
		return err
	case ctx.Err() != nil:
	case err != nil:
		r.state.Fault(old, err)
	default:
		r.state.Over(old)
		r.learn(listings, first)
	}
	return nil
}

// relist returns when the list is to be asked for again. The zero time is that of a list never asked for.
func (c *catalogue) relist(ladder feed.Ladder) time.Time {
	wait := relist
	if len(c.refused) > 0 || slices.ContainsFunc(c.listings, func(l Listing) bool { return l.Halted != "" }) {
		wait = feed.Ladder{First: min(ladder.First, relist), Max: relist, Exact: true}.Wait(c.same, 0)
	}
	return c.listed.Add(wait)
}

// learn takes in a list of products and says what changed.
func (r *reader) learn(listings []Listing, first bool) {
	c := &r.catalogue
	before := map[string]Listing{}
	for _, l := range c.listings {
		before[l.Base] = l
	}
	symbols := maps.Clone(c.symbols)
	if symbols == nil {
		symbols = map[string]string{}
	}
	var halted []string
	unlisted := slices.Clone(r.cfg.Symbols)
	products := map[string]bool{}
	for _, l := range listings {
		old := before[l.Base]
		symbols[l.Product], products[l.Product] = l.Base, true
		unlisted = slices.DeleteFunc(unlisted, func(symbol string) bool { return symbol == l.Base })
		switch {
		case l.Halted != "":
			r.state.Omit(l.Base, "does not trade there at the moment ("+l.Halted+")")
			if old.Halted == "" {
				halted = append(halted, l.Base)
			}
		case old.Halted != "":
			c.resumed++
			r.state.TakeIn(l.Base)
		case !first && old.Product == "":
			r.state.TakeIn(l.Base)
		}
	}
	for _, symbol := range unlisted {
		r.state.Omit(symbol, "not listed there")
	}
	if len(halted) > 0 {
		r.log.Warn("coins that do not trade at the moment; they are read as soon as they do", "symbols", halted)
	}
	if first && len(unlisted) > 0 {
		r.log.Info("some coins are not listed", "symbols", unlisted)
		r.sink.Count(r.name, "unlisted", int64(len(unlisted)))
	}
	maps.DeleteFunc(c.refused, func(product string, _ *refusal) bool { return !products[product] })
	if slices.Equal(c.listings, listings) {
		c.same++
	} else {
		c.same = 0
	}
	c.listings, c.symbols = listings, symbols
}

// watch asks for a successor of the connection when another subscription is due: products have begun to trade, are new, or are to be
// tried again.
func (r *reader) watch(ctx context.Context, session *feed.Session, now subscription) {
	c := &r.catalogue
	for {
		c.mu.Lock()
		next := c.relist(r.cfg.Relist)
		if c.outdated {
			next = time.Now()
		}
		for _, refusal := range c.refused {
			if refusal.until.Before(next) && refusal.until.After(time.Now()) {
				next = refusal.until
			}
		}
		c.mu.Unlock()
		timer := time.NewTimer(max(time.Until(next), time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.look:
			timer.Stop()
		case <-timer.C:
		}
		_ = r.list(ctx) // the state has the error
		if s := r.subscription(true); s.resumed != now.resumed || !slices.Equal(s.products, now.products) {
			c.mu.Lock()
			c.retry = true
			c.mu.Unlock()
			session.Handover()
			return
		}
	}
}

// relistNow has the list of products asked for again at once, unless it is new.
func (r *reader) relistNow() {
	c := &r.catalogue
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.listed) < relistLeast {
		return
	}
	c.outdated = true
	select {
	case r.look <- struct{}{}:
	default:
	}
}

// refuse books that the venue refused a subscription, or a part of it. ended tells that the session is over by that; then refuse returns
// why.
func (r *reader) refuse(reason string, s subscription, ended error) error {
	r.sink.Count(r.name, "refused", 1)
	c := &r.catalogue
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outdated = true // a product that was delisted meanwhile is no longer on the list
	named := false
	for _, product := range s.products {
		if names(reason, product) {
			named = true
			c.leaveOut(r, product, reason)
		}
	}
	if ended != nil && !named && len(s.retried) > 0 { // it means one of those that it refused before
		named, c.single = true, true
		for product := range s.retried {
			c.leaveOut(r, product, reason)
		}
	}
	switch {
	case ended == nil && !named:
		if time.Since(c.said) > refusalEvery {
			r.log.Warn("the venue refused a subscription", "reason", reason)
			c.said = time.Now()
		}
	case ended == nil:
	case named:
		return fmt.Errorf("%w: the venue refuses a product: %s", feed.ErrAgain, reason)
	default:
		c.suspect = true
		return fmt.Errorf("%w: %s", ended, reason)
	}
	return nil
}

// leaveOut keeps a product out of subscriptions for a while.
func (c *catalogue) leaveOut(r *reader, product, reason string) {
	if c.refused == nil {
		c.refused = map[string]*refusal{}
	}
	refused := c.refused[product]
	if refused == nil {
		refused = &refusal{}
		c.refused[product] = refused
	}
	refused.until = time.Now().Add(r.cfg.Relist.Wait(refused.times, 0))
	refused.times++
	r.state.LeaveOut(c.symbols[product], fmt.Sprintf("the venue refuses %s: %s", product, reason))
}

// accept books that the venue takes a product, where it had refused it before.
func (r *reader) accept(s subscription, product string) {
	if !s.retried[product] {
		return
	}
	delete(s.retried, product)
	c := &r.catalogue
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.refused, product)
	r.state.TakeIn(c.symbols[product])
}

// names tells whether a text holds the name of a product, not as part of a longer one.
func names(text, product string) bool {
	for rest := text; ; {
		i := strings.Index(rest, product)
		if i < 0 {
			return false
		}
		before, after := rest[:i], rest[i+len(product):]
		if !inWord(before, len(before)-1) && !inWord(after, 0) {
			return true
		}
		rest = after
	}
}

// inWord tells whether the byte at i, if there is one, belongs to a word.
func inWord(s string, i int) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	b := s[i]
	return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
}

// probe asks for each product by itself where the venue has refused all of them without saying which it means. A venue that refuses
// every single one means none.
func (r *reader) probe(ctx context.Context, session *feed.Session, s subscription) subscription {
	c := &r.catalogue
	c.mu.Lock()
	due := c.suspect && time.Since(c.probed) > probeEvery && len(s.products) > 1
	c.suspect = false
	if due {
		c.probed = time.Now()
	}
	c.mu.Unlock()
	if !due {
		return s
	}
	reasons := map[string]string{}
	for _, product := range s.products {
		if reason := r.try(ctx, session, product); reason != "" {
			reasons[product] = reason
		}
		if feed.Sleep(ctx, probePause) != nil {
			return s
		}
	}
	if len(reasons) == len(s.products) {
		return s
	}
	c.mu.Lock()
	for product, reason := range reasons {
		c.leaveOut(r, product, reason)
	}
	c.mu.Unlock()
	return r.subscription(false)
}

var errAnswered = errors.New("the venue has answered")

// try asks for one product on a connection of its own, and returns the venue's reason if it refuses it.
func (r *reader) try(ctx context.Context, session *feed.Session, product string) (reason string) {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	conn, err := r.wire.Connect(ctx, []string{product}, session)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.Each(ctx, func(text []byte) error { // an error other than the answer tells nothing of the product
		message, err := r.wire.Decode(text)
		if reason = message.Refused; reason != "" || len(message.Accepted)+len(message.Trades) > 0 {
			return errAnswered
		}
		return err
	})
	return reason
}
