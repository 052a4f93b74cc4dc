package dashboards

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"rcas/grafana/grafanatest"
	"rcas/store"
	"rcas/store/storetest"
)

// result is what a query gave, as Grafana's PostgreSQL source sees it.
type result struct {
	columns []string
	types   []uint32
	rows    [][]any
}

func run(t testing.TB, s *store.Store, sql string) (result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rows, err := s.Pool().Query(ctx, sql)
	if err != nil {
		return result{}, err
	}
	defer rows.Close()
	var r result
	for _, f := range rows.FieldDescriptions() {
		r.columns, r.types = append(r.columns, f.Name), append(r.types, f.DataTypeOID)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return r, err
		}
		r.rows = append(r.rows, values)
	}
	return r, rows.Err()
}

func isNumber(oid uint32) bool {
	return slices.Contains([]uint32{pgtype.Float8OID, pgtype.Float4OID, pgtype.Int8OID, pgtype.Int4OID, pgtype.NumericOID}, oid)
}

func isText(oid uint32) bool { return oid == pgtype.TextOID }

func isTime(oid uint32) bool { return oid == pgtype.TimestamptzOID }

// TestData runs what Grafana would run against one database full of data; filling it takes longest.
func TestData(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	anchor := time.Now()
	grafanatest.Fill(t, s, anchor)
	// Somebody else speaks, too.
	storetest.Exec(t, s, `UPDATE sentiments SET kind = CASE WHEN id LIKE '%17' THEN 'news' ELSE 'advert' END WHERE symbol = 'BTC' AND id ~ '[13]7$'`)
	storetest.Exec(t, s, `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
		VALUES ($1::timestamptz - INTERVAL '1 hour', 'XRP', 'kraken', 'lone', 0.5, 10, $1::timestamptz)`, anchor)
	require.NoError(t, s.RefreshWindows(t.Context()))
	t.Run("panels", func(t *testing.T) { testPanels(t, s, anchor) })
	t.Run("elsewhere", func(t *testing.T) { testElsewhere(t, s, anchor) })
	t.Run("choices", func(t *testing.T) { testChoices(t, s) })
	t.Run("shading", func(t *testing.T) { testShading(t, s, anchor) })
	t.Run("alerts", func(t *testing.T) { testAlerts(t, s) })
}

// testPanels runs every query of every dashboard, and requires rows of the form that the panel takes.
func testPanels(t *testing.T, s *store.Store, anchor time.Time) {
	took := map[string]time.Duration{}
	for name, b := range boards(t) {
		here := newScene(b, anchor.Add(-24*time.Hour), anchor)
		for _, v := range b.Templating.List {
			if v.Type == "query" {
				checkOptions(t, s, name, v)
			}
		}
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				if q.Datasource.UID != postgresUID {
					continue
				}
				where := fmt.Sprintf("%s: %s, query %s", name, p.Title, q.RefID)
				start := time.Now()
				r, err := run(t, s, here.expand(t, q.RawSQL))
				took[where] = time.Since(start)
				require.NoError(t, err, where)
				require.NotEmpty(t, r.rows, where)
				if p.Title != "Hardly traded or spoken of" { // Of such a coin little is known.
					requireFilled(t, where, r)
				}
				if q.Format == "time_series" || p.Type == "timeseries" || p.Type == "candlestick" {
					requireSeries(t, where, q.Format, r)
				}
				if len(p.Targets) == 1 {
					requireOverrides(t, where, p, r)
				}
			}
		}
		for _, a := range b.Annotations.List {
			if a.Target == nil {
				continue
			}
			r, err := run(t, s, here.expand(t, a.Target.RawSQL))
			require.NoError(t, err, "%s: annotation %s", name, a.Name)
			require.Equal(t, []string{"time", "timeend", "text", "tags"}, r.columns)
			require.NotEmpty(t, r.rows, "%s: annotation %s", name, a.Name)
		}
	}
	for _, where := range slowest(took)[:5] {
		t.Log(took[where].Round(time.Millisecond), where)
	}
}

// testChoices requires that every call of a function of RCAS gets every choice of the board that the function takes: a figure beside the chooser
// of networks that counts all networks is false.
func testChoices(t *testing.T, s *store.Store) {
	arguments := map[string]string{}
	for _, row := range storetest.Rows(t, s, `SELECT p.proname::text, string_agg(pg_get_function_arguments(p.oid), ', ') FROM pg_proc AS p
		WHERE p.pronamespace = 'public'::regnamespace GROUP BY 1`) {
		arguments[row[0].(string)] = row[1].(string)
	}
	choices := map[string]string{"venue": `venue => nullif(${venue:sqlstring}, 'all')`, "source": `source => nullif(${source:sqlstring}, 'all')`,
		"model": `model => nullif(${model:sqlstring}, 'active')`, "who": `who => ${who:sqlstring}`, "repeats": `repeats => ${repeats:sqlstring}::boolean`, "network": `network => nullif(${source:sqlstring}, 'all')`}
	call := regexp.MustCompile(`\b([a-z_]+)\(`)
	n := 0
	check := func(where, sql string) {
		for _, at := range call.FindAllStringSubmatchIndex(sql, -1) {
			name := sql[at[2]:at[3]]
			depth, end := 0, at[3]
			for ; end < len(sql); end++ {
				depth += strings.Count(sql[end:end+1], "(") - strings.Count(sql[end:end+1], ")")
				if depth == 0 {
					break
				}
			}
			for choice, passed := range choices {
				if !regexp.MustCompile(`\b` + choice + ` (text|boolean)`).MatchString(arguments[name]) {
					continue
				}
				n++
				if choice == "repeats" && strings.Contains(sql[at[3]:end], "repeats => true") {
					continue // What is repeated is shown beside what is not.
				}
				require.Contains(t, sql[at[3]:end], passed, "%s: %s ignores the choice of %s", where, name, choice)
			}
		}
	}
	for name, b := range boards(t) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				check(name+": "+p.Title, q.RawSQL)
			}
		}
		for _, a := range b.Annotations.List {
			if a.Target != nil {
				check(name+": annotation "+a.Name, a.Target.RawSQL)
			}
		}
	}
	require.Greater(t, n, 60)
}

// testShading requires that Coin is shaded exactly when the alert rule fires, whatever time and window are chosen.
func testShading(t *testing.T, s *store.Store, anchor time.Time) {
	coin := boards(t)["coin.json"]
	at := slices.IndexFunc(coin.Annotations.List, func(a annotation) bool { return a.Name == "Divergences" })
	sql := coin.Annotations.List[at].Target.RawSQL
	shaded := 0
	for _, symbol := range []string{"BTC", "ETH", "SOL"} {
		firing := map[time.Time]bool{}
		for at := anchor.Add(-10 * time.Hour).Truncate(15 * time.Minute).Add(time.Minute); at.Before(anchor); at = at.Add(15 * time.Minute) {
			firing[at] = storetest.Value[bool](t, s, `SELECT signal <> 0 FROM divergence_state($2) WHERE symbol = $1`, symbol, at)
		}
		for span, width := range map[time.Duration]string{7 * 24 * time.Hour: "1h", 24 * time.Hour: "10m", 45 * time.Minute: "1m"} {
			for back := time.Duration(0); back < 10*time.Hour; back += 35 * time.Minute {
				here := newScene(coin, anchor.Add(-back-span), anchor.Add(-back))
				here.values["symbol"], here.values["width"] = symbol, width
				r, err := run(t, s, here.expand(t, sql))
				require.NoError(t, err)
				for at, fires := range firing {
					if at.Before(here.from) || !at.Before(here.to.Add(-15*time.Minute)) {
						continue
					}
					inside := slices.ContainsFunc(r.rows, func(row []any) bool { return !row[0].(time.Time).After(at) && at.Before(row[1].(time.Time)) })
					require.Equal(t, fires, inside, "%s at %v, looking at %v by %s", symbol, at, span, width)
					if inside {
						shaded++
					}
				}
				if span > 24*time.Hour {
					break // The same data in all of them.
				}
			}
		}
	}
	require.Positive(t, shaded)
}

// checkOptions requires that a variable's query offers the value that the dashboard opens with.
func checkOptions(t *testing.T, s *store.Store, name string, v variable) {
	r, err := run(t, s, v.Query)
	require.NoError(t, err, "%s: variable %s", name, v.Name)
	require.Equal(t, []string{"__value", "__text"}, r.columns, "%s: variable %s", name, v.Name)
	require.Greater(t, len(r.rows), 1, "%s: variable %s", name, v.Name)
	require.True(t, slices.ContainsFunc(r.rows, func(row []any) bool { return row[0] == v.Current.Value && row[1] == v.Current.Text }), "%s: variable %s", name, v.Name)
}

// requireFilled requires a value in every column of some row, but in those that may stay empty.
func requireFilled(t *testing.T, where string, r result) {
	optional := []string{"24 h", "4 h", "1 h", "Edge", "Edge from", "Edge to", "significant", "not significant", "suggested", "Author", "Count", "Lag", "Not judged", "Dropped", "tags"}
	for i, column := range r.columns {
		if slices.Contains(optional, column) {
			continue
		}
		require.True(t, slices.ContainsFunc(r.rows, func(row []any) bool { return row[i] != nil }), "%s: column %s is empty", where, column)
	}
}

// requireSeries requires what Grafana makes time series of: a time column in ascending order, numbers, and in the long form one
// text column that names the series.
func requireSeries(t *testing.T, where, format string, r result) {
	at := slices.Index(r.columns, "time")
	require.GreaterOrEqual(t, at, 0, where)
	require.True(t, isTime(r.types[at]), where)
	require.True(t, slices.IsSortedFunc(r.rows, func(a, b []any) int { return a[at].(time.Time).Compare(b[at].(time.Time)) }), "%s: not in order of time", where)
	texts, numbers := 0, 0
	for i, oid := range r.types {
		switch {
		case isText(oid):
			texts++
		case isNumber(oid):
			numbers++
		default:
			require.Equal(t, at, i, "%s: column %s is neither text nor a number", where, r.columns[i])
		}
	}
	require.Positive(t, numbers, where)
	require.LessOrEqual(t, texts, map[bool]int{true: 1, false: 0}[format == "time_series"], where)
}

// requireOverrides requires that every override by name means a column or series that is there.
func requireOverrides(t *testing.T, where string, p *panel, r result) {
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID == "byName" {
			require.Contains(t, r.columns, o.Matcher.Options, "%s: an override without a column", where)
		}
	}
}

// testElsewhere runs the queries where there is little to show: an empty database, a coin without data, ten years, ten minutes, a
// narrow choice of everything. None may fail.
func testElsewhere(t *testing.T, full *store.Store, anchor time.Time) {
	empty := storetest.New(t)
	for name, test := range map[string]struct {
		store *store.Store
		span  time.Duration
		set   map[string]string
	}{
		"empty database":        {empty, 24 * time.Hour, nil},
		"coin without data":     {full, 24 * time.Hour, map[string]string{"symbol": "DOGE"}},
		"ten years":             {full, 10 * 365 * 24 * time.Hour, map[string]string{"width": "1d"}},
		"ten years, auto width": {full, 10 * 365 * 24 * time.Hour, nil},
		"ten minutes":           {full, 10 * time.Minute, map[string]string{"width": "1m"}},
		"one of everything":     {full, 24 * time.Hour, map[string]string{"venue": "kraken", "source": "reddit", "model": "rcas-small-en", "who": "people", "repeats": "false"}},
		"news alone":            {full, 24 * time.Hour, map[string]string{"who": "news", "repeats": "true"}},
		"a hostile choice":      {full, 24 * time.Hour, map[string]string{"venue": `'); DROP TABLE prices; --`, "source": `' OR ''='`, "model": `\'`, "who": `people'); SELECT 1; --`}},
		"a hostile rule": {full, 24 * time.Hour, map[string]string{"width": `1m', 0), pg_sleep(9) --`, "rule_width": `1m'), pg_sleep(9) --`, "repeats": `true) OR (true`, "threshold": `1, 2`, "baseline": `96) --`,
			"min_posts": `(SELECT 1)`, "persistence": `2; SELECT 1`, "terms": `(SELECT count(*) FROM posts)`}},
	} {
		t.Run(name, func(t *testing.T) {
			for file, b := range boards(t) {
				here := newScene(b, anchor.Add(-test.span), anchor)
				for variable, value := range test.set {
					if _, known := here.values[variable]; known {
						here.values[variable] = value
					}
				}
				if test.span > 365*24*time.Hour && here.values["rule_width"] != "" {
					here.values["rule_width"] = "1d"
				}
				for _, p := range b.Panels {
					for _, q := range p.Targets {
						if q.Datasource.UID != postgresUID {
							continue
						}
						_, err := run(t, test.store, here.expand(t, q.RawSQL))
						if test.store == empty && err != nil && strings.Contains(err.Error(), "unknown symbol") {
							continue // The assets are not loaded: the panel says so.
						}
						if name == "a hostile choice" && err != nil {
							require.Regexp(t, `unknown (model|venue|source) "|who must be all`, err.Error(), "%s: %s", file, p.Title)
							continue
						}
						if name == "a hostile rule" && err != nil {
							require.Regexp(t, `invalid input syntax for type (interval|boolean|integer|bigint|double precision)`, err.Error(), "%s: %s", file, p.Title)
							continue
						}
						require.NoError(t, err, "%s: %s, query %s", file, p.Title, q.RefID)
					}
				}
			}
			require.True(t, test.store == empty || storetest.Value[int64](t, full, `SELECT count(*) FROM prices`) > 0)
		})
	}
}

// slowest sorts queries by their time, so that a slow panel shows in a verbose run.
func slowest(took map[string]time.Duration) []string {
	names := make([]string, 0, len(took))
	for name := range took {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(took[b], took[a]) })
	return names
}
