package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// feedProbe is a page of a feed's host that costs nothing to ask for, and that needs the key where there is one.
type feedProbe struct {
	page string
	// key puts the key into the request. It returns false where none is set. Nil: no key is needed.
	key func(env map[string]string, r *http.Request) bool
	// itself tells that the page is what the feed reads, and must be there.
	itself bool
}

// feedProbes by the name of the source.
var feedProbes = map[string]feedProbe{
	"bluesky":  {page: "https://jetstream.us-east.bsky.network/"},
	"coinbase": {page: "https://api.exchange.coinbase.com/time"},
	"binance":  {page: "https://api.binance.com/api/v3/time"},
	"kraken":   {page: "https://api.kraken.com/0/public/Time"},
	"twitter": {page: "https://api.x.com/2/usage/tweets", key: func(env map[string]string, r *http.Request) bool {
		r.Header.Set("Authorization", "Bearer "+env["RCAS_X_BEARER_TOKEN"])
		return env["RCAS_X_BEARER_TOKEN"] != ""
	}},
	"stocktwits": {page: "https://api.stocktwits.com/api/2/streams/trending.json"},
	"reddit": {page: "https://www.reddit.com/api/v1/scopes", key: func(env map[string]string, _ *http.Request) bool {
		return env["RCAS_REDDIT_CLIENT_ID"] != "" && env["RCAS_REDDIT_CLIENT_SECRET"] != ""
	}},
}

const (
	// skewWarn and skewFail are differences of this machine's clock from a feed's host. What comes from more than ten seconds ahead is
	// dropped as being of the future.
	skewWarn = 3 * time.Second
	skewFail = 10 * time.Second
)

// feeds asks the hosts of the feeds that are chosen, and compares their clocks with ours.
func (d *doctor) feeds(ctx context.Context, flags sourceFlags) {
	addresses := map[string]string{}
	for name, fields := range d.s.file.Sources {
		switch address := fields["url"].(type) {
		case string:
			addresses[name] = address
		case []any: // the first of them
			addresses[name] = fmt.Sprint(append(address, "")[0])
		}
	}
	for _, entry := range flags.urls {
		name, address, _ := strings.Cut(entry, "=")
		addresses[name] = address
	}
	chosen := slices.Concat(flags.names, sortedKeys(d.s.file.Sources))
	if flags.live || len(chosen) == 0 {
		chosen = append(chosen, "bluesky", "coinbase")
	}
	slices.Sort(chosen)
	var skews []time.Duration
	for _, name := range slices.Compact(chosen) {
		if name == "news" {
			skews = append(skews, d.newspapers(ctx, flags.urls)...)
			continue
		}
		probe, known := feedProbes[name]
		if !known {
			continue // pushed to us
		}
		if skew, ok := d.feed(ctx, name, probe, addresses[name]); ok {
			skews = append(skews, skew)
		}
	}
	if len(skews) == 0 {
		d.add("clock", warn, "no feed tells the time", "compare it by hand: what is more than ten seconds ahead of this clock is dropped")
		return
	}
	slices.SortFunc(skews, func(a, b time.Duration) int { return cmp.Compare(a.Abs(), b.Abs()) })
	skew, verdict := skews[0], fine
	switch {
	case skew.Abs() >= skewFail:
		verdict = fail
	case skew.Abs() >= skewWarn:
		verdict = warn
	}
	d.add("clock", verdict, fmt.Sprintf("%s from the feeds'", skew.Round(time.Second)), "let NTP set this machine's clock: what is ahead of it is dropped as being of the future")
}

// newspapers asks the hosts of the feeds of news, each for its feed, and tells how far our clock is ahead of theirs.
func (d *doctor) newspapers(ctx context.Context, flags []string) (skews []time.Duration) {
	var fields newsFields
	if err := d.s.file.Sources["news"].into(&fields); err != nil {
		d.add("feed news", fail, err.Error(), "mend its entry in the configuration")
		return nil
	}
	feeds := slices.Concat(fields.URL, fields.Feeds)
	for _, entry := range flags {
		if address, ok := strings.CutPrefix(entry, "news="); ok {
			feeds = append(feeds, address)
		}
	}
	if len(feeds) == 0 {
		d.add("feed news", fail, "no feed is named", "list the addresses of RSS or Atom feeds under sources, news, feeds")
	}
	for _, page := range feeds {
		if u := mustParse(page); u.Host == "" {
			d.add("feed news", fail, "an address does not parse: "+page, "write https://…")
		} else if skew, ok := d.feed(ctx, "news "+u.Host+u.Path, feedProbe{page: page, itself: true}, ""); ok {
			skews = append(skews, skew)
		}
	}
	return skews
}

// feed asks one host, and tells how far our clock is ahead of its.
func (d *doctor) feed(ctx context.Context, name string, probe feedProbe, address string) (time.Duration, bool) {
	check := "feed " + name
	page := probe.page
	if address != "" {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			d.add(check, fail, "its address does not parse", "write --source-url "+name+"=URL")
			return 0, false
		}
		u.Scheme, u.Path = strings.Replace(u.Scheme, "ws", "http", 1), cmp.Or(mustParse(probe.page).Path, "/")
		page = u.String()
	}
	ctx, cancel := context.WithTimeout(ctx, 2*statusPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		d.add(check, fail, err.Error(), "mend its address")
		return 0, false
	}
	request.Header.Set("User-Agent", "rcas-doctor")
	if probe.key != nil && !probe.key(d.s.env, request) {
		d.add(check, fail, "its key is not set", "docs/sources.md says which variables hold it")
		return 0, false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		d.add(check, fail, mustParse(page).Host+": "+err.Error(), "is there a network, a firewall, a proxy? The feed is tried again all the time")
		return 0, false
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case probe.key != nil && (code == http.StatusUnauthorized || code == http.StatusForbidden):
		d.add(check, fail, "its key is refused: "+response.Status, "make a new one; docs/sources.md")
	case code == http.StatusForbidden || code == http.StatusUnavailableForLegalReasons:
		d.add(check, fail, "it refuses this machine: "+response.Status, "it may not serve this country or address; choose another venue")
	case probe.itself && code >= 400 && code < 500 && code != http.StatusTooManyRequests:
		d.add(check, fail, "it answers "+response.Status, "is its address right?")
	case code >= 500 || code == http.StatusTooManyRequests:
		d.add(check, warn, "it answers "+response.Status, "wait: the trouble is theirs, or this address asked too often")
	default:
		d.add(check, fine, mustParse(page).Host+" answers", "")
	}
	at, err := http.ParseTime(response.Header.Get("Date"))
	return time.Since(at.Add(500 * time.Millisecond)), err == nil // the header has whole seconds
}

// mustParse parses an address that was parsed before.
func mustParse(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		return &url.URL{}
	}
	return u
}
