package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"rcas/figure"
	"rcas/market"
)

// Why is what a person needs to judge an alert, as it was when it fired.
type Why struct {
	// Past is what came after earlier firings of the same rule and coin; nil where it cannot be known.
	Past *Past `json:"past,omitempty"`
	// Words that rose, most surprising first.
	Words []RisingWord `json:"words,omitempty"`
	// Posts that tell most, loudest first.
	Posts []Post `json:"posts,omitempty"`
}

// Past is a row of backtest() over the days before: what came four hours after a firing in the same direction.
type Past struct {
	Days         int      `json:"days"`
	Firings      int64    `json:"firings"`
	Measured     int64    `json:"measured"`
	HitRate      *float64 `json:"hit_rate"`
	UsualHitRate *float64 `json:"usual_hit_rate"`
	MeanGain     *float64 `json:"mean_gain"` // log return in the mood's direction
	UsualGain    *float64 `json:"usual_gain"`
	Note         string   `json:"note"`
}

// RisingWord is a row of trending_terms().
type RisingWord struct {
	Word     string  `json:"word"`
	Posts    int64   `json:"posts"`
	Expected float64 `json:"expected"`
}

// Post is a row of influence().
type Post struct {
	Time   time.Time `json:"time"`
	Source string    `json:"source"`
	ID     string    `json:"id"`
	Text   string    `json:"text"`
	Score  float64   `json:"score"`
	Link   string    `json:"link,omitempty"`
}

const (
	// past is how far back the firings are counted.
	past = 30 * 24 * time.Hour
	// horizon is when the price is looked at after a firing.
	horizon = 4 * time.Hour
	// patience bounds a question; an alert does not wait longer for its reasons.
	patience = 20 * time.Second
	// words and posts that an alert tells of.
	mostWords, mostPosts = 5, 3
	// quoted bounds what is shown of a post, in characters.
	quoted = 180
)

const (
	pastSQL  = `SELECT firings, measured, hit_rate, usual_hit_rate, mean_gain, usual_gain, note FROM backtest($1, $2, $3`
	wordsSQL = `SELECT term, posts, expected FROM trending_terms($1, $2, $3, before => $4, "limit" => $5, min_posts => 3)`
	// The loudest posts that bear the alert out: about adverts, adverts; of a mood up, the happy ones.
	postsSQL = `SELECT "time", source, id, text, score FROM influence($1, $2, $3, 200, who => $4)
		WHERE text IS NOT NULL AND ($5 = 0 OR sign(score) = $5) AND ($6 = '' OR position(lower($6) IN lower(text)) > 0)
		ORDER BY abs(influence) DESC, "time", id LIMIT $7`
)

// explain asks why, of every alert that nobody has asked about. An alert is told of even where a question fails, without its answer.
func (s *Service) explain(ctx context.Context) error {
	rows, err := s.db.Query(ctx, `SELECT `+columns+` FROM alerts WHERE why IS NULL ORDER BY id LIMIT $1`, batch)
	if err != nil {
		return fmt.Errorf("find alerts to explain: %w", err)
	}
	alerts, err := pgx.CollectRows(rows, s.scan)
	if err != nil {
		return fmt.Errorf("find alerts to explain: %w", err)
	}
	for i := range alerts {
		a := &alerts[i]
		why, err := s.why(ctx, a)
		if ctx.Err() != nil {
			return nil // the next run explains
		}
		if err != nil {
			s.cfg.Log.Warn("an alert is told of without all its reasons", "alert", a.ID, "error", err)
		}
		text, err := json.Marshal(why)
		if err == nil {
			_, err = s.db.Exec(ctx, `UPDATE alerts SET why = $2 WHERE id = $1 AND why IS NULL`, a.ID, string(text))
		}
		if err != nil {
			return fmt.Errorf("store why of alert %d: %w", a.ID, err)
		}
	}
	return nil
}

func (s *Service) why(ctx context.Context, a *Alert) (w Why, err error) {
	rule := s.rule(a)
	return w, errors.Join(s.askPast(ctx, a, rule, &w), s.askWords(ctx, a, rule, &w), s.askPosts(ctx, a, &w))
}

// rule is the one that an alert is of, or one of its kind where another process has it.
func (s *Service) rule(a *Alert) Rule {
	for _, r := range s.cfg.Rules {
		if r.Name == a.Rule {
			return r
		}
	}
	return Rule{Name: a.Rule, Kind: a.Kind}
}

func (s *Service) askPast(ctx context.Context, a *Alert, r Rule, w *Why) error {
	if r.Kind == Word { // each comes once
		return nil
	}
	direction := a.Direction
	switch direction {
	case "up":
		direction = "bullish"
	case "down":
		direction = "bearish"
	}
	sql, args := r.arguments(pastSQL, []any{a.Symbol, a.FiredAt.Add(-past), a.StartTime}) // without this one
	args = append(args, direction, horizon)
	sql += fmt.Sprintf(") WHERE direction = $%d AND horizon = $%d", len(args)-1, len(args))
	p := Past{Days: int(past.Hours() / 24)}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := s.db.QueryRow(ctx, sql, args...).Scan(&p.Firings, &p.Measured, &p.HitRate, &p.UsualHitRate, &p.MeanGain, &p.UsualGain, &p.Note)
	if err != nil {
		return fmt.Errorf("what came after earlier firings: %w", err)
	}
	w.Past = &p
	return nil
}

func (s *Service) askWords(ctx context.Context, a *Alert, r Rule, w *Why) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := s.db.Query(ctx, wordsSQL, a.Symbol, a.StartTime, a.FiredAt, time.Duration(r.baseline())*r.width(), mostWords)
	if err == nil {
		w.Words, err = pgx.CollectRows(rows, pgx.RowToStructByPos[RisingWord])
	}
	if err != nil {
		return fmt.Errorf("the words that rose: %w", err)
	}
	return nil
}

func (s *Service) askPosts(ctx context.Context, a *Alert, w *Why) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	who, side := "people", 0
	switch {
	case a.Kind == Adverts:
		who = "adverts"
	case a.Direction == "bearish" || a.Direction == "down":
		side = -1
	case a.Kind == Divergence || a.Kind == Mood:
		side = 1
	}
	rows, err := s.db.Query(ctx, postsSQL, a.Symbol, a.StartTime, a.FiredAt, who, side, a.Word, mostPosts)
	if err == nil {
		w.Posts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Post, err error) {
			err = row.Scan(&p.Time, &p.Source, &p.ID, &p.Text, &p.Score)
			p.Time, p.Link = p.Time.UTC(), market.PostURL(p.Source, p.ID)
			return p, err
		})
	}
	if err != nil {
		return fmt.Errorf("the posts that tell most: %w", err)
	}
	return nil
}

// history is the back-test in one line.
func (w Why) history() string {
	p := w.Past
	if p == nil {
		return ""
	}
	if p.Firings == 0 {
		return fmt.Sprintf("Never fired in the %d days before.", p.Days)
	}
	line := fmt.Sprintf("Fired %s in the %d days before", times(p.Firings), p.Days)
	if p.Measured > 0 && p.HitRate != nil && p.MeanGain != nil {
		line += fmt.Sprintf("; four hours later the price had followed in %s", figure.Percent(*p.HitRate))
		if p.UsualHitRate != nil {
			line += fmt.Sprintf(" (usually %s)", figure.Percent(*p.UsualHitRate))
		}
		line += fmt.Sprintf(", by %s on average", figure.Change(*p.MeanGain))
		if p.UsualGain != nil {
			line += fmt.Sprintf(" (usually %s)", figure.Change(*p.UsualGain))
		}
	}
	if p.Note != "" {
		line += ": " + p.Note
	}
	return line + "."
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (w Why) words() string {
	if len(w.Words) == 0 {
		return ""
	}
	list := make([]string, len(w.Words))
	for i, word := range w.Words {
		list[i] = fmt.Sprintf("%s (%d, expected %.1f)", word.Word, word.Posts, word.Expected)
	}
	return "Words that rose: " + strings.Join(list, ", ") + "."
}

// line quotes a post in one line, cut where it is long.
func (p Post) line() string {
	text := strings.Join(strings.FieldsFunc(p.Text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	line := fmt.Sprintf("“%s” %s, %s", cut(text, quoted), p.Source, p.Time.Format(minute))
	if p.Link != "" {
		line += " " + p.Link
	}
	return line
}

// cut leaves at most so many characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
