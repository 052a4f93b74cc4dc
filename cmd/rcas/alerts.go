package main

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rcas/alert"
)

// alertsConfig says what becomes an alert and who is told. What a rule leaves out has the defaults of record_alerts().
type alertsConfig struct {
	// The one rule, about divergences, where Rules is empty.
	alertRule `yaml:",inline"`
	// Rules are those of one's own, by name.
	Rules map[string]alertRule `yaml:"rules"`
	// Channels are the ways to people, by name. What is secret of one is the variable RCAS_ALERT_<NAME>.
	Channels map[string]channelConfig `yaml:"channels"`
	// Grafana is the address of the dashboards that alerts lead to.
	Grafana string `yaml:"grafana"`
}

type alertRule struct {
	Kind        alert.Kind    `yaml:"kind"`
	Symbols     []string      `yaml:"symbols"`
	Width       time.Duration `yaml:"width"`
	Baseline    int           `yaml:"baseline"`
	Threshold   float64       `yaml:"threshold"`
	MinPosts    int           `yaml:"min_posts"`
	Persistence int           `yaml:"persistence"`
	Cooldown    time.Duration `yaml:"cooldown"`
	To          []string      `yaml:"to"`
}

func (r alertRule) rule(name string) alert.Rule {
	return alert.Rule{
		Name: name, Kind: r.Kind, Symbols: r.Symbols, Width: r.Width, Baseline: r.Baseline, Threshold: r.Threshold, MinPosts: r.MinPosts,
		Persistence: r.Persistence, Cooldown: r.Cooldown, To: r.To,
	}
}

type channelConfig struct {
	Kind   string   `yaml:"kind"`
	Inside bool     `yaml:"inside"`
	Chat   string   `yaml:"chat"`
	Server string   `yaml:"server"`
	Host   string   `yaml:"host"`
	Port   int      `yaml:"port"`
	TLS    string   `yaml:"tls"`
	User   string   `yaml:"user"`
	From   string   `yaml:"from"`
	To     []string `yaml:"to"`
}

// alertVariable is the prefix of the variables that hold what is secret of a channel.
const alertVariable = "RCAS_ALERT_"

// webhookChannel is the channel that RCAS_WEBHOOK_URL makes.
const webhookChannel = "webhook"

var channelName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,30}$`)

func channelVariable(name string) string {
	return alertVariable + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// rules are those of the file, sorted by name.
func (c alertsConfig) rules() []alert.Rule {
	if len(c.Rules) == 0 {
		return []alert.Rule{c.rule("")}
	}
	var rules []alert.Rule
	for _, name := range slices.Sorted(maps.Keys(c.Rules)) {
		rules = append(rules, c.Rules[name].rule(name))
	}
	return rules
}

func (c alertsConfig) validate(symbols []string) error {
	if len(c.Rules) > 0 && !reflect.ValueOf(c.alertRule).IsZero() {
		return fmt.Errorf("with rules: there is no rule beside them; write its settings under a name there")
	}
	for _, r := range c.rules() {
		switch r.Kind {
		case "", alert.Divergence, alert.Mood, alert.Volume, alert.Adverts, alert.Word:
		default:
			return fmt.Errorf("rule %s: there is no kind %q; write divergence, mood, volume, adverts or word", r.Name, r.Kind)
		}
		for _, channel := range r.To {
			if _, known := c.Channels[channel]; !known && channel != webhookChannel {
				return fmt.Errorf("rule %s: there is no channel %q", r.Name, channel)
			}
		}
		for _, symbol := range r.Symbols {
			if !slices.Contains(symbols, symbol) {
				return fmt.Errorf("rule %s: there is no coin %q", r.Name, symbol)
			}
		}
	}
	for name := range c.Channels {
		if !channelName.MatchString(name) || name == webhookChannel {
			return fmt.Errorf("channel %q: a name is made of small letters, digits, - and _, and is not %s, which RCAS_WEBHOOK_URL makes", name, webhookChannel)
		}
	}
	return nil
}

// channels are those of the file and the one of RCAS_WEBHOOK_URL, sorted by name, with their secrets.
func (s *settings) channels() ([]alert.Channel, error) {
	var channels []alert.Channel
	secrets := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.file.Alerts.Channels)) {
		c, secret := s.file.Alerts.Channels[name], channelVariable(name)
		if secrets[secret] {
			return nil, fmt.Errorf("two channels would have the secret of %s; give one another name", secret)
		}
		secrets[secret] = true
		if s.env[secret] == "" && (c.Kind != "email" || c.User != "") {
			return nil, fmt.Errorf("channel %s: set %s (or %s_FILE) to %s", name, secret, secret, secretOf[c.Kind])
		}
		channels = append(channels, alert.Channel{
			Name: name, Kind: c.Kind, Secret: s.env[secret], Inside: c.Inside, Chat: c.Chat, Server: c.Server,
			Mail: alert.Mail{Host: c.Host, Port: c.Port, TLS: c.TLS, User: c.User, From: c.From, To: c.To},
		})
	}
	if s.configFile != "" {
		for variable := range s.env {
			if strings.HasPrefix(variable, alertVariable) && !secrets[variable] {
				return nil, fmt.Errorf("variable %s belongs to no channel of the configuration", variable)
			}
		}
	}
	if address := s.env["RCAS_WEBHOOK_URL"]; address != "" {
		channels = append(channels, alert.Channel{Name: webhookChannel, Kind: "webhook", Secret: address, Inside: s.env["RCAS_WEBHOOK_INSIDE"] == "1"})
	}
	for _, c := range channels {
		if err := c.Validate(); err != nil {
			return nil, err
		}
	}
	return channels, nil
}

// secretOf says what is secret of a kind of channel.
var secretOf = map[string]string{
	"": "its secret", "webhook": "its address", "discord": "its address", "slack": "its address", "telegram": "the bot's token", "email": "the password",
}

// alerts makes the service that looks for alerts.
func (a *app) alerts() (*alert.Service, error) {
	channels, err := a.settings.channels()
	if err != nil {
		return nil, err
	}
	return alert.New(alert.Config{
		Rules: a.settings.file.Alerts.rules(), Channels: channels, Grafana: a.settings.file.Alerts.Grafana, Metrics: a.settings.metrics, Log: a.settings.log,
	}, a.store.Pool(), a.stream.Conn())
}

func newAlert(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "List the rules and channels of alerts, and try a channel",
	}
	cmd.AddCommand(newAlertTest(s), newAlertList(s))
	return cmd
}

func newAlertTest(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "test NAME",
		Short: "Send a message to a channel, as an alert would come",
		Long: `Send a message to a channel of the configuration, or to the one of RCAS_WEBHOOK_URL, which is named webhook. It says that it is a test, and is
stored nowhere.`,
		Example: "  rcas alert test phone",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			channels, err := s.channels()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(channels, func(c alert.Channel) bool { return c.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no channel %q; there %s", args[0], namesOf(channels))
			}
			if err := channels[i].Send(cmd.Context(), alert.Trial(time.Now(), s.file.Alerts.Grafana)); err != nil {
				return fmt.Errorf("channel %s: %w", args[0], err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) took the message\n", args[0], channels[i].Kind)
			return nil
		},
	}
}

func namesOf(channels []alert.Channel) string {
	if len(channels) == 0 {
		return "are none: write some under alerts: channels: in the file of --config, or set RCAS_WEBHOOK_URL"
	}
	names := make([]string, len(channels))
	for i, c := range channels {
		names[i] = c.Name
	}
	return "is " + strings.Join(names, ", ")
}

func newAlertList(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the rules and channels, and the alerts of the last week",
		Args:  cobra.NoArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		channels, err := s.channels()
		if err != nil {
			return err
		}
		a, err := s.openPrepared(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		return a.listAlerts(cmd.Context(), cmd, channels)
	}
	return cmd
}

// listSQL tells of each alert of a week, and where it was told or why not.
const listSQL = `SELECT a.fired_at, a.rule, a.symbol, a.direction || coalesce(nullif(' ' || a.word, ' '), ''), a.value,
	CASE WHEN a.ended_at IS NULL THEN 'goes on' ELSE to_char(a.end_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') END,
	coalesce((SELECT string_agg(d.channel || CASE WHEN d.delivered_at IS NOT NULL THEN '' ELSE ': ' || coalesce(d.last_error, 'being sent') END, '; ' ORDER BY d.channel)
	          FROM alert_deliveries AS d WHERE d.alert = a.id AND NOT d.ended), 'nobody')
	FROM alerts AS a WHERE a.recorded_at > now() - INTERVAL '7 days' ORDER BY a.fired_at DESC, a.id DESC LIMIT 50`

func (a *app) listAlerts(ctx context.Context, cmd *cobra.Command, channels []alert.Channel) error {
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "rule\tkind\tcoins\tto")
	for _, r := range a.settings.file.Alerts.rules() {
		r = r.Named()
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", r.Name, r.Kind, orAll(r.Symbols), orAll(r.To))
	}
	fmt.Fprintln(out, "\nchannel\tkind")
	for _, c := range channels {
		fmt.Fprintf(out, "%s\t%s\n", c.Name, c.Kind)
	}
	if len(channels) == 0 {
		fmt.Fprintln(out, "none: alerts are stored, and published on NATS")
	}
	rows, err := a.store.Pool().Query(ctx, listSQL)
	if err != nil {
		return sqlError(err)
	}
	defer rows.Close()
	head := "\nfired (UTC)\trule\tcoin\twhat\thow far\tuntil\ttold to\n"
	for ; rows.Next(); head = "" {
		var fired time.Time
		var rule, symbol, what, until, to string
		var value float64
		if err := rows.Scan(&fired, &rule, &symbol, &what, &value, &until, &to); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s%s\t%s\t%s\t%s\t%.2f\t%s\t%s\n", head, fired.UTC().Format("2006-01-02 15:04"), rule, symbol, what, value, until, to)
	}
	if err := rows.Err(); err != nil {
		return sqlError(err)
	}
	if head != "" {
		fmt.Fprintln(out, "\nno alerts in the last seven days")
	}
	return out.Flush()
}

func orAll(names []string) string {
	if len(names) == 0 {
		return "all"
	}
	return strings.Join(names, ", ")
}
