package dashboards

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func dump(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	// References in links hold an ampersand after them, which JSON escapes.
	return strings.ReplaceAll(string(text), `\u0026`, "&")
}

// scene is what Grafana knows when it sends a query: the time range and the values of the variables.
type scene struct {
	from, to time.Time
	values   map[string]string
}

// newScene takes the variables at the values that the dashboard opens with.
func newScene(b *board, from, to time.Time) scene {
	s := scene{from: from, to: to, values: map[string]string{}}
	for _, v := range b.Templating.List {
		s.values[v.Name] = v.Current.Value
		if v.Type == "interval" && v.Current.Value == "$__auto" {
			s.values[v.Name] = autoInterval(to.Sub(from), v.AutoCount)
		}
	}
	return s
}

// autoInterval is Grafana's choice for an interval variable: the time range over the number of steps, rounded to one of its intervals,
// no less than a minute.
func autoInterval(span time.Duration, count int) string {
	for _, step := range []struct {
		least time.Duration
		name  string
	}{{45 * 24 * time.Hour, "1y"}, {10 * 24 * time.Hour, "30d"}, {36 * time.Hour, "1d"}, {9 * time.Hour, "12h"}, {270 * time.Minute, "6h"}, {150 * time.Minute, "3h"},
		{90 * time.Minute, "2h"}, {45 * time.Minute, "1h"}, {25 * time.Minute, "30m"}, {17*time.Minute + 30*time.Second, "20m"}, {12*time.Minute + 30*time.Second, "15m"},
		{7*time.Minute + 30*time.Second, "10m"}, {210 * time.Second, "5m"}, {90 * time.Second, "2m"}} {
		if span/time.Duration(count) >= step.least {
			return step.name
		}
	}
	return "1m"
}

var macro = regexp.MustCompile(`\$(__[a-zA-Z]+)\(([^)]*)\)`)

// expand does to a query what Grafana's front end (variables) and its PostgreSQL source (macros) do.
func (s scene) expand(t testing.TB, sql string) string {
	t.Helper()
	sql = reference.ReplaceAllStringFunc(sql, func(m string) string {
		name, format, _ := strings.Cut(strings.Trim(m, "${}"), ":")
		value, ok := s.values[name]
		require.True(t, ok, "no value for %s", m)
		switch format {
		case "sqlstring":
			return quote(value)
		case "percentencode": // as Grafana's: a query string's, but for spaces, and with !'()* as well
			return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
		}
		require.Fail(t, "no such format", m)
		return ""
	})
	from, to := quote(s.from.UTC().Format(time.RFC3339Nano)), quote(s.to.UTC().Format(time.RFC3339Nano))
	sql = macro.ReplaceAllStringFunc(sql, func(m string) string {
		parts := macro.FindStringSubmatch(m)
		switch parts[1] {
		case "__timeFrom":
			return from
		case "__timeTo":
			return to
		case "__timeGroupAlias": // with a third argument, Grafana fills windows without rows with it
			args := strings.Split(parts[2], ",")
			require.Regexp(t, `^ '[^']*'$`, args[1], "Grafana reads a width here, or says that it is none")
			return fmt.Sprintf(`time_bucket(%s, %s) AS "time"`, args[1], args[0])
		case "__timeFilter":
			return fmt.Sprintf("%s BETWEEN %s AND %s", parts[2], from, to)
		}
		require.Fail(t, "no such macro", m)
		return ""
	})
	require.NotRegexp(t, `\$(__|\{)`, sql, "nothing is left unexpanded")
	return sql
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
