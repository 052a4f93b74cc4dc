package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"rcas/ingestor"
	"rcas/ingestor/backfill"
	"rcas/ingestor/binance"
	"rcas/ingestor/bluesky"
	"rcas/ingestor/coinbase"
	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
	"rcas/ingestor/kraken"
	"rcas/ingestor/news"
	"rcas/ingestor/push"
	"rcas/ingestor/reddit"
	"rcas/ingestor/stocktwits"
	"rcas/ingestor/twitter"
)

// sourceConfig is one entry of sources in the YAML file. Which keys there are, the source says.
type sourceConfig map[string]any

var lineNumber = regexp.MustCompile(`line \d+: `)

// into decodes the entry. Keys that the source does not know are errors. (Their lines would be the entry's, not the file's.)
func (c sourceConfig) into(fields any) error {
	text, err := yaml.Marshal(map[string]any(c))
	if err != nil {
		return err
	}
	if err := readYAML(text, fields); err != nil {
		return errors.New(lineNumber.ReplaceAllString(err.Error(), ""))
	}
	return nil
}

// addresses is a URL, or a list of them.
type addresses []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (a *addresses) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*a = addresses{node.Value}
		return nil
	}
	return node.Decode((*[]string)(a))
}

// check wants each to be a URL with one of the schemes.
func (a addresses) check(schemes ...string) error {
	for _, address := range a {
		if u, err := url.Parse(address); err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
			return fmt.Errorf("%q is no URL that begins with %s://", address, strings.Join(schemes, ":// or "))
		}
	}
	return nil
}

// only returns the address of a source that has one host, or "" where none is configured. Without schemes, it need not be a URL.
func (a addresses) only(schemes ...string) (string, error) {
	switch len(a) {
	case 0:
		return "", nil
	case 1:
		if len(schemes) > 0 {
			return a[0], a.check(schemes...)
		}
		return a[0], nil
	}
	return "", fmt.Errorf("it has %d addresses and takes one", len(a))
}

// sourceKind is a feed that can be read live. A new feed is one entry here.
type sourceKind struct {
	name string
	// keyless feeds run with --live.
	keyless bool
	build   func(*app, sourceConfig) (ingestor.Source, error)
	// past brings what was before; nil where that is not to be had, or not for free.
	past func(*app, sourceConfig, backfill.Config) (backfill.Source, error)
}

func sourceKinds() []sourceKind {
	return []sourceKind{
		{"bluesky", true, buildBluesky, pastOfBluesky},
		{"coinbase", true, buildExchange(coinbase.New), pastOfExchange(coinbase.Past)},
		{"binance", false, buildExchange(binance.New), pastOfExchange(binance.Past)},
		{"kraken", false, buildExchange(kraken.New), pastOfExchange(kraken.Past)},
		{"twitter", false, buildTwitter, nil},
		{"reddit", false, buildReddit, pastOfReddit},
		{"stocktwits", false, buildStockTwits, nil},
		{"news", false, buildNews, nil},
		{"push", false, buildPush, nil},
	}
}

func buildBluesky(a *app, cfg sourceConfig) (ingestor.Source, error) {
	config, err := blueskyConfig(a, cfg)
	if err != nil {
		return nil, err
	}
	return bluesky.New(config), nil
}

func blueskyConfig(a *app, cfg sourceConfig) (config bluesky.Config, err error) {
	var fields struct {
		// URL of the hosts, in order of preference.
		URL addresses `yaml:"url"`
		// Dictionary is the file of version 1's zstd dictionary.
		Dictionary string `yaml:"dictionary"`
		// PastWeeks is how many weeks of the past posts may be dated in.
		PastWeeks *int `yaml:"past_weeks"`
	}
	if err := cfg.into(&fields); err != nil {
		return config, err
	}
	if err := fields.URL.check("ws", "wss"); err != nil {
		return config, err
	}
	config = bluesky.Config{
		URLs: fields.URL, PastWeeks: fields.PastWeeks, Cursors: &a.cursors, HTTP: a.client(), Metrics: a.settings.metrics, Log: a.settings.log,
	}
	if fields.Dictionary != "" {
		dictionary, err := os.ReadFile(fields.Dictionary)
		if err != nil {
			return config, fmt.Errorf("read the zstd dictionary: %w", err)
		}
		config.Dictionary = dictionary
	}
	return config, nil
}

func buildExchange(build func(exchange.Config) *exchange.Source) func(*app, sourceConfig) (ingestor.Source, error) {
	return func(a *app, cfg sourceConfig) (ingestor.Source, error) {
		config, err := exchangeConfig(a, cfg)
		if err != nil {
			return nil, err
		}
		return build(config), nil
	}
}

func exchangeConfig(a *app, cfg sourceConfig) (config exchange.Config, err error) {
	var fields struct {
		URL addresses `yaml:"url"`
		// RESTURL is the REST endpoint, from which gaps are filled.
		RESTURL string `yaml:"rest_url"`
	}
	if err := cfg.into(&fields); err != nil {
		return config, err
	}
	address, err := fields.URL.only("ws", "wss")
	if err != nil {
		return config, err
	}
	if fields.RESTURL != "" {
		if err := (addresses{fields.RESTURL}).check("http", "https"); err != nil {
			return config, err
		}
	}
	return exchange.Config{
		URL: address, RESTURL: fields.RESTURL, Symbols: a.settings.symbols(), Cursors: &a.cursors, HTTP: a.client(),
		Metrics: a.settings.metrics, Log: a.settings.log,
	}, nil
}

func buildTwitter(a *app, cfg sourceConfig) (ingestor.Source, error) {
	var fields struct {
		URL addresses `yaml:"url"`
		// Filter is added to every rule.
		Filter string `yaml:"filter"`
		// Users tells whether to ask for authors' names and followers, which X bills too.
		Users *bool `yaml:"users"`
		// PerDay and PerMonth limit how many posts are read, the others what X bills at these prices, in dollars.
		PerDay          int64   `yaml:"per_day"`
		PerMonth        int64   `yaml:"per_month"`
		DollarsPerDay   float64 `yaml:"dollars_per_day"`
		DollarsPerMonth float64 `yaml:"dollars_per_month"`
		PostPrice       float64 `yaml:"post_price"`
		UserPrice       float64 `yaml:"user_price"`
		// Reach is how far back gaps are searched.
		Reach time.Duration `yaml:"reach"`
	}
	if err := cfg.into(&fields); err != nil {
		return nil, err
	}
	address, err := fields.URL.only("http", "https")
	if err != nil {
		return nil, err
	}
	token := a.settings.env["RCAS_X_BEARER_TOKEN"]
	if token == "" {
		return nil, errors.New("set RCAS_X_BEARER_TOKEN to the bearer token of your X app")
	}
	return twitter.New(twitter.Config{
		URL: address, Token: feed.Secret(token), Assets: a.settings.file.Assets, Filter: fields.Filter,
		NoUsers: fields.Users != nil && !*fields.Users,
		Limits: twitter.Limits{
			PerDay: fields.PerDay, PerMonth: fields.PerMonth, DollarsPerDay: fields.DollarsPerDay, DollarsPerMonth: fields.DollarsPerMonth,
			PostPrice: fields.PostPrice, UserPrice: fields.UserPrice,
		},
		Reach: fields.Reach, Cursors: &a.cursors, HTTP: a.client(), Metrics: a.settings.metrics, Log: a.settings.log,
	})
}

func buildReddit(a *app, cfg sourceConfig) (ingestor.Source, error) {
	config, err := redditConfig(a, cfg)
	if err != nil {
		return nil, err
	}
	return reddit.New(config)
}

func redditConfig(a *app, cfg sourceConfig) (config reddit.Config, err error) {
	var fields struct {
		URL addresses `yaml:"url"`
		// TokenURL is the host that gives tokens.
		TokenURL addresses `yaml:"token_url"`
		// Username is the Reddit name of who runs RCAS, which Reddit wants to know.
		Username   string   `yaml:"username"`
		Subreddits []string `yaml:"subreddits"`
	}
	if err := cfg.into(&fields); err != nil {
		return config, err
	}
	address, err := fields.URL.only("http", "https")
	if err != nil {
		return config, err
	}
	tokens, err := fields.TokenURL.only("http", "https")
	if err != nil {
		return config, err
	}
	id, secret := a.settings.env["RCAS_REDDIT_CLIENT_ID"], a.settings.env["RCAS_REDDIT_CLIENT_SECRET"]
	if id == "" || secret == "" {
		return config, errors.New("set RCAS_REDDIT_CLIENT_ID and RCAS_REDDIT_CLIENT_SECRET to those of an app, made at reddit.com/prefs/apps")
	}
	return reddit.Config{
		URL: address, AuthURL: tokens, ClientID: id, ClientSecret: feed.Secret(secret),
		Username: fields.Username, Subreddits: fields.Subreddits, Cursors: &a.cursors, HTTP: a.client(),
		Metrics: a.settings.metrics, Log: a.settings.log,
	}, nil
}

func buildStockTwits(a *app, cfg sourceConfig) (ingestor.Source, error) {
	var fields struct {
		URL addresses `yaml:"url"`
		// Symbols are the coins to read about, instead of all.
		Symbols []string `yaml:"symbols"`
		// PerHour is how many requests are made in an hour.
		PerHour int `yaml:"per_hour"`
	}
	if err := cfg.into(&fields); err != nil {
		return nil, err
	}
	address, err := fields.URL.only("http", "https")
	if err != nil {
		return nil, err
	}
	symbols := a.settings.symbols()
	for _, symbol := range fields.Symbols {
		if !slices.Contains(symbols, symbol) {
			return nil, fmt.Errorf("there is no coin %q among the assets", symbol)
		}
	}
	if len(fields.Symbols) > 0 {
		symbols = fields.Symbols
	}
	return stocktwits.New(stocktwits.Config{
		URL: address, Symbols: symbols, PerHour: fields.PerHour, Version: version(), Cursors: &a.cursors, HTTP: a.client(),
		Metrics: a.settings.metrics, Log: a.settings.log,
	})
}

// newsFields are the keys of news in the file.
type newsFields struct {
	// URL and Feeds are both the addresses of the feeds; the first may be given by a flag.
	URL   addresses `yaml:"url"`
	Feeds []string  `yaml:"feeds"`
	// Every is the time between two looks at a feed.
	Every time.Duration `yaml:"every"`
	// PastWeeks is how many weeks of the past articles may be of.
	PastWeeks *int `yaml:"past_weeks"`
}

func buildNews(a *app, cfg sourceConfig) (ingestor.Source, error) {
	var fields newsFields
	if err := cfg.into(&fields); err != nil {
		return nil, err
	}
	return news.New(news.Config{
		Feeds: slices.Concat(fields.URL, fields.Feeds), Every: fields.Every, PastWeeks: fields.PastWeeks, Version: version(), Cursors: &a.cursors,
		HTTP: a.client(), Metrics: a.settings.metrics, Log: a.settings.log,
	})
}

func buildPush(a *app, cfg sourceConfig) (ingestor.Source, error) {
	var fields struct {
		// URL is the address to listen on.
		URL addresses `yaml:"url"`
	}
	if err := cfg.into(&fields); err != nil {
		return nil, err
	}
	listen, err := fields.URL.only()
	if err != nil {
		return nil, err
	}
	return push.New(push.Config{
		Listen: listen, Token: feed.Secret(a.settings.env["RCAS_PUSH_TOKEN"]), NATS: a.stream.Conn(), Metrics: a.settings.metrics, Log: a.settings.log,
	})
}

// client opens the connections of sources; the clock hears the time that the other side has.
func (a *app) client() *http.Client { return &http.Client{Transport: a.clock.Transport(nil)} }

func (s *settings) symbols() []string {
	symbols := make([]string, len(s.file.Assets))
	for i, a := range s.file.Assets {
		symbols[i] = a.Symbol
	}
	return symbols
}

// sourceFlags choose feeds on the command line.
type sourceFlags struct {
	live  bool
	names []string
	urls  []string
}

func (f *sourceFlags) add(cmd *cobra.Command) {
	var names, keyless []string
	for _, k := range sourceKinds() {
		names = append(names, k.name)
		if k.keyless {
			keyless = append(keyless, k.name)
		}
	}
	cmd.Flags().BoolVar(&f.live, "live", false, "read the feeds that need no key ("+strings.Join(keyless, ", ")+")")
	cmd.Flags().StringSliceVar(&f.names, "source", nil, "read this feed too; may be repeated ("+strings.Join(names, ", ")+")")
	cmd.Flags().StringSliceVar(&f.urls, "source-url", nil, "point a feed elsewhere: NAME=URL; may be repeated (for bluesky: its hosts in turn; for news: its feeds)")
}

// build makes the sources that flags and file name, each once.
func (f *sourceFlags) build(a *app) ([]ingestor.Source, error) {
	configs, err := f.configs(a.settings.file.Sources)
	if err != nil {
		return nil, err
	}
	kinds := sourceKinds()
	var sources []ingestor.Source
	for _, name := range sortedKeys(configs) {
		i := slices.IndexFunc(kinds, func(k sourceKind) bool { return k.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no source %q; rcas up --help lists them", name)
		}
		source, err := kinds[i].build(a, configs[name])
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", name, err)
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// open makes the sources, and the door that they read into.
func (f *sourceFlags) open(ctx context.Context, a *app) ([]ingestor.Source, *ingestor.Door, error) {
	sources, err := f.build(a)
	if err != nil {
		return nil, nil, err
	}
	door, err := a.door(ctx, a.clock)
	return sources, door, err
}

// configs are the sources that flags and file name.
func (f *sourceFlags) configs(file map[string]sourceConfig) (map[string]sourceConfig, error) {
	configs := map[string]sourceConfig{}
	for name, cfg := range file {
		configs[name] = sourceConfig{}
		maps.Copy(configs[name], cfg)
	}
	names := slices.Clone(f.names)
	for _, k := range sourceKinds() {
		if f.live && k.keyless {
			names = append(names, k.name)
		}
	}
	for _, name := range names {
		if configs[name] == nil {
			configs[name] = sourceConfig{}
		}
	}
	urls := map[string][]string{}
	for _, entry := range f.urls {
		name, address, ok := strings.Cut(entry, "=")
		if !ok || configs[name] == nil {
			return nil, fmt.Errorf("--source-url %s: write NAME=URL, with the name of a feed that is read", entry)
		}
		urls[name] = append(urls[name], address)
		configs[name]["url"] = urls[name]
	}
	return configs, nil
}
