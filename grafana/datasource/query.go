package datasource

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// The query types.
const (
	typeCandles          = "candles"
	typeMood             = "mood"
	typeMoodPrice        = "mood_price"
	typeDivergence       = "divergence"
	typeDivergenceState  = "divergence_state"
	typeDivergenceEvents = "divergence_events"
	typeLeadLag          = "lead_lag"
	typeTerms            = "terms"
	typeTrending         = "trending_terms"
	typeFeedHealth       = "feed_health"
	typeScorerHealth     = "scorer_health"
	typeStreamState      = "stream_state"
	typeLive             = "live"
)

const (
	maxQueryBytes = 16 << 10
	maxNameBytes  = 64
	maxTerms      = 500
	// maxWindow is far more than any history needs, and far from what a duration can't hold.
	maxWindow = 10 * 365 * 24 * time.Hour
)

// query is what a panel asks. Zero values stand for what is usual; names left empty mean all venues, all networks, the active model.
type query struct {
	Type   string `json:"queryType"`
	Symbol string `json:"symbol"`
	// Width of the windows, such as 5m or 1h; empty or auto: as wide as the panel's interval.
	Width  string `json:"width"`
	Venue  string `json:"venue"`
	Source string `json:"source"`
	Model  string `json:"model"`
	// Repeats: true counts reposts, repeated texts and much by one author, too. Missing: they are left out.
	Repeats *flag `json:"repeats"`
	// Who is counted: people, all, adverts, bots or news. Empty: people.
	Who string `json:"who"`
	// Fill carries the last price over windows without a trade.
	Fill bool `json:"fill"`
	// The divergence rule.
	Baseline    number `json:"baseline"`
	Threshold   number `json:"threshold"`
	MinPosts    number `json:"minPosts"`
	Persistence number `json:"persistence"`
	// MaxLag of lead_lag, in windows.
	MaxLag number `json:"maxLag"`
	// Limit of the terms.
	Limit number `json:"limit"`
	// Live says what a live query streams: prices or sentiments.
	Live string `json:"live"`
	// Value names the only figure wanted, such as mood or close; empty: all or, for an alert rule, the first.
	Value string `json:"value"`

	// alert tells that an alert rule asks.
	alert    bool
	window   time.Duration
	from, to time.Time
}

// number is a figure that may come as text, as variables of a dashboard do; nil where nothing was set.
type number struct{ value *float64 }

// UnmarshalJSON takes a JSON number, a text that holds one, or an empty text.
func (n *number) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `" `)
	if text == "" || text == "null" {
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v != v || v > 1e12 || v < -1e12 {
		return fmt.Errorf("%.40q is not a number", text)
	}
	n.value = &v
	return nil
}

// or is the figure, or what is usual.
func (n number) or(usual float64) float64 {
	if n.value == nil {
		return usual
	}
	return *n.value
}

// flag is true or false, as JSON or as text.
type flag bool

// UnmarshalJSON takes true, false, "true" and "false".
func (f *flag) UnmarshalJSON(raw []byte) error {
	switch strings.Trim(string(raw), `"`) {
	case "true", "null", "":
		*f = true
	case "false":
		*f = false
	default:
		return fmt.Errorf("%.40q is neither true nor false", raw)
	}
	return nil
}

// voices are those whose posts can be counted, as rcas.kinds_of() of the database has them.
var voices = []string{"people", "all", "adverts", "bots", "news"}

var (
	nameForm  = regexp.MustCompile(`^[\pL\pN][\pL\pN ._:/-]*$`)
	widthForm = regexp.MustCompile(`^([1-9][0-9]{0,4})(m|h|d|w)$`)
)

// readQuery decodes and checks a query. What does not look like a name, a width or a number goes no further.
func readQuery(q backend.DataQuery) (*query, error) {
	r := &query{from: q.TimeRange.From.UTC(), to: q.TimeRange.To.UTC()}
	if err := decode(q.JSON, r); err != nil {
		return nil, err
	}
	if r.Type == "" {
		r.Type = q.QueryType
	}
	for _, all := range []*string{&r.Venue, &r.Source, &r.Model} {
		if *all == "all" || *all == "active" {
			*all = ""
		}
	}
	for field, name := range map[string]string{"coin": r.Symbol, "venue": r.Venue, "network": r.Source, "model": r.Model} {
		if name != "" && (len(name) > maxNameBytes || !nameForm.MatchString(name)) {
			return nil, fmt.Errorf("%.70q is not the name of a %s", name, field)
		}
	}
	if r.Who != "" && !slices.Contains(voices, r.Who) {
		return nil, fmt.Errorf("%.40q is nobody to count; write %s", r.Who, strings.Join(voices, ", "))
	}
	if _, needs := needSymbol[r.Type]; needs && r.Symbol == "" {
		return nil, errors.New("choose a coin")
	}
	var err error
	r.window, err = window(r.Width, q.Interval, r.to.Sub(r.from))
	return r, err
}

var needSymbol = map[string]struct{}{
	typeCandles: {}, typeMood: {}, typeMoodPrice: {}, typeDivergence: {}, typeDivergenceEvents: {}, typeLeadLag: {}, typeTerms: {}, typeTrending: {}, typeLive: {},
}

// widths are those that auto chooses among.
var widths = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour,
	12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// window is the width asked for or, for auto, the first usual width that is no narrower than the panel's interval and keeps the answer
// below 2,000 windows.
func window(width string, interval, span time.Duration) (time.Duration, error) {
	if width != "" && width != "auto" && width != "$__auto" {
		m := widthForm.FindStringSubmatch(width)
		if m == nil {
			return 0, fmt.Errorf("%.40q is not a width; write 5m, 1h, 1d or auto", width)
		}
		n, _ := strconv.Atoi(m[1])
		unit := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
		if n > int(maxWindow/unit) {
			return 0, fmt.Errorf("a window of %s is too wide; ten years are the most", width)
		}
		return time.Duration(n) * unit, nil
	}
	least := max(interval, span/2000)
	for _, w := range widths {
		if w >= least {
			return w, nil
		}
	}
	return widths[len(widths)-1], nil
}
