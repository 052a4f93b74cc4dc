package datasource_test

import (
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store/storetest"
)

// TestTrouble takes the database away, and gives it back.
func TestTrouble(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	c := newCable(t, s)
	settings := database(t, s)
	settings.URL = c.address
	p := start(t, settings)
	now := time.Now()
	ask := func() backend.DataResponse {
		return p.query(now.Add(-time.Hour), now, time.Minute, `{"queryType":"candles","symbol":"BTC"}`)
	}
	require.ErrorContains(t, ask().Error, `Unknown symbol "BTC". The table assets is empty: load it with rcas.`)
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	require.NoError(t, s.SaveAssets(t.Context(), assets))
	require.NoError(t, ask().Error)

	c.cut()
	require.Eventually(t, func() bool {
		r := ask()
		return r.Error != nil && r.Error.Error() == "The database "+databaseName(t, settings)+" on "+c.address+" can't be reached; this panel recovers by itself when it is back."
	}, time.Minute, 50*time.Millisecond)
	h := p.checkHealth()
	require.EqualValues(t, backend.HealthStatusError, h.Status)
	require.Contains(t, h.Message, "can't be reached")
	status, body := p.get("symbols")
	require.EqualValues(t, 502, status)
	require.Contains(t, body, "can't be reached")

	r := p.query(now.Add(-time.Hour), now, time.Minute, `{"queryType":"live","live":"prices","symbol":"BTC"}`)
	require.NoError(t, r.Error, "live values do without the database")

	c.mend()
	require.Eventually(t, func() bool { return ask().Error == nil }, time.Minute, 50*time.Millisecond, "it recovers by itself")
	require.EqualValues(t, backend.HealthStatusOk, p.checkHealth().Status)
}

// TestWithoutSchema meets a database that RCAS has never seen, and one that is older than the plugin.
func TestWithoutSchema(t *testing.T) {
	t.Parallel()
	s := storetest.Unmigrated(t)
	p := start(t, database(t, s))
	h := p.checkHealth()
	require.EqualValues(t, backend.HealthStatusError, h.Status)
	require.Contains(t, h.Message, "has no RCAS schema, or an older one: run rcas migrate up.")
	require.NoError(t, s.Migrate())
	require.EqualValues(t, backend.HealthStatusOk, p.checkHealth().Status)
	storetest.Exec(t, s, `UPDATE schema_migrations SET version = version - 1`)
	require.Contains(t, p.checkHealth().Message, "run rcas migrate up")
}

// TestSettings refuses what can't work, in words.
func TestSettings(t *testing.T) {
	t.Parallel()
	for want, settings := range map[string]backend.DataSourceInstanceSettings{
		"has no database host":            settingsFor(t, "", "rcas", "reader", nil),
		"has no database;":                settingsFor(t, "localhost:5432", "", "reader", nil),
		"has no user":                     settingsFor(t, "localhost:5432", "rcas", "", nil),
		"is not a number":                 settingsFor(t, "localhost:http", "rcas", "reader", nil),
		`the TLS mode "maybe" is not one`: settingsFor(t, "localhost:5432", "rcas", "reader", map[string]string{"sslmode": "maybe"}),
		"the address of NATS":             settingsFor(t, "localhost:5432", "rcas", "reader", map[string]string{"natsUrl": "nats://[::1"}),
	} {
		p := start(t, settings)
		_, err := p.health.CheckHealth(timeout(t), nil)
		require.Error(t, err)
		response, err := p.health.CheckHealth(timeout(t), healthRequest(p))
		if err == nil {
			require.EqualValues(t, backend.HealthStatusError, response.Status)
			require.Contains(t, response.Message, want)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}
