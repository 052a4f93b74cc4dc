package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rcas/figure"
)

const (
	// frameWidth is what a terminal has at least; a row fits into it.
	frameWidth = 80
	// sparks is the number of characters of a line of price or of mood.
	sparks = 8
	// spokenOf is how many posts make a coin without trades worth a row.
	spokenOf = 10
	// askPatience bounds the questions of one frame.
	askPatience = 30 * time.Second
)

// coinRow is what the screen shows of a coin. Pointers are nil where something can't be known.
type coinRow struct {
	Symbol        string
	Price, Change *float64 // of the last trade, and since the first one shown, as a share
	Mood, MoodZ   *float64 // people's, and the last quarter of an hour's in standard deviations from what is usual
	Posts, Before int64    // people's without repeats, and those of as long a time before
	Adverts       *float64
	Signal        float64 // the divergence where the rule fires, else 0
	Prices, Moods []*float64
}

// overviewSQL is the state of all coins: $1 the first time, $2 the last.
const overviewSQL = `SELECT o.symbol, o.price, o.change, o.mood, d.mood_z, o.posts, o.posts_before, o.adverts, coalesce(d.signal, 0), NULL::float8[], NULL::float8[]
	FROM market_overview($1, $2) AS o
	LEFT JOIN divergence_state(least($2, now() - INTERVAL '30 seconds')) AS d ON d.symbol = o.symbol`

// linesSQL are the lines of the coins $1 from $2 to $3 in buckets of $4.
const linesSQL = `SELECT s.symbol, array_agg(p.close ORDER BY g.bucket), array_agg(p.weighted_mood ORDER BY g.bucket)
	FROM unnest($1::text[]) AS s (symbol)
	CROSS JOIN generate_series(time_bucket($4::interval, $2::timestamptz), time_bucket($4, $3::timestamptz - INTERVAL '1 microsecond'), $4) AS g (bucket)
	LEFT JOIN LATERAL mood_price(s.symbol, $2, $3, $4) AS p ON p.bucket = g.bucket
	GROUP BY 1`

func newWatch(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Show the market in the terminal, refreshed live",
		Long: `Show each coin's price, people's mood, posts, adverts, and where mood and price part ways, in the terminal until q or Ctrl-C. Where no terminal
looks on, the table is printed once.

  σ      mood of the last quarter of an hour in standard deviations from what is usual for the coin
  ×      posts against as long a time before
  ads    share of adverts among all that was written
  parts  how far mood and price part now, by the default rule: + mood up and price down, - the other way round

Coins that part come first, then those most spoken of; those without trades and with fewer than ten posts are left out.`,
		Example: "  rcas watch\n  rcas watch --since 1h --every 5s",
		Args:    cobra.NoArgs,
	}
	since := newSpan(24 * time.Hour)
	cmd.Flags().Var(since, "since", "how much of the past to show, as 1h, 24h or 7d")
	every := cmd.Flags().Duration("every", 10*time.Second, "how often to ask anew, 1s at least")
	at := cmd.Flags().String("at", "", "show the market as it was then, RFC 3339 or a date (default now)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if since.Duration < time.Hour {
			return errors.New("--since is shorter than an hour, too short for a line; write 1h or more")
		}
		if *every < time.Second {
			return errors.New("--every is shorter than a second; write 1s or more")
		}
		then, err := parseTimeOr(*at, time.Time{})
		if err != nil {
			return err
		}
		a, err := s.openPrepared(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		v := view{db: a.store.Pool(), since: since, at: then}
		if !isTerminal(cmd.OutOrStdout()) {
			_, err := io.WriteString(cmd.OutOrStdout(), v.frame(cmd.Context(), 0, false))
			return errors.Join(err, v.failed)
		}
		return v.show(cmd.Context(), cmd.OutOrStdout(), *every)
	}
	return cmd
}

// view asks for the market and draws it.
type view struct {
	db     *pgxpool.Pool
	since  *span
	at     time.Time // zero: now
	failed error     // what kept the last frame from being whole
}

// show draws on a terminal until q, Ctrl-C or the end of ctx.
func (v *view) show(ctx context.Context, out io.Writer, every time.Duration) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if in := int(os.Stdin.Fd()); term.IsTerminal(in) {
		before, err := term.MakeRaw(in) // keys come at once, and Ctrl-C as a key
		if err != nil {
			return fmt.Errorf("take over the terminal: %w", err)
		}
		defer func() { _ = term.Restore(in, before) }()
		go func() {
			key := make([]byte, 1)
			for {
				if _, err := os.Stdin.Read(key); err != nil || key[0] == 'q' || key[0] == 'Q' || key[0] == 3 {
					stop()
					return
				}
			}
		}()
	}
	fmt.Fprint(out, "\x1b[?1049h\x1b[?25l") // a screen of its own, without a cursor
	defer fmt.Fprint(out, "\x1b[?25h\x1b[?1049l")
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		height := 24
		if file, ok := out.(*os.File); ok {
			if _, h, err := term.GetSize(int(file.Fd())); err == nil && h > 0 {
				height = h
			}
		}
		frame := v.frame(ctx, height, os.Getenv("NO_COLOR") == "")
		if ctx.Err() != nil {
			return nil
		}
		// Line over line, so that nothing flickers; what is left below is wiped.
		fmt.Fprint(out, "\x1b[H"+strings.ReplaceAll(strings.TrimSuffix(frame, "\n"), "\n", "\x1b[K\r\n")+"\x1b[K\x1b[J")
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// frame is the market as text of so many lines, or of as many as it takes where height is 0.
func (v *view) frame(ctx context.Context, height int, colour bool) string {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	to := v.at
	if to.IsZero() {
		to = time.Now()
	}
	to = to.UTC().Truncate(time.Second)
	rows, err := v.ask(ctx, to, height)
	v.failed = nil
	if err != nil {
		v.failed = sqlError(err)
	}
	return drawMarket(rows, to, v.since.String(), height, colour, v.failed)
}

func (v *view) ask(ctx context.Context, to time.Time, height int) ([]coinRow, error) {
	from := to.Add(-v.since.Duration)
	found, err := v.db.Query(ctx, overviewSQL, from, to)
	if err != nil {
		return nil, err
	}
	rows, err := pgx.CollectRows(found, pgx.RowToStructByPos[coinRow])
	if err != nil {
		return nil, err
	}
	rows = worthSeeing(rows)
	shown := fitting(rows, height)
	symbols := make([]string, len(shown))
	for i, row := range shown {
		symbols[i] = row.Symbol
	}
	lines, err := v.db.Query(ctx, linesSQL, symbols, from, to, (v.since.Duration / sparks).Truncate(time.Minute))
	if err != nil {
		return nil, err
	}
	var symbol string
	var prices, moods []*float64
	_, err = pgx.ForEachRow(lines, []any{&symbol, &prices, &moods}, func() error {
		i := slices.Index(symbols, symbol)
		shown[i].Prices, shown[i].Moods = slices.Clone(newest(prices)), slices.Clone(newest(moods))
		return nil
	})
	return rows, err
}

// newest are as many as a line has room for.
func newest(values []*float64) []*float64 { return values[max(0, len(values)-sparks):] }

// worthSeeing leaves out coins that say nothing, and puts first what is to be looked at.
func worthSeeing(rows []coinRow) []coinRow {
	rows = slices.DeleteFunc(rows, func(r coinRow) bool { return r.Price == nil && r.Posts < spokenOf })
	slices.SortStableFunc(rows, func(a, b coinRow) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Signal), math.Abs(a.Signal)), cmp.Compare(b.Posts, a.Posts))
	})
	return rows
}

// fitting are the rows that a window of so many lines has room for, or all where height is 0.
func fitting(rows []coinRow, height int) []coinRow {
	if height == 0 {
		return rows
	}
	return rows[:min(len(rows), max(0, height-frameLines))]
}

// frameLines are the lines of a frame that are no coins: title, an empty one, heads, and the foot.
const frameLines = 4

func drawMarket(rows []coinRow, at time.Time, since string, height int, colour bool, failed error) string {
	parting, judged := 0, 0
	for _, r := range rows {
		if r.Signal != 0 {
			parting++
		}
		if r.MoodZ != nil {
			judged++
		}
	}
	var out strings.Builder
	says := "mood and price go together"
	switch {
	case failed != nil:
		says = "cannot ask: " + oneLine(failed.Error())
	case len(rows) == 0:
		says = "nothing yet: start rcas up --live"
	case judged == 0:
		says = "no mood can be judged yet: too few posts"
	case parting == 1:
		says = "one coin parts"
	case parting > 1:
		says = fmt.Sprintf("%d coins part", parting)
	}
	fmt.Fprintln(&out, fit(fmt.Sprintf("RCAS  %s UTC  last %s  %s", at.Format("2 Jan 15:04:05"), since, says), frameWidth))
	fmt.Fprintln(&out)
	fmt.Fprintf(&out, "%-6s %10s %7s %5s %5s %6s %4s %4s %5s %-8s %-8s\n", "coin", "price", "change", "mood", "σ", "posts", "×", "ads", "parts", "price", "mood")
	shown := fitting(rows, height)
	for _, r := range shown {
		line := r.line()
		if colour && r.Signal != 0 {
			line = "\x1b[1;33m" + line + "\x1b[0m" // loud only where something is to be looked at
		}
		fmt.Fprintln(&out, line)
	}
	if height > 0 {
		foot := "q ends"
		if more := len(rows) - len(shown); more > 0 {
			foot = fmt.Sprintf("%d more in a taller window; q ends", more)
		}
		fmt.Fprintln(&out, foot)
	}
	return out.String()
}

func (r coinRow) line() string {
	write := func(x *float64, format string, factor float64) string {
		if x == nil {
			return "·"
		}
		return fmt.Sprintf(format, factor**x)
	}
	price, times, parts := "·", "·", ""
	if r.Price != nil {
		price = fit(figure.Price(*r.Price), 10)
	}
	if r.Before > 0 {
		times = fit(fmt.Sprintf("%.1f", float64(r.Posts)/float64(r.Before)), 4)
	}
	if r.Signal != 0 {
		parts = fmt.Sprintf("%+.1f", r.Signal)
	}
	return fmt.Sprintf("%-6s %10s %7s %5s %5s %6s %4s %4s %5s %-8s %-8s", fit(r.Symbol, 6), price, fit(write(r.Change, "%+.1f%%", 100), 7),
		write(r.Mood, "%+.2f", 1), fit(write(r.MoodZ, "%+.1f", 1), 5), shortCount(r.Posts), times, write(r.Adverts, "%.0f%%", 100), fit(parts, 5), spark(r.Prices), spark(r.Moods))
}

// fit cuts a text that is too wide for its column.
func fit(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// shortCount has at most six characters.
func shortCount(n int64) string {
	switch {
	case n >= 10_000_000:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n >= 100_000:
		return fmt.Sprintf("%dk", n/1000)
	}
	return figure.Count(n)
}

// spark draws values between their own least and greatest; what is not known is a gap.
func spark(values []*float64) string {
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v != nil {
			least, most = min(least, *v), max(most, *v)
		}
	}
	marks := []rune("▁▂▃▄▅▆▇█")
	line := make([]rune, len(values))
	for i, v := range values {
		switch {
		case v == nil:
			line[i] = ' '
		case most == least:
			line[i] = marks[3]
		default:
			line[i] = marks[int(math.Round((*v-least)/(most-least)*float64(len(marks)-1)))]
		}
	}
	return string(line)
}
