package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"rcas/market"
	"rcas/store"
	"rcas/telemetry"
)

// settings are what flags, variables and the YAML file say. A flag wins over its variable.
type settings struct {
	databaseURL, dataDir, configFile, modelsDir string
	nats                                        natsSettings
	metricsAddress, logFormat                   string
	logLevel                                    slog.Level

	file    file
	log     *slog.Logger
	records bool                 // the last error is a record of the log too: so it was asked for, or a service logs to no terminal
	say     func(message string) // tells the person at the terminal, or the log where there is none
	metrics *telemetry.Metrics
	env     map[string]string // the RCAS_ variables that are not flags
}

// file is the YAML file. Every key is optional.
type file struct {
	// Assets replaces the coins that RCAS knows by itself.
	Assets []market.Asset `yaml:"assets"`
	// Sources says which feeds run and how.
	Sources map[string]sourceConfig `yaml:"sources"`
	// KeepUnmapped stores posts that speak of no known coin instead of dropping them.
	KeepUnmapped bool `yaml:"keep_unmapped"`
	// Authors says what stands for authors in the database: names, or hashed.
	Authors authorsConfig `yaml:"authors"`
	// Keep says how long raw rows are kept.
	Keep keepConfig `yaml:"keep"`
	// Index weighs the parts of mood_index().
	Index store.Weights `yaml:"index"`
	// Alerts says what becomes an alert, and who is told.
	Alerts alertsConfig `yaml:"alerts"`
}

// variables that are not flags: secrets, which do not belong on a command line, and those that other packages and the tests read.
var variables = []string{
	"RCAS_DATABASE_PASSWORD", "RCAS_NATS_PASSWORD", "RCAS_NATS_TOKEN", "RCAS_X_BEARER_TOKEN", "RCAS_REDDIT_CLIENT_ID",
	"RCAS_REDDIT_CLIENT_SECRET", "RCAS_PUSH_TOKEN", "RCAS_API_TOKEN", "RCAS_WEBHOOK_URL", "RCAS_WEBHOOK_INSIDE", "RCAS_AUTHORS_KEY",
	"RCAS_ONNXRUNTIME_LIB", "RCAS_TEST_DATABASE_URL", "RCAS_BENCH_DATABASE_URL",
	"RCAS_FEED_RECORDINGS", "RCAS_DEMO",
}

// resolve fills in what flags leave open, once the command line is parsed.
func (s *settings) resolve(cmd *cobra.Command, environ []string) error {
	if err := s.readVariables(cmd, environ); err != nil {
		return err
	}
	if err := s.nats.resolve(s.env); err != nil {
		return err
	}
	if s.dataDir == "" {
		s.dataDir = defaultDataDir()
	}
	if s.dataDir == "" {
		return errors.New("there is no home directory to keep data in; set --data-dir")
	}
	dir, err := filepath.Abs(s.dataDir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	s.dataDir = dir
	if err := s.openLog(cmd.ErrOrStderr()); err != nil {
		return err
	}
	s.metrics = telemetry.New(version())
	if s.databaseURL, err = withPassword(s.databaseURL, s.env["RCAS_DATABASE_PASSWORD"]); err != nil {
		return fmt.Errorf("--database-url: %w", err)
	}
	return s.readFile()
}

// withPassword puts a password that is kept apart into a URL that names a user only.
func withPassword(address, password string) (string, error) {
	if password == "" || address == "" {
		return address, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return "", errors.New("RCAS_DATABASE_PASSWORD is set, and no user; write postgres://user@host:5432/database")
	}
	if _, set := u.User.Password(); set {
		return "", errors.New("it holds a password, and RCAS_DATABASE_PASSWORD is set as well; leave one out")
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String(), nil
}

// openLog logs as text to a terminal, and as JSON, a record a line, to whatever else takes it, unless --log-format says otherwise.
func (s *settings) openLog(to io.Writer) error {
	asRecords := !isTerminal(to)
	switch s.logFormat {
	case "auto":
	case "text", "json":
		asRecords = s.logFormat == "json"
		s.records = asRecords
	default:
		return fmt.Errorf("--log-format %q: write auto, text or json", s.logFormat)
	}
	options := &slog.HandlerOptions{Level: s.logLevel}
	if asRecords {
		s.log = slog.New(slog.NewJSONHandler(to, options))
		said := slog.New(slog.NewJSONHandler(to, nil)) // whatever the level
		s.say = func(message string) { said.Info(message) }
		return nil
	}
	s.log = slog.New(slog.NewTextHandler(to, options))
	s.say = func(message string) { fmt.Fprintln(to, "rcas: "+message) }
	return nil
}

func (s *settings) readVariables(cmd *cobra.Command, environ []string) error {
	s.env = map[string]string{}
	known := map[string]bool{}
	for _, flag := range allFlags(cmd.Root()) {
		known[variable(flag)] = true
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "RCAS_") {
			continue
		}
		if secret, ok := strings.CutSuffix(name, "_FILE"); ok && (isVariable(secret) || secret == "RCAS_DATABASE_URL") {
			text, err := os.ReadFile(value)
			if err != nil {
				return fmt.Errorf("read the secret of %s: %w", name, err)
			}
			if name, value = secret, strings.TrimSpace(string(text)); value == "" {
				return fmt.Errorf("the file of the secret %s_FILE is empty", secret)
			}
		}
		switch {
		case isVariable(name):
			s.env[name] = value
		case !known[name]:
			return fmt.Errorf("variable %s is not known; the flags of rcas --help, written like RCAS_DATABASE_URL, are, and %s, and %s<NAME> of a channel",
				name, strings.Join(variables, ", "), alertVariable)
		default:
			flag := cmd.Flags().Lookup(strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "RCAS_")), "_", "-"))
			if flag == nil || flag.Changed || value == "" {
				continue
			}
			if err := flag.Value.Set(value); err != nil {
				return fmt.Errorf("variable %s=%q: %w", name, value, readable(err))
			}
		}
	}
	return nil
}

func allFlags(cmd *cobra.Command) []string {
	var names []string
	collect := func(f *pflag.Flag) { names = append(names, f.Name) }
	cmd.PersistentFlags().VisitAll(collect)
	cmd.Flags().VisitAll(collect)
	for _, sub := range cmd.Commands() {
		names = append(names, allFlags(sub)...)
	}
	return names
}

// isVariable tells whether a name is that of a variable that is no flag.
func isVariable(name string) bool {
	return slices.Contains(variables, name) || strings.HasPrefix(name, alertVariable)
}

// variable is the name of a flag's variable.
func variable(flag string) string {
	return "RCAS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func (s *settings) readFile() error {
	if s.configFile == "" {
		assets, err := market.DefaultAssets()
		s.file.Assets = assets
		return err
	}
	text, err := os.ReadFile(s.configFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no configuration file %s", s.configFile)
	}
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if err := readYAML(text, &s.file); err != nil {
		return fmt.Errorf("configuration %s: %w", s.configFile, err)
	}
	if err := s.file.Keep.keep().Validate(); err != nil {
		return fmt.Errorf("configuration %s: keep: %w", s.configFile, err)
	}
	if err := s.file.Authors.validate(); err != nil {
		return fmt.Errorf("configuration %s: authors: %w", s.configFile, err)
	}
	if err := s.file.Index.Validate(); err != nil {
		return fmt.Errorf("configuration %s: index: %w", s.configFile, err)
	}
	if len(s.file.Assets) == 0 {
		if s.file.Assets, err = market.DefaultAssets(); err != nil {
			return err
		}
	} else if err := market.ValidateAssets(s.file.Assets); err != nil {
		return fmt.Errorf("configuration %s: %w", s.configFile, err)
	}
	if err := s.file.Alerts.validate(s.symbols()); err != nil {
		return fmt.Errorf("configuration %s: alerts: %w", s.configFile, err)
	}
	return nil
}

var unknownKey = regexp.MustCompile(`field (\S+) not found in type .*`)

// readYAML decodes what may be empty. Unknown keys are errors, in the words of the file and not of Go.
func readYAML(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	err := decoder.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		return errors.New(unknownKey.ReplaceAllString(strings.Join(wrong.Errors, "; "), `there is no key "$1"`))
	}
	return err
}

// defaultDataDir follows each system's custom; "" where there is no home.
func defaultDataDir() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "rcas")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "rcas")
	}
	return filepath.Join(home, ".local", "share", "rcas")
}
