package datasource

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

var allTypes = []string{
	typeCandles, typeMood, typeMoodPrice, typeDivergence, typeDivergenceState, typeDivergenceEvents, typeLeadLag, typeTerms, typeTrending, typeFeedHealth, typeScorerHealth,
}

// FuzzQuery shows that nothing of a query becomes part of a statement, and that what does reach the database is bounded.
func FuzzQuery(f *testing.F) {
	var statements []string
	for _, kind := range allTypes {
		q := &query{Type: kind, Symbol: "BTC", window: time.Minute}
		question, err := q.question()
		require.NoError(f, err)
		statements = append(statements, question.sql)
		f.Add(`{"queryType":"`+kind+`","symbol":"BTC","width":"5m"}`, int64(60))
	}
	f.Add(`{"queryType":"terms","symbol":"'; DROP TABLE prices; --","limit":1e9}`, int64(1))
	f.Add(`{"queryType":"divergence","symbol":"BTC","threshold":"NaN","baseline":1e308,"width":"99999w"}`, int64(-1))
	f.Add(`{"queryType":"live","live":"prices","symbol":"BTC","venue":"*"}`, int64(0))
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		now := time.Now()
		q, err := readQuery(backend.DataQuery{JSON: []byte(text), Interval: time.Duration(seconds), TimeRange: backend.TimeRange{From: now.Add(-time.Hour), To: now}})
		if err != nil {
			return
		}
		if c, err := q.channel(); err == nil {
			require.NotContains(t, c.subject()[strings.Index(c.subject(), ".")+1:], ".")
			require.True(t, c.subject() == "prices.*" || !strings.ContainsAny(c.subject(), "*> \r\n"), c.subject())
		}
		question, err := q.question()
		if err != nil {
			return
		}
		require.True(t, slices.Contains(statements, question.sql), question.sql)
		require.Positive(t, q.window)
		require.LessOrEqual(t, q.window, maxWindow)
		for _, a := range question.args {
			if s, ok := a.(string); ok {
				require.LessOrEqual(t, len(s), maxNameBytes)
				require.NotContains(t, s, "'")
				require.NotContains(t, s, "\x00")
			}
		}
	})
}

// TestExplain turns the database's complaints into what to do.
func TestExplain(t *testing.T) {
	t.Parallel()
	d := &Datasource{settings: &settings{host: "db:5432", Database: "rcas", user: "reader", password: "secret"}}
	for code, want := range map[string]string{
		"28P01": "The database rcas on db:5432 refuses the user reader: check user and password of the data source.",
		"3D000": "There is no database rcas on db:5432.",
		"42501": "grant it the role rcas_reader",
		"42883": "run rcas migrate up",
		"57014": "The answer took longer than 30 seconds",
		"57P01": "can't be reached; this panel recovers by itself",
		"57P03": "can't be reached; this panel recovers by itself",
		"22023": "Such is life. Try again.",
	} {
		got := d.explain(&pgconn.PgError{Code: code, Message: "such is life", Hint: "try again"})
		require.Contains(t, got, want)
		require.NotContains(t, got, "secret")
	}
	require.Equal(t, "Odd.", d.explain(errors.New("odd")))
}

// TestWindow chooses windows that a panel can show.
func TestWindow(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		width          string
		interval, span time.Duration
		want           time.Duration
	}{
		{"", time.Second, time.Hour, time.Minute}, {"auto", 3 * time.Minute, time.Hour, 5 * time.Minute}, {"$__auto", time.Minute, 10 * 365 * 24 * time.Hour, 7 * 24 * time.Hour},
		{"520w", 0, 0, 520 * 7 * 24 * time.Hour}, {"15m", time.Hour, time.Hour, 15 * time.Minute}, {"1w", 0, 0, 7 * 24 * time.Hour}, {"auto", 0, -time.Hour, time.Minute},
	} {
		got, err := window(test.width, test.interval, test.span)
		require.NoError(t, err)
		require.Equal(t, test.want, got, test)
	}
	for _, bad := range []string{"5", "m", "0m", "5s", "1M", "-5m", "5 m", "100000m", "5m5m", "522w", "99999w", "15251w"} {
		_, err := window(bad, 0, 0)
		require.Error(t, err, bad)
	}
}
