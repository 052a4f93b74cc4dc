package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"rcas/ingestor"
	"rcas/ingestor/binance"
	"rcas/ingestor/bluesky"
	"rcas/ingestor/coinbase"
	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
	"rcas/ingestor/kraken"
	"rcas/ingestor/push"
	"rcas/ingestor/reddit"
	"rcas/ingestor/twitter"
)

// sourceConfig is one entry of sources in the YAML file. Keys that a source does not know are errors.
type sourceConfig struct {
	// URL points the source elsewhere: a proxy, a compatible service, a test. For push it is the address to listen on.
	URL string `yaml:"url"`
	// RESTURL is the exchange's REST endpoint, from which gaps are filled.
	RESTURL string `yaml:"rest_url"`
	// Subreddits, for reddit; Username is the Reddit name of who runs RCAS, which Reddit wants to know.
	Subreddits []string `yaml:"subreddits"`
	Username   string   `yaml:"username"`
	// Filter is added to every rule of X; PerDay and PerMonth limit how many posts are read there.
	Filter   string `yaml:"filter"`
	PerDay   int64  `yaml:"per_day"`
	PerMonth int64  `yaml:"per_month"`
}

// sourceKind is a feed that can be read live. A new feed is one entry here.
type sourceKind struct {
	name string
	// keyless feeds run with --live.
	keyless bool
	build   func(a *app, cfg sourceConfig) (ingestor.Source, error)
}

func sourceKinds() []sourceKind {
	trades := func(build func(exchange.Config) *exchange.Source) func(*app, sourceConfig) (ingestor.Source, error) {
		return func(a *app, cfg sourceConfig) (ingestor.Source, error) {
			return build(exchange.Config{
				URL: cfg.URL, RESTURL: cfg.RESTURL, Symbols: a.settings.symbols(), Cursors: a.store, Log: a.settings.log,
			}), nil
		}
	}
	return []sourceKind{
		{"bluesky", true, func(a *app, cfg sourceConfig) (ingestor.Source, error) {
			config := bluesky.Config{Cursors: a.store, Log: a.settings.log}
			if cfg.URL != "" {
				config.URLs = []string{cfg.URL}
			}
			return bluesky.New(config), nil
		}},
		{"coinbase", true, trades(coinbase.New)},
		{"binance", false, trades(binance.New)},
		{"kraken", false, trades(kraken.New)},
		{"twitter", false, func(a *app, cfg sourceConfig) (ingestor.Source, error) {
			return twitter.New(twitter.Config{
				URL: cfg.URL, Token: feed.Secret(a.settings.env["RCAS_X_BEARER_TOKEN"]), Assets: a.settings.file.Assets, Filter: cfg.Filter,
				PerDay: cfg.PerDay, PerMonth: cfg.PerMonth, Cursors: a.store, Log: a.settings.log,
			})
		}},
		{"reddit", false, func(a *app, cfg sourceConfig) (ingestor.Source, error) {
			return reddit.New(reddit.Config{
				URL: cfg.URL, ClientID: a.settings.env["RCAS_REDDIT_CLIENT_ID"], ClientSecret: feed.Secret(a.settings.env["RCAS_REDDIT_CLIENT_SECRET"]),
				Username: cfg.Username, Subreddits: cfg.Subreddits, Cursors: a.store, Log: a.settings.log,
			})
		}},
		{"push", false, func(a *app, cfg sourceConfig) (ingestor.Source, error) {
			return push.New(push.Config{
				Listen: cfg.URL, Token: feed.Secret(a.settings.env["RCAS_PUSH_TOKEN"]), NATS: a.stream.Conn(), Log: a.settings.log,
			})
		}},
	}
}

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
	cmd.Flags().StringSliceVar(&f.urls, "source-url", nil, "point a feed elsewhere: NAME=URL; may be repeated")
}

// build makes the sources that flags and file name, each once.
func (f *sourceFlags) build(a *app) ([]ingestor.Source, error) {
	kinds := sourceKinds()
	configs := map[string]sourceConfig{}
	for name, node := range a.settings.file.Sources {
		var cfg sourceConfig
		if err := decodeStrictly(node, &cfg); err != nil {
			return nil, fmt.Errorf("configuration of source %s: %w", name, err)
		}
		configs[name] = cfg
	}
	for _, name := range f.names {
		if _, there := configs[name]; !there {
			configs[name] = sourceConfig{}
		}
	}
	for _, k := range kinds {
		if _, there := configs[k.name]; f.live && k.keyless && !there {
			configs[k.name] = sourceConfig{}
		}
	}
	for _, entry := range f.urls {
		name, url, ok := strings.Cut(entry, "=")
		cfg, there := configs[name]
		if !ok || !there {
			return nil, fmt.Errorf("--source-url %s: write NAME=URL, with the name of a feed that is read", entry)
		}
		cfg.URL = url
		configs[name] = cfg
	}
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

// decodeStrictly decodes a YAML node, refusing unknown keys.
func decodeStrictly(node yaml.Node, into any) error {
	text, err := yaml.Marshal(&node)
	if err != nil {
		return err
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	return decoder.Decode(into)
}
