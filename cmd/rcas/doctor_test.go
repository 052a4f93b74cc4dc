package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
	"rcas/stream"
)

// TestDoctor shows it a system with known faults: it finds each, says what to do, and calls well what is.
func TestDoctor(t *testing.T) {
	t.Parallel()
	host := func(status int, ahead time.Duration) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			if r.Header.Get("Authorization") == "Bearer good" {
				return
			}
			w.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	database := storetest.New(t)
	nats, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(nats.Close)
	examine := func(token string, args ...string) (map[string]finding, error) {
		cmd := process(t, append([]string{"doctor", "--json", "--data-dir", t.TempDir(), "--metrics-address", "127.0.0.1:1"}, args...)...)
		cmd.Env = append(cmd.Env, "RCAS_X_BEARER_TOKEN="+token)
		out, err := cmd.Output()
		var findings []finding
		require.NoError(t, json.Unmarshal(out, &findings), "%s", out)
		by := map[string]finding{}
		for _, f := range findings {
			if strings.HasPrefix(f.Check, "feed news ") { // and its address
				f.Check = "feed news"
			}
			by[f.Check] = f
			require.Equal(t, f.Verdict != fine, f.Do != "", "%+v", f)
			require.NotContains(t, f.Says, "secret")
		}
		return by, err
	}
	servers := []string{"--database-url", database.URL(), "--nats-url", nats.URL()}
	well := append([]string{"--source", "kraken", "--source-url", "kraken=" + strings.Replace(host(404, 0), "http", "ws", 1),
		"--source", "twitter", "--source-url", "twitter=" + host(401, 0), "--source", "news", "--source-url", "news=" + host(200, 0) + "/rss",
		"--source", "stocktwits", "--source-url", "stocktwits=" + host(200, 0)}, servers...)
	by, err := examine("good", well...)
	require.NoError(t, err, by)
	for _, check := range []string{"data directory", "feed kraken", "feed news", "feed stocktwits", "feed twitter", "clock", "database", "database clock", "license", "roles",
		"windows", "database takes rows", "model", "stream", "consumers", "backlog TWEETS scorer", "dead letters"} {
		require.Equal(t, fine, by[check].Verdict, "%s: %+v", check, by[check])
	}
	require.Equal(t, warn, by["running rcas"].Verdict)
	config := filepath.Join(t.TempDir(), "rcas.yaml")
	require.NoError(t, os.WriteFile(config, []byte("sources: {news: {feeds: ['"+host(404, 0)+"/gone']}, kraken: {url: '"+host(404, 0)+"'}}"), 0o600))
	by, err = examine("good", append([]string{"--config", config}, servers...)...)
	require.Error(t, err)
	require.Equal(t, fail, by["feed news"].Verdict, "a document that is not there")
	require.Equal(t, fine, by["feed kraken"].Verdict, "the address of the file is asked: %+v", by["feed kraken"])
	require.Contains(t, by["versions"].Says, "TimescaleDB 2.")

	storetest.Exec(t, database, `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
		VALUES (date_trunc('hour', now()) - INTERVAL '90 minutes', 'BTC', 'kraken', '1', 1, 1, now())`)
	storetest.Exec(t, database, `CALL refresh_continuous_aggregate('prices_1m', NULL, now() - INTERVAL '1 minute')`)
	storetest.Exec(t, database, `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
		VALUES (date_trunc('hour', now()) - INTERVAL '91 minutes', 'BTC', 'kraken', '2', 1, 1, now())`)
	by, err = examine("bad", append([]string{"--source", "kraken", "--source-url", "kraken=" + host(403, 15*time.Second),
		"--source", "twitter", "--source-url", "twitter=" + host(401, 15*time.Second)}, servers...)...)
	require.ErrorContains(t, err, "exit status 1")
	require.Contains(t, by["feed kraken"].Says, "refuses this machine: 403")
	require.Contains(t, by["feed twitter"].Says, "its key is refused: 401")
	require.Equal(t, fail, by["clock"].Verdict, by["clock"])
	require.Contains(t, by["clock"].Says, "-15s")
	require.Equal(t, fail, by["windows"].Verdict, "a late trade that no window holds yet")
	by, _ = examine("", well...)
	require.Contains(t, by["feed twitter"].Says, "key is not set")

	by, err = examine("", "--source", "kraken", "--source-url", "kraken=ws://127.0.0.1:1", "--database-url", "postgres://u:secret@127.0.0.1:1/x", "--nats-url", nats.URL())
	require.Error(t, err)
	require.Equal(t, fail, by["database"].Verdict)
	require.Equal(t, fail, by["feed kraken"].Verdict)
	require.Equal(t, warn, by["clock"].Verdict)
	require.Equal(t, fine, by["stream"].Verdict, "what is there is looked at all the same")
	require.Equal(t, fine, by["model"].Verdict)
}
