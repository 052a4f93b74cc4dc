package demo

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"rcas/figure"
)

// Report is what RCAS found in the archive, asked through the same SQL functions that everybody uses.
type Report struct {
	Symbols []SymbolReport `json:"symbols"`
	// LeadMinutes is the lead that was put into the archive.
	LeadMinutes int `json:"lead_minutes"`
}

// SymbolReport is the report on one coin.
type SymbolReport struct {
	Symbol string `json:"symbol"`
	Hours  []Hour `json:"hours"`
	Terms  []Term `json:"terms"`
	// Planted are the divergences that were put into the archive, Found those that were found, planted or not.
	Planted []PlantedReport `json:"planted"`
	Found   []Event         `json:"found"`
	Others  int             `json:"others"`
	Lags    []Lag           `json:"lags"`
	Best    Lag             `json:"best"`
}

// Hour is a row of mood_price. Pointers are nil where nothing traded or nobody spoke.
type Hour struct {
	Time   time.Time `json:"time"`
	Close  *float64  `json:"close"`
	Return *float64  `json:"return"`
	Mood   *float64  `json:"mood"`
	Posts  int64     `json:"posts"`
}

// Term is a row of top_terms.
type Term struct {
	Term  string `json:"term"`
	Posts int64  `json:"posts"`
}

// Event is a row of divergence_events.
type Event struct {
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	Direction string    `json:"direction"`
	Peak      float64   `json:"peak"`
	Posts     int64     `json:"posts"`
	Planted   bool      `json:"planted"`
}

// PlantedReport tells whether a planted divergence was found.
type PlantedReport struct {
	Divergence
	Found bool `json:"found"`
}

// Lag is a row of lead_lag in minutes; a positive lag means that mood leads.
type Lag struct {
	Minutes     int      `json:"minutes"`
	Correlation *float64 `json:"correlation"`
	N           int64    `json:"n"`
	P           *float64 `json:"p_value"`
}

// The rule that the demo asks with: half hours against the day before them, one and a half standard deviations, twenty posts, twice in a row.
const (
	divergenceSQL = `SELECT start_time, end_time, direction, peak, posts
FROM divergence_events($1, $2, $3, '30 minutes', baseline => 48, threshold => 1.5, min_posts => 20, persistence => 2)`
	hoursSQL = `SELECT bucket, close, "return", weighted_mood, posts FROM mood_price($1, $2, $3, '1 hour')`
	termsSQL = `SELECT term, posts FROM top_terms($1, $2, $3)`
	lagsSQL  = `SELECT lag * 10, correlation, n, p_value FROM lead_lag($1, $2, $3, '10 minutes', 12) ORDER BY lag`
)

// Ask fills a report from the database.
func Ask(ctx context.Context, pool *pgxpool.Pool) (*Report, error) {
	report := &Report{LeadMinutes: int(Lead.Minutes())}
	for _, c := range coins {
		s := SymbolReport{Symbol: c.symbol}
		var err error
		if s.Hours, err = query[Hour](ctx, pool, hoursSQL, c.symbol); err != nil {
			return nil, err
		}
		if s.Terms, err = query[Term](ctx, pool, termsSQL, c.symbol); err != nil {
			return nil, err
		}
		if s.Lags, err = query[Lag](ctx, pool, lagsSQL, c.symbol); err != nil {
			return nil, err
		}
		rows, err := pool.Query(ctx, divergenceSQL, c.symbol, Start, End)
		if err != nil {
			return nil, fmt.Errorf("ask for the divergences of %s: %w", c.symbol, err)
		}
		if s.Found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Event, err error) {
			return e, row.Scan(&e.Start, &e.End, &e.Direction, &e.Peak, &e.Posts)
		}); err != nil {
			return nil, fmt.Errorf("ask for the divergences of %s: %w", c.symbol, err)
		}
		s.compare()
		report.Symbols = append(report.Symbols, s)
	}
	return report, nil
}

func query[T any](ctx context.Context, pool *pgxpool.Pool, sql, symbol string) ([]T, error) {
	rows, err := pool.Query(ctx, sql, symbol, Start, End)
	if err != nil {
		return nil, fmt.Errorf("ask about %s: %w", symbol, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("ask about %s: %w", symbol, err)
	}
	return all, nil
}

// compare holds what was found against what was planted.
func (s *SymbolReport) compare() {
	for _, d := range Planted {
		if d.Symbol != s.Symbol {
			continue
		}
		p := PlantedReport{Divergence: d}
		for i := range s.Found {
			e := &s.Found[i]
			if e.Direction == d.Direction && e.Start.Before(d.To) && e.End.After(d.From) {
				e.Planted, p.Found = true, true
			}
		}
		s.Planted = append(s.Planted, p)
	}
	for _, e := range s.Found {
		if !e.Planted {
			s.Others++
		}
	}
	for _, l := range s.Lags {
		if l.Correlation != nil && (s.Best.Correlation == nil || math.Abs(*l.Correlation) > math.Abs(*s.Best.Correlation)) {
			s.Best = l
		}
	}
}

// Print writes the report for a terminal: the day of the planted divergences by the hour, and the findings.
func (r *Report) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "Price against mood by the hour, 30 December 2017 (UTC). Mood runs from -1 to 1.")
	fmt.Fprintln(w)
	header := "hour"
	for _, s := range r.Symbols {
		header += "\t" + s.Symbol + "\treturn\tmood\tposts\t"
	}
	fmt.Fprintln(w, header)
	day := time.Date(2017, 12, 30, 0, 0, 0, 0, time.UTC)
	for h := range 24 {
		at := day.Add(time.Duration(h) * time.Hour)
		line := at.Format("15:04")
		for _, s := range r.Symbols {
			line += s.hour(at)
		}
		fmt.Fprintln(w, line)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range r.Symbols {
		s.print(out, r.LeadMinutes)
	}
	return nil
}

func (s *SymbolReport) hour(at time.Time) string {
	for _, h := range s.Hours {
		if h.Time.Equal(at) {
			return fmt.Sprintf("\t%s\t%s\t%s %s\t%d\t", figure.Of(h.Close, figure.Price), figure.Of(h.Return, figure.Change), figure.Of(h.Mood, figure.Signed),
				gauge(h.Mood), h.Posts)
		}
	}
	return "\t–\t–\t–\t–\t"
}

// gauge draws a mood as a mark on a short scale, zero in the middle.
func gauge(mood *float64) string {
	const half = 5
	cells := []rune(strings.Repeat("·", 2*half+1))
	cells[half] = '|'
	if mood != nil {
		cells[half+int(math.Round(math.Max(-1, math.Min(1, *mood*1.5))*half))] = '●'
	}
	return string(cells)
}

func (s *SymbolReport) print(out io.Writer, lead int) {
	fmt.Fprintf(out, "\n%s\n", s.Symbol)
	var terms []string
	for _, t := range s.Terms[:min(10, len(s.Terms))] {
		terms = append(terms, fmt.Sprintf("%s %d", t.Term, t.Posts))
	}
	fmt.Fprintf(out, "  top terms: %s\n", strings.Join(terms, ", "))
	for _, p := range s.Planted {
		word := "MISSED"
		if p.Found {
			word = "found"
		}
		fmt.Fprintf(out, "  planted %s divergence %s to %s: %s\n", p.Direction, p.From.Format("2 Jan 15:04"), p.To.Format("15:04"), word)
	}
	fmt.Fprintf(out, "  other divergences found: %d", s.Others)
	for _, e := range s.Found {
		if !e.Planted {
			fmt.Fprintf(out, "; %s %s to %s", e.Direction, e.Start.Format("2 Jan 15:04"), e.End.Format("15:04"))
		}
	}
	fmt.Fprintln(out)
	if s.Best.Correlation != nil {
		fmt.Fprintf(out, "  mood leads price by %d minutes (planted: %d): correlation %.2f over %d windows, p %s\n", s.Best.Minutes, lead,
			*s.Best.Correlation, s.Best.N, figure.P(s.Best.P))
	}
}

//go:embed report.html
var reportHTML string

// WriteHTML writes the report as one page that needs nothing else.
func (r *Report) WriteHTML(out io.Writer) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"price": func(s SymbolReport) string { return path(s.Hours, values["price"]) },
		"mood":  func(s SymbolReport) string { return path(s.Hours, values["mood"]) },
		"high": func(s SymbolReport, what string) string {
			_, high := bounds(s.Hours, values[what])
			return axis(what, high)
		},
		"low": func(s SymbolReport, what string) string {
			low, _ := bounds(s.Hours, values[what])
			return axis(what, low)
		},
		"zero": func(s SymbolReport) float64 { return zero(s.Hours) },
		"x":    func(t time.Time) float64 { return chartX(t) },
		"wide": func(e Event) float64 { return math.Max(chartX(e.End)-chartX(e.Start), 3) },
		"bar":  func(l Lag) lagBar { return newLagBar(l) },
		"days": days,
		"size": func(s SymbolReport, t Term) float64 {
			return 12 + 26*math.Sqrt(float64(t.Posts)/float64(s.Terms[0].Posts))
		},
		"pv": figure.P, "f2": func(v *float64) string { return figure.Of(v, figure.Signed) },
	}).Parse(reportHTML)
	if err != nil {
		return fmt.Errorf("write the demo's page: %w", err)
	}
	if err := page.Execute(out, r); err != nil {
		return fmt.Errorf("write the demo's page: %w", err)
	}
	return nil
}

// values are what the charts show of an hour.
var values = map[string]func(Hour) *float64{
	"price": func(h Hour) *float64 { return h.Close },
	"mood":  func(h Hour) *float64 { return h.Mood },
}

func axis(what string, value float64) string {
	if what == "price" {
		return "$" + figure.Count(int64(math.Round(value)))
	}
	return figure.Signed(value)
}

// Measures of the charts in SVG units.
const (
	chartWidth, chartHeight = 1000.0, 150.0
	lagStep, lagHalf        = 28.0, 45.0
)

func chartX(t time.Time) float64 {
	return math.Round(t.Sub(Start).Seconds()/End.Sub(Start).Seconds()*chartWidth*10) / 10
}

func bounds(hours []Hour, value func(Hour) *float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, h := range hours {
		if v := value(h); v != nil {
			low, high = math.Min(low, *v), math.Max(high, *v)
		}
	}
	if !(high > low) {
		return low - 1, low + 1
	}
	return low, high
}

// path is an SVG path; a gap in the data is a gap in the line.
func path(hours []Hour, value func(Hour) *float64) string {
	low, high := bounds(hours, value)
	var b strings.Builder
	pen := "M"
	for _, h := range hours {
		v := value(h)
		if v == nil {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, chartX(h.Time.Add(30*time.Minute)), chartHeight-(*v-low)/(high-low)*chartHeight)
		pen = "L"
	}
	return b.String()
}

// zero is where mood 0 lies in its chart.
func zero(hours []Hour) float64 {
	low, high := bounds(hours, values["mood"])
	return math.Max(0, math.Min(chartHeight, chartHeight+low/(high-low)*chartHeight))
}

type lagBar struct{ X, Middle, Y, Height float64 }

func newLagBar(l Lag) lagBar {
	b := lagBar{X: 500 + float64(l.Minutes)/10*lagStep - lagStep/2 + 3, Y: lagHalf}
	b.Middle = b.X + 11
	if l.Correlation != nil {
		b.Height = math.Abs(*l.Correlation) * lagHalf
		if *l.Correlation > 0 {
			b.Y -= b.Height
		}
	}
	return b
}

type dayMark struct {
	X     float64
	Label string
}

func days() []dayMark {
	var marks []dayMark
	for t := Start; t.Before(End); t = t.Add(24 * time.Hour) {
		marks = append(marks, dayMark{chartX(t), t.Format("2 Jan")})
	}
	return marks
}
