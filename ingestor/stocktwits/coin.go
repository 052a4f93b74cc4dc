package stocktwits

import "time"

// What is expected of a coin: before it was asked, and at least, in messages a second. By the latter a quiet coin is asked at times, too.
const (
	likely  = 1.0 / 300
	seldom  = 1.0 / 3600
	measure = 10 * time.Minute // the weight of what was expected before, beside what was counted since
)

// coin is how much is said about one.
type coin struct {
	symbol    string
	asked     time.Time
	absent    time.Time // when StockTwits said that it does not know it
	perSecond float64
}

// note books that n new messages were read.
func (c *coin) note(n int, now time.Time) {
	if !c.asked.IsZero() {
		span := now.Sub(c.asked).Seconds()
		c.perSecond = (c.perSecond*measure.Seconds() + float64(n)) / (measure.Seconds() + span)
	}
	c.asked = now
}

// busiest returns the coin of which the most messages are to be expected, nil where none is to be asked for.
func busiest(coins []coin, now time.Time, retry time.Duration) *coin {
	var best *coin
	most := -1.0
	for i := range coins {
		c := &coins[i]
		if !c.absent.IsZero() && now.Sub(c.absent) < retry {
			continue
		}
		expected := now.Sub(c.asked).Seconds() * max(c.perSecond, seldom)
		if expected > most {
			best, most = c, expected
		}
	}
	return best
}
