package alert

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Alert is a divergence event that fired: the JSON of a message on alerts.<symbol> and of a webhook's request.
type Alert struct {
	ID     int64  `json:"id"`
	Symbol string `json:"symbol"`
	Rule   string `json:"rule"`
	// Direction is bullish (mood up, price down) or bearish (mood down, price up).
	Direction string `json:"direction"`
	// StartTime is the start of the first bucket that disagreed, FiredAt the end of the one in which the rule fired.
	StartTime time.Time `json:"start_time"`
	FiredAt   time.Time `json:"fired_at"`
	// Price at FiredAt in quote currency; null when nothing traded.
	Price *float64 `json:"price"`
	// Divergence is MoodZ - ReturnZ, in standard deviations of the buckets before.
	Divergence float64 `json:"divergence"`
	MoodZ      float64 `json:"mood_z"`
	ReturnZ    float64 `json:"return_z"`
	Posts      int64   `json:"posts"`
	// Shares of all judged posts of the bucket in which it fired; null in alerts recorded before they were known.
	Adverts  *float64 `json:"adverts"`
	Bots     *float64 `json:"bots"`
	News     *float64 `json:"news"`
	Repeated *float64 `json:"repeated"`
	// Text says it in a sentence; chat programs' incoming webhooks show this field.
	Text string `json:"text"`
}

const columns = `id, symbol, rule, direction, start_time, fired_at, price, divergence, mood_z, return_z, posts,
	adverts, bots, news, repeated`

// bought is the share of adverts from which on the sentence tells of them.
const bought = 0.2

func scan(row pgx.CollectableRow) (a Alert, err error) {
	err = row.Scan(&a.ID, &a.Symbol, &a.Rule, &a.Direction, &a.StartTime, &a.FiredAt, &a.Price, &a.Divergence, &a.MoodZ,
		&a.ReturnZ, &a.Posts, &a.Adverts, &a.Bots, &a.News, &a.Repeated)
	a.StartTime, a.FiredAt = a.StartTime.UTC(), a.FiredAt.UTC()
	a.Text = a.sentence()
	return a, err
}

func (a *Alert) sentence() string {
	parted := "mood is up while price falls"
	if a.Direction == "bearish" {
		parted = "mood is down while price rises"
	}
	price := ""
	if a.Price != nil {
		price = fmt.Sprintf(", price %.6g", *a.Price)
	}
	adverts := ""
	if a.Adverts != nil && *a.Adverts >= bought {
		adverts = fmt.Sprintf("; %.0f %% of all that was written are adverts", 100**a.Adverts)
	}
	return fmt.Sprintf("%s: %s (%s divergence of %.1f standard deviations since %s UTC, %d posts%s%s)", a.Symbol, parted,
		a.Direction,
		a.Divergence, a.StartTime.Format("2 Jan 15:04"), a.Posts, price, adverts)
}
