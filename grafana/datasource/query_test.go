package datasource_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"rcas/grafana/grafanatest"
	"rcas/store"
	"rcas/store/storetest"
)

var update = flag.Bool("update", false, "write the golden frames anew")

// TestGolden compares the frames of every query type with those kept in testdata.
func TestGolden(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	anchor := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	grafanatest.Fill(t, s, anchor)
	p := start(t, database(t, s))
	for name, test := range map[string]struct {
		query string
		form  data.FrameType
		rows  int
	}{
		"candles":           {`{"queryType":"candles","symbol":"BTC","width":"1h"}`, data.FrameTypeTimeSeriesWide, 6},
		"candles of kraken": {`{"queryType":"candles","symbol":"BTC","width":"1h","venue":"kraken"}`, data.FrameTypeTimeSeriesWide, 6},
		"mood":              {`{"queryType":"mood","symbol":"BTC","width":"1h","source":"all"}`, data.FrameTypeTimeSeriesWide, 6},
		"mood of reddit":    {`{"queryType":"mood","symbol":"BTC","width":"1h","source":"reddit","repeats":"false"}`, data.FrameTypeTimeSeriesWide, 6},
		"mood and price":    {`{"queryType":"mood_price","symbol":"ETH","width":"1h"}`, data.FrameTypeTimeSeriesWide, 6},
		"divergence":        {`{"queryType":"divergence","symbol":"ETH","width":"15m","threshold":"1.5"}`, data.FrameTypeTimeSeriesWide, 24},
		"divergence state":  {`{"queryType":"divergence_state","width":"15m"}`, data.FrameTypeNumericLong, 30},
		"events":            {`{"queryType":"divergence_events","symbol":"ETH","width":"15m"}`, data.FrameTypeTable, 1},
		"lead and lag":      {`{"queryType":"lead_lag","symbol":"BTC","width":"5m","maxLag":3}`, data.FrameTypeTable, 7},
		"terms":             {`{"queryType":"terms","symbol":"SOL","limit":5}`, data.FrameTypeNumericLong, 5},
		"trending terms":    {`{"queryType":"trending_terms","symbol":"SOL","limit":3}`, data.FrameTypeNumericLong, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := p.query(anchor.Add(-6*time.Hour), anchor, time.Minute, test.query)
			require.NoError(t, r.Error)
			require.Len(t, r.Frames, 1)
			frame := r.Frames[0]
			require.Equal(t, "A", frame.RefID)
			require.Equal(t, test.form, frame.Meta.Type)
			require.Equal(t, test.rows, frame.Rows())
			require.Empty(t, frame.Meta.Notices, "the past is not provisional")
			requireGolden(t, name, frame)
		})
	}
}

// requireGolden compares a frame as JSON, numbers to nine digits: sums of doubles depend on the order of rows.
func requireGolden(t *testing.T, name string, frame *data.Frame) {
	t.Helper()
	raw, err := frame.MarshalJSON()
	require.NoError(t, err)
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var tree any
	require.NoError(t, decoder.Decode(&tree))
	text, err := json.MarshalIndent(rounded(tree), "", " ")
	require.NoError(t, err)
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, append(text, '\n'), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(text))
}

func rounded(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = rounded(v[key])
		}
	case []any:
		for i := range v {
			v[i] = rounded(v[i])
		}
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return v
		}
		if f == float64(int64(f)) {
			return json.Number(strconv.FormatInt(int64(f), 10))
		}
		return json.Number(strconv.FormatFloat(f, 'g', 9, 64))
	}
	return v
}

// TestData meets one database full of data of the last hours; filling it takes longest.
func TestData(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	grafanatest.Fill(t, s, time.Now())
	t.Run("resources", func(t *testing.T) { testResources(t, s) })
	t.Run("live", func(t *testing.T) { testLive(t, s) })
	t.Run("queries", func(t *testing.T) { testQueries(t, s) })
}

// testQueries asks what real panels ask, now, and what goes wrong.
func testQueries(t *testing.T, s *store.Store) {
	now := time.Now()
	p := start(t, database(t, s))
	day := now.Add(-24 * time.Hour)

	t.Run("the window follows the panel's interval", func(t *testing.T) {
		for interval, want := range map[time.Duration]time.Duration{time.Second: time.Minute, 4 * time.Minute: 5 * time.Minute, 50 * time.Minute: time.Hour} {
			frame := p.query(day, now, interval, `{"queryType":"candles","symbol":"BTC","width":"auto"}`).Frames[0]
			least := 24 * time.Hour // A minute without a trade has no window.
			for i := 1; i < frame.Rows(); i++ {
				least = min(least, frame.Fields[0].At(i).(time.Time).Sub(frame.Fields[0].At(i-1).(time.Time)))
			}
			require.Equal(t, want, least)
		}
	})
	t.Run("the last window is provisional", func(t *testing.T) {
		frame := p.query(day, time.Now().Add(time.Second), time.Hour, `{"queryType":"mood_price","symbol":"BTC","width":"1d"}`).Frames[0]
		require.Len(t, frame.Meta.Notices, 1)
		require.Contains(t, frame.Meta.Notices[0].Text, "provisional")
	})
	t.Run("old data say so", func(t *testing.T) {
		storetest.Exec(t, s, `DELETE FROM prices WHERE symbol = 'SOL' AND time > $1`, now.Add(-2*time.Hour))
		storetest.Exec(t, s, `CALL refresh_continuous_aggregate('prices_1m', now() - INTERVAL '4 hours', now())`)
		frame := p.query(day, time.Now().Add(time.Second), time.Minute, `{"queryType":"candles","symbol":"SOL","width":"1m"}`).Frames[0]
		require.Len(t, frame.Meta.Notices, 1)
		require.Regexp(t, `newest window ended [12]h[0-9]+m0s ago`, frame.Meta.Notices[0].Text)
	})
	t.Run("feeds and scorer", func(t *testing.T) {
		require.Equal(t, 4, p.query(day, now, time.Minute, `{"queryType":"feed_health"}`).Frames[0].Rows())
		require.Equal(t, 1, p.query(day, now, time.Minute, `{"queryType":"scorer_health"}`).Frames[0].Rows())
	})
	for name, test := range map[string]struct {
		query   string
		status  backend.Status
		message string
	}{
		"unknown coin":      {`{"queryType":"candles","symbol":"NOPE"}`, backend.StatusBadRequest, `Unknown symbol "NOPE". Known symbols: `},
		"no coin":           {`{"queryType":"mood"}`, backend.StatusBadRequest, "choose a coin"},
		"unknown type":      {`{"queryType":"sql","symbol":"BTC","rawSql":"SELECT 1"}`, backend.StatusBadRequest, `This can't be asked: there is no query type "sql".`},
		"no JSON":           {`{`, backend.StatusBadRequest, "the query is not readable"},
		"another type":      {`{"queryType":"mood","symbol":["BTC"]}`, backend.StatusBadRequest, "the query is not readable"},
		"width of nonsense": {`{"queryType":"mood","symbol":"BTC","width":"5m'; DROP TABLE prices; --"}`, backend.StatusBadRequest, "is not a width"},
		"width of seconds":  {`{"queryType":"mood","symbol":"BTC","width":"5s"}`, backend.StatusBadRequest, "is not a width"},
		"a coin of SQL":     {`{"queryType":"mood","symbol":"BTC'); DROP TABLE prices; --"}`, backend.StatusBadRequest, "is not the name of a coin"},
		"a venue of SQL":    {`{"queryType":"candles","symbol":"BTC","venue":"x' OR 'a'='a"}`, backend.StatusBadRequest, "is not the name of a venue"},
		"no number":         {`{"queryType":"divergence","symbol":"BTC","threshold":"1; SELECT 1"}`, backend.StatusBadRequest, "is not a number"},
		"negative baseline": {`{"queryType":"divergence","symbol":"BTC","baseline":-5}`, backend.StatusBadRequest, "Baseline must be 10 to 10000 buckets"},
		"much too long":     {`{"queryType":"mood","symbol":"` + strings.Repeat("A", 20_000) + `"}`, backend.StatusBadRequest, "at most 16384 are read"},
	} {
		t.Run(name, func(t *testing.T) {
			r := p.query(day, now, time.Minute, test.query)
			require.ErrorContains(t, r.Error, test.message)
			require.Equal(t, test.status, r.Status)
		})
	}
	t.Run("ten years", func(t *testing.T) {
		r := p.query(now.AddDate(-10, 0, 0), now, time.Minute, `{"queryType":"candles","symbol":"BTC"}`)
		require.NoError(t, r.Error, "auto chooses windows wide enough")
		require.NotZero(t, r.Frames[0].Rows())
		r = p.query(now.AddDate(-10, 0, 0), now, time.Minute, `{"queryType":"candles","symbol":"BTC","width":"1m"}`)
		require.ErrorContains(t, r.Error, "one call gives at most")
		require.ErrorContains(t, r.Error, "or for a wider width")
	})
	t.Run("no data", func(t *testing.T) {
		for _, kind := range []string{"candles", "mood", "mood_price", "divergence", "divergence_events", "lead_lag", "terms", "trending_terms"} {
			r := p.query(day, now, time.Minute, fmt.Sprintf(`{"queryType":%q,"symbol":"DOGE"}`, kind))
			require.NoError(t, r.Error, kind)
			require.Len(t, r.Frames, 1)
		}
	})
	t.Run("nothing can be written", func(t *testing.T) {
		require.Positive(t, storetest.Value[int64](t, s, `SELECT count(*) FROM prices`))
		require.Empty(t, storetest.Rows(t, s, `SELECT * FROM pg_stat_activity WHERE application_name = 'rcas-grafana' AND query ILIKE '%DROP%'`))
	})
}

// testResources lists what variables choose from.
func testResources(t *testing.T, s *store.Store) {
	p := start(t, database(t, s))
	for path, want := range map[string]string{
		"symbols": `{"value":"BTC","label":"BTC · Bitcoin"}`, "venues": `{"value":"kraken","label":"kraken"}`, "sources": `{"value":"reddit","label":"reddit"}`,
		"models": `{"value":"rcas-small-en","label":"rcas-small-en (active)"}`,
	} {
		status, body := p.get(path)
		require.EqualValues(t, 200, status, "%s: %s", path, body)
		require.Contains(t, body, want)
	}
	status, _ := p.get("secrets")
	require.EqualValues(t, 404, status)

	t.Run("health", func(t *testing.T) {
		h := p.checkHealth()
		require.EqualValues(t, backend.HealthStatusOk, h.Status)
		for _, part := range []string{"Schema version ", "coinbase: last stored ", "lag 0.2 s", "Scorer (rcas-small-en): up to date", "No live values: the data source has no address of NATS."} {
			require.Contains(t, h.Message, part)
		}
		var details struct{ Feeds []struct{ Feed string } }
		require.NoError(t, json.Unmarshal(h.JsonDetails, &details))
		require.Len(t, details.Feeds, 4)
	})
}

// What Grafana's alerting demands of an answer: a time that can't be missing, where it is a series, and one figure for each set of
// labels.
func TestAlertRulesGetOneFigure(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	anchor := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	grafanatest.Fill(t, s, anchor)
	p := start(t, database(t, s))
	for query, figure := range map[string]string{
		`{"queryType":"candles","symbol":"BTC","width":"1h","value":"close"}`: "close",
		`{"queryType":"mood","symbol":"BTC","width":"1h"}`:                    "weighted_mood",
		`{"queryType":"mood_price","symbol":"BTC","width":"1h"}`:              "close",
		`{"queryType":"divergence","symbol":"BTC","width":"15m"}`:             "divergence",
		`{"queryType":"divergence_state","width":"15m"}`:                      "signal",
		`{"queryType":"terms","symbol":"SOL"}`:                                "posts",
		`{"queryType":"trending_terms","symbol":"SOL","value":"ratio"}`:       "ratio",
		`{"queryType":"feed_health"}`:                                         "silent_seconds",
		`{"queryType":"scorer_health","value":"behind_seconds"}`:              "behind_seconds",
	} {
		r := p.queryOf(map[string]string{"FromAlert": "true"}, anchor.Add(-6*time.Hour), anchor, time.Minute, query)
		require.NoError(t, r.Error, query)
		require.Len(t, r.Frames, 1, query)
		var figures []string
		seen := map[string]bool{}
		for _, f := range r.Frames[0].Fields {
			if f.Type().Numeric() {
				figures = append(figures, f.Name)
			}
			require.NotEqual(t, data.FieldTypeNullableTime, f.Type(), query)
		}
		require.Equal(t, []string{figure}, figures, query)
		for row := range r.Frames[0].Rows() {
			var labels string
			for _, f := range r.Frames[0].Fields {
				if !f.Type().Numeric() {
					v, _ := f.ConcreteAt(row)
					labels += fmt.Sprint(v, "\x00")
				}
			}
			require.False(t, seen[labels], "%s: two values with the labels %q", query, labels)
			seen[labels] = true
		}
	}
	refused := p.query(anchor.Add(-time.Hour), anchor, time.Minute, `{"queryType":"mood","symbol":"BTC","value":"price"}`)
	require.ErrorContains(t, refused.Error, `mood has no figure "price"`)
}

// A coin may cost a millionth of a dollar: no unit may round its price to nothing.
func TestPricesHaveAUnitThatKeepsSmallOnes(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	anchor := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	grafanatest.Fill(t, s, anchor)
	r := start(t, database(t, s)).query(anchor.Add(-6*time.Hour), anchor, time.Minute, `{"queryType":"candles","symbol":"BTC","width":"1h"}`)
	require.NoError(t, r.Error)
	for _, name := range []string{"open", "high", "low", "close", "vwap"} {
		field, _ := r.Frames[0].FieldByName(name)
		require.Equal(t, "prefix:$", field.Config.Unit, name)
		require.Nil(t, field.Config.Decimals, name)
	}
}
