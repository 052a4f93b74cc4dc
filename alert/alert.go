package alert

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rcas/figure"
)

// Alert is an event of a rule: the JSON of a message on alerts.<symbol> and of a webhook's request, when it begins and once more when it is over.
type Alert struct {
	ID     int64  `json:"id"`
	Symbol string `json:"symbol"`
	Rule   string `json:"rule"`
	Kind   Kind   `json:"kind"`
	// Direction is bullish (mood up, price down) or bearish (mood down, price up), of other kinds than divergence up or down.
	Direction string `json:"direction"`
	// Word is the new one, of rules about words.
	Word string `json:"word,omitempty"`
	// StartTime is the start of the first bucket that disagreed, FiredAt the end of the one in which the rule fired, EndTime the end of the
	// last one in which it fired so far.
	StartTime time.Time `json:"start_time"`
	FiredAt   time.Time `json:"fired_at"`
	EndTime   time.Time `json:"end_time"`
	// EndedAt is when it was known to be over; null in the message of its beginning.
	EndedAt *time.Time `json:"ended_at"`
	// Price at FiredAt in quote currency; null when nothing traded.
	Price *float64 `json:"price"`
	// Value is how far it went when it fired, and Threshold how far the rule asked, in the kind's measure: see [Kind].
	Value     float64  `json:"value"`
	Threshold *float64 `json:"threshold"`
	// Divergence is MoodZ - ReturnZ, in standard deviations of the buckets before; null of other kinds.
	Divergence *float64 `json:"divergence"`
	MoodZ      *float64 `json:"mood_z"`
	ReturnZ    *float64 `json:"return_z"`
	Posts      int64    `json:"posts"`
	// Shares of all judged posts of the bucket in which it fired; null in alerts recorded before they were known.
	Adverts  *float64 `json:"adverts"`
	Bots     *float64 `json:"bots"`
	News     *float64 `json:"news"`
	Repeated *float64 `json:"repeated"`
	// Why is what a person needs to judge it.
	Why Why `json:"why"`
	// Board is the address of the dashboard that shows it; "" where no Grafana is known.
	Board string `json:"board,omitempty"`
	// Title says it in a sentence; Text says everything. Chat programs' incoming webhooks show the text.
	Title string `json:"title"`
	Text  string `json:"text"`

	forgotten bool // no rule looks for it any more
}

const columns = `id, symbol, rule, kind, direction, word, start_time, fired_at, end_time, ended_at, price, value, threshold, divergence, mood_z,
	return_z, posts, adverts, bots, news, repeated, coalesce(why, '{}')`

// scan reads an alert, without its words: see [Alert.as].
func (s *Service) scan(row pgx.CollectableRow) (a Alert, err error) {
	err = row.Scan(&a.ID, &a.Symbol, &a.Rule, &a.Kind, &a.Direction, &a.Word, &a.StartTime, &a.FiredAt, &a.EndTime, &a.EndedAt, &a.Price, &a.Value,
		&a.Threshold, &a.Divergence, &a.MoodZ, &a.ReturnZ, &a.Posts, &a.Adverts, &a.Bots, &a.News, &a.Repeated, &a.Why)
	a.StartTime, a.FiredAt, a.EndTime = a.StartTime.UTC(), a.FiredAt.UTC(), a.EndTime.UTC()
	a.Board, a.forgotten = a.board(s.cfg.Grafana), !s.looksFor(&a)
	return a, err
}

// as is the alert as it is told of, in words: its beginning knows no end.
func (a Alert) as(ended bool) *Alert {
	if !ended {
		a.EndedAt = nil
	}
	a.Title, a.Text = a.title(), a.text()
	return &a
}

// happened says what in a few words.
func (a *Alert) happened() string {
	switch {
	case a.Kind == Mood && a.Direction == "down":
		return "mood has fallen"
	case a.Kind == Mood:
		return "mood has risen"
	case a.Kind == Volume:
		return "more posts than usual"
	case a.Kind == Adverts:
		return "adverts flood the posts"
	case a.Kind == Word:
		return fmt.Sprintf("a new word, “%s”", a.Word)
	case a.Direction == "bearish":
		return "mood is down while price rises"
	}
	return "mood is up while price falls"
}

// far says how far.
func (a *Alert) far() string {
	switch a.Kind {
	case Mood:
		return fmt.Sprintf("%+.1f standard deviations from what is usual", a.Value)
	case Volume:
		return fmt.Sprintf("%.1f times the usual", a.Value)
	case Adverts:
		return figure.Percent(a.Value) + " of all that was written"
	case Word:
		return fmt.Sprintf("%.1f standard deviations above what was expected", a.Value)
	}
	return fmt.Sprintf("%s divergence of %.1f standard deviations", a.Direction, a.Value)
}

const minute = "2 Jan 15:04"

func (a *Alert) title() string {
	if a.EndedAt != nil {
		why := ""
		if a.forgotten {
			why = fmt.Sprintf("; nobody looks any more: the rule %s was taken out", a.Rule)
		}
		return fmt.Sprintf("%s: over: %s (from %s to %s UTC%s)", a.Symbol, a.happened(), a.StartTime.Format(minute), a.EndTime.Format(minute), why)
	}
	price := ""
	if a.Price != nil {
		price = ", price " + figure.Price(*a.Price)
	}
	return fmt.Sprintf("%s: %s (%s since %s UTC, %d posts%s)", a.Symbol, a.happened(), a.far(), a.StartTime.Format(minute), a.Posts, price)
}

// text is for reading at three in the morning: what, how sure, who, of what, in whose words, and where to look.
func (a *Alert) text() string {
	lines := []string{a.title()}
	add := func(line string) {
		if line != "" {
			lines = append(lines, line)
		}
	}
	if a.EndedAt == nil {
		if a.Kind == Divergence && a.MoodZ != nil && a.ReturnZ != nil {
			add(fmt.Sprintf("Mood %+.1f, return %+.1f standard deviations from what is usual.", *a.MoodZ, *a.ReturnZ))
		}
		add(a.Why.history())
		add(a.who())
		add(a.Why.words())
		for _, p := range a.Why.Posts {
			add(p.line())
		}
	}
	add(a.Board)
	return strings.Join(lines, "\n")
}

func (a *Alert) who() string {
	if a.Adverts == nil || a.Bots == nil || a.News == nil {
		return ""
	}
	line := fmt.Sprintf("Who spoke: %s people, %s adverts, %s bots, %s news", figure.Percent(max(0, 1-*a.Adverts-*a.Bots-*a.News)), figure.Percent(*a.Adverts),
		figure.Percent(*a.Bots), figure.Percent(*a.News))
	if a.Repeated != nil {
		line += fmt.Sprintf("; %s are repeats", figure.Percent(*a.Repeated))
	}
	return line + "."
}

// board is the dashboard with the alert in the middle of its time.
func (a *Alert) board(grafana string) string {
	if grafana == "" {
		return ""
	}
	name := "rcas-coin"
	if a.Kind == Divergence {
		name = "rcas-divergence"
	}
	margin := max(6*time.Hour, a.EndTime.Sub(a.StartTime))
	return fmt.Sprintf("%s/d/%s?var-symbol=%s&from=%d&to=%d", strings.TrimRight(grafana, "/"), name, a.Symbol,
		a.StartTime.Add(-margin).UnixMilli(), a.EndTime.Add(margin).UnixMilli())
}

// Trial is an alert that says that it is none, for trying a channel.
func Trial(at time.Time, grafana string) *Alert {
	at = at.UTC()
	a := &Alert{Symbol: "BTC", Rule: "test", Kind: Divergence, Direction: "bullish", StartTime: at, FiredAt: at, EndTime: at,
		Title: "RCAS: a test, nothing has happened"}
	a.Board = a.board(grafana)
	a.Text = strings.TrimSpace(a.Title + "\nAlerts will come here, each when it begins and when it is over.\n" + a.Board)
	return a
}
