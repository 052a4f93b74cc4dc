package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"rcas/figure"
	"rcas/market"
)

// fewJudged is below how many judged posts a mood is drawn pale: such a bucket says little.
const fewJudged = 10

// fewPairs is below how many pairs of buckets a correlation is not shown.
const fewPairs = 30

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent": percent, "logPercent": logPercent, "signed": signed, "price": price, "count": figure.Count, "whole": whole, "every": every, "clock": clock, "p": figure.P, "link": link,
}).Parse(pageHTML))

// Write writes the page.
func (r *Report) Write(w io.Writer) error {
	if err := pageTemplate.Execute(w, view{r}); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// view is what the page asks of a report: shapes in units of its charts.
type view struct{ *Report }

// Measures of a chart in units of its SVG.
const (
	chartWidth, chartHeight = 1000.0, 160.0
	moodHeight              = 120.0
	bandHeight              = 26.0
)

// X is where a time lies.
func (v view) X(t time.Time) float64 {
	return round(t.Sub(v.From).Seconds() / v.To.Sub(v.From).Seconds() * chartWidth)
}

func round(x float64) float64 { return math.Round(x*10) / 10 }

// BarWidth is that of a bucket, with a gap to the next.
func (v view) BarWidth() float64 {
	return max(1, round(v.Width.Seconds()/v.To.Sub(v.From).Seconds()*chartWidth*0.86))
}

// PriceBounds are the lowest and the highest close; both NULL where nothing traded.
func (v view) PriceBounds() (bounds struct{ Low, High *float64 }) {
	for _, b := range v.Buckets {
		if b.Close == nil {
			continue
		}
		if bounds.Low == nil || *b.Close < *bounds.Low {
			bounds.Low = b.Close
		}
		if bounds.High == nil || *b.Close > *bounds.High {
			bounds.High = b.Close
		}
	}
	return bounds
}

// PricePath is the line of closes; a gap in the data is a gap in the line.
func (v view) PricePath() string {
	bounds := v.PriceBounds()
	if bounds.Low == nil {
		return ""
	}
	low, span := *bounds.Low, *bounds.High-*bounds.Low
	var b strings.Builder
	pen := "M"
	for _, bucket := range v.Buckets {
		if bucket.Close == nil {
			pen = "M"
			continue
		}
		y := chartHeight / 2
		if span > 0 {
			y = chartHeight * (1 - (*bucket.Close-low)/span)
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, v.X(bucket.Time)+v.BarWidth()/2, y)
		pen = "L"
	}
	return b.String()
}

// MoodBar is the mood of a bucket: a bar from zero, and its error as a line.
type MoodBar struct {
	X, Y, Height      float64
	Class             string
	ErrorX            float64
	ErrorLow, ErrorUp float64
	Tip               string
}

// MoodRange is what the ends of the mood's chart stand for.
func (v view) MoodRange() float64 {
	most := 0.1
	for _, b := range v.Buckets {
		if b.Mood != nil {
			most = max(most, math.Abs(*b.Mood))
		}
	}
	return math.Min(1, math.Ceil(most*10)/10)
}

// MoodBars are bars above and below zero.
func (v view) MoodBars() []MoodBar {
	var bars []MoodBar
	unit := moodHeight / 2 / v.MoodRange()
	y := func(mood float64) float64 { return round(math.Max(0, math.Min(moodHeight, moodHeight/2-mood*unit))) }
	for _, b := range v.Buckets {
		if b.Mood == nil {
			continue
		}
		bar := MoodBar{X: v.X(b.Time), Y: y(max(*b.Mood, 0)), Class: "good"}
		bar.Height = max(0.6, y(min(*b.Mood, 0))-bar.Y)
		if *b.Mood < 0 {
			bar.Class = "bad"
		}
		if b.Judged < fewJudged {
			bar.Class += " pale"
		}
		bar.ErrorX, bar.ErrorLow, bar.ErrorUp = round(bar.X+v.BarWidth()/2), y(*b.Mood), y(*b.Mood)
		bar.Tip = fmt.Sprintf("%s: mood %s, %d posts judged", clock(b.Time), signed(b.Mood), b.Judged)
		if b.Error != nil {
			bar.ErrorLow, bar.ErrorUp = y(*b.Mood-*b.Error), y(*b.Mood+*b.Error)
			bar.Tip += fmt.Sprintf(", standard error %.2f", *b.Error)
		}
		bars = append(bars, bar)
	}
	return bars
}

// Bar is a plain one.
type Bar struct {
	X, Y, Height float64
	Tip          string
}

// PostBars are the posts of people.
func (v view) PostBars() []Bar {
	most := v.MostPosts()
	return v.bars(func(b Bucket) (float64, string) {
		return float64(b.Posts) / float64(max(1, most)), fmt.Sprintf("%s: %d posts of people", clock(b.Time), b.Posts)
	})
}

// MostPosts of a bucket.
func (v view) MostPosts() (most int64) {
	for _, b := range v.Buckets {
		most = max(most, b.Posts)
	}
	return most
}

// BoughtBars are the shares of adverts and bots.
func (v view) BoughtBars() []Bar {
	return v.bars(func(b Bucket) (float64, string) {
		share := 0.0
		for _, s := range []*float64{b.Adverts, b.Bots} {
			if s != nil {
				share += *s
			}
		}
		return share, fmt.Sprintf("%s: %.0f %% adverts and bots", clock(b.Time), 100*share)
	})
}

func (v view) bars(of func(Bucket) (share float64, tip string)) []Bar {
	var bars []Bar
	for _, b := range v.Buckets {
		share, tip := of(b)
		if share > 0 {
			height := max(0.6, round(share*bandHeight))
			bars = append(bars, Bar{v.X(b.Time), bandHeight - height, height, tip})
		}
	}
	return bars
}

// Shade is an event's place in the charts.
type Shade struct {
	X, Width float64
	Class    string
}

// Shades are the divergences.
func (v view) Shades() []Shade {
	var shades []Shade
	for _, e := range v.Events {
		end := v.To
		if e.End != nil {
			end = *e.End
		}
		x := math.Max(0, v.X(e.Start))
		shades = append(shades, Shade{x, max(3, math.Min(chartWidth, v.X(end))-x), e.Direction})
	}
	return shades
}

// Mark is a time below the charts.
type Mark struct {
	X     float64
	Label string
}

// Left is where its label stands, in percent of the chart's width.
func (m Mark) Left() float64 { return m.X / chartWidth * 100 }

// Marks are at most twelve round times.
func (v view) Marks() []Mark {
	steps := []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour,
		91 * 24 * time.Hour, 364 * 24 * time.Hour, 3640 * 24 * time.Hour}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if v.To.Sub(v.From)/s <= 12 {
			step = s
			break
		}
	}
	layout := "15:04"
	if step >= 24*time.Hour {
		layout = "2 Jan"
	}
	if step >= 91*24*time.Hour {
		layout = "Jan 2006"
	}
	var marks []Mark
	for t := v.From.Truncate(step); t.Before(v.To); t = t.Add(step) {
		if x := v.X(t); x >= 0 && x < chartWidth-30 {
			marks = append(marks, Mark{x, t.Format(layout)})
		}
	}
	return marks
}

// LagBar is a correlation. Left is where its label stands, in percent of the chart's width.
type LagBar struct {
	X, Y, Height, Left float64
	Label, Tip         string
}

// LagBars are the correlations; none where none has enough pairs.
func (v view) LagBars() []LagBar {
	var bars []LagBar
	const half, step = 45.0, 30.0
	minutes := int(v.Rule.Minutes())
	for _, l := range v.Lags {
		if l.Correlation == nil || l.N < fewPairs {
			continue
		}
		b := LagBar{X: chartWidth/2 + float64(l.Lag)*step - 11, Y: half, Height: math.Abs(*l.Correlation) * half, Label: fmt.Sprint(l.Lag * minutes)}
		b.Left = (b.X + 11 - 100) / 8 // the chart shows 100 to 900
		if *l.Correlation > 0 {
			b.Y -= b.Height
		}
		b.Tip = fmt.Sprintf("%d minutes: correlation %+.2f of %d pairs, p %s", l.Lag*minutes, *l.Correlation, l.N, figure.P(l.P))
		bars = append(bars, b)
	}
	return bars
}

// Lead says in a sentence what lead_lag found.
func (v view) Lead() string {
	minutes := int(v.Rule.Minutes())
	var best *Lag
	for i, l := range v.Lags {
		if l.Correlation != nil && l.N >= fewPairs && l.P != nil && (best == nil || *l.P < *best.P) {
			best = &v.Lags[i]
		}
	}
	switch {
	case best == nil:
		return fmt.Sprintf("Too few pairs of a mood and a return, %s by %s (fewer than %d), to say which moves first.", every(v.Rule), every(v.Rule), fewPairs)
	case *best.P > 0.05:
		return fmt.Sprintf("Nothing shows that mood or price moves first: the likeliest lag has p %s after all lags are counted.", figure.P(best.P))
	case best.Lag > 0:
		return fmt.Sprintf("Mood leads price by %d minutes: correlation %+.2f of %d pairs, p %s. One time in twenty such a thing is chance.", best.Lag*minutes, *best.Correlation, best.N, figure.P(best.P))
	case best.Lag < 0:
		return fmt.Sprintf("Price leads mood by %d minutes: correlation %+.2f of %d pairs, p %s. One time in twenty such a thing is chance.", -best.Lag*minutes, *best.Correlation, best.N, figure.P(best.P))
	}
	return fmt.Sprintf("Mood and price move together: correlation %+.2f of %d pairs, p %s.", *best.Correlation, best.N, figure.P(best.P))
}

// WordSize is the size of a word in pixels.
func (v view) WordSize(w Word) int {
	return int(12 + 24*math.Sqrt(float64(w.Posts)/float64(max(1, v.Words[0].Posts))))
}

// First and Last are the first and last close.
func (v view) First() *float64 {
	for _, b := range v.Buckets {
		if b.Close != nil {
			return b.Close
		}
	}
	return nil
}

// Last close.
func (v view) Last() *float64 {
	for i := len(v.Buckets) - 1; i >= 0; i-- {
		if v.Buckets[i].Close != nil {
			return v.Buckets[i].Close
		}
	}
	return nil
}

func percent(share *float64) string { return figure.Of(share, figure.Percent) }

// logPercent tells a log return in per cent of the price.
func logPercent(r *float64) string {
	return figure.Of(r, func(r float64) string { return figure.Change(math.Expm1(r)) })
}

func signed(x *float64) string { return figure.Of(x, figure.Signed) }

func price(x *float64) string {
	return figure.Of(x, func(x float64) string { return "$" + figure.Price(x) })
}

func whole(x *float64) string {
	return figure.Of(x, func(x float64) string { return figure.Count(int64(math.Round(x))) })
}

// every names a width of [widths].
func every(width time.Duration) string {
	for _, unit := range []struct {
		time.Duration
		name string
	}{{7 * 24 * time.Hour, "week"}, {24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := width / unit.Duration; n == 1 {
			return unit.name
		} else if n > 1 {
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return width.String()
}

func clock(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04") }

// link leads to a post where its network's address can be told from its id.
func link(p Post) string { return market.PostURL(p.Source, p.ID) }
