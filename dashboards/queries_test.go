package dashboards

import (
	"cmp"
	"context"
	"fmt"
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
	t.Run("panels", func(t *testing.T) { testPanels(t, s, anchor) })
	t.Run("elsewhere", func(t *testing.T) { testElsewhere(t, s, anchor) })
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
				requireFilled(t, where, r)
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
		"one of everything":     {full, 24 * time.Hour, map[string]string{"venue": "kraken", "source": "reddit", "model": "rcas-small-en", "repeats": "false"}},
		"a hostile choice":      {full, 24 * time.Hour, map[string]string{"venue": `'); DROP TABLE prices; --`, "source": `' OR ''='`, "model": `\'`}},
		"a hostile rule": {full, 24 * time.Hour, map[string]string{"width": `1m', 0), pg_sleep(9) --`, "repeats": `true) OR (true`, "threshold": `1, 2`, "baseline": `96) --`,
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
				if test.span > 365*24*time.Hour && here.values["width"] == "15m" {
					here.values["width"] = "1d"
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
							require.Regexp(t, `unknown (model|venue|source) "`, err.Error(), "%s: %s", file, p.Title)
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
