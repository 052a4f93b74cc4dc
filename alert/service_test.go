package alert_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"rcas/alert"
	"rcas/store"
	"rcas/store/storetest"
	"rcas/stream"
)

// start is where the history of the tests begins; mood and price of each coin part ways thirty hours later, for three hours.
var start = time.Date(2024, 3, 4, 0, 0, 0, 0, time.UTC)

var rule = alert.Rule{Name: "hourly", Width: time.Hour, Baseline: 24, Threshold: 1.5, MinPosts: 5, Persistence: 2,
	Cooldown: 6 * time.Hour}

const fires = 32 // hours after start

// newDatabase holds two coins: BTC's mood rises while it falls, ETH's falls while it rises.
func newDatabase(t *testing.T) *store.Store {
	t.Helper()
	s := storetest.New(t)
	storetest.Exec(t, s, `INSERT INTO models (name, active) VALUES ('test', true)`)
	storetest.Exec(t, s, `INSERT INTO assets (symbol, name) VALUES ('BTC', 'Bitcoin'), ('ETH', 'Ethereum')`)
	storetest.Exec(t, s, `WITH hours AS (
			SELECT symbol, h, CASE symbol WHEN 'BTC' THEN 1 ELSE -1 END * (h BETWEEN 30 AND 32)::integer AS side
				FROM unnest('{BTC,ETH}'::text[]) AS symbol,
				generate_series(0, 47) AS h
		), prices AS (
			INSERT INTO prices SELECT $1::timestamptz + h * INTERVAL '1 hour', symbol, 'v', h::text,
				100 * exp(sum(0.001 * (h % 3 - 1) - 0.02 * side) OVER (PARTITION BY symbol ORDER BY h)), 1, $1 FROM hours
		)
		INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat,
			author_hash, text_hash)
		SELECT $1::timestamptz + h * INTERVAL '1 hour' + i * INTERVAL '1 minute', 'x', format('%s-%s', h, i), symbol, 'test', 0.4,
			0.2, 0.4,
			0.05 * (h % 2) + 0.6 * side, 1, 1, false, i, 0 FROM hours, generate_series(1, 6) AS i`, start)
	return s
}

// config has one rule, and one channel, a webhook of the test.
func config(url string) alert.Config {
	return alert.Config{Rules: []alert.Rule{rule}, Channels: []alert.Channel{{Name: "hook", Kind: "webhook", Secret: url, Inside: true}}, Settle: -1}
}

func at(hour int) time.Time { return start.Add(time.Duration(hour) * time.Hour) }

// listener collects what comes on alerts.>.
type listener struct {
	sync.Mutex
	alerts map[string][]alert.Alert
}

func listen(t *testing.T) (*listener, *nats.Conn) {
	t.Helper()
	s, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	l := &listener{alerts: map[string][]alert.Alert{}}
	_, err = s.Conn().Subscribe("alerts.>", func(m *nats.Msg) {
		l.Lock()
		defer l.Unlock()
		var a alert.Alert
		if err := json.Unmarshal(m.Data, &a); err == nil {
			l.alerts[m.Subject] = append(l.alerts[m.Subject], a)
		}
	})
	require.NoError(t, err)
	return l, s.Conn()
}

func (l *listener) count() (n int) {
	l.Lock()
	defer l.Unlock()
	for _, alerts := range l.alerts {
		n += len(alerts)
	}
	return n
}

// webhook answers with the codes in turn, then with 204, and keeps what it took.
type webhook struct {
	sync.Mutex
	codes []int
	taken map[string]int // times taken, by idempotency key
	last  alert.Alert
	asked int
}

func (w *webhook) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	w.Lock()
	defer w.Unlock()
	w.asked++
	if len(w.codes) > 0 {
		out.WriteHeader(w.codes[0])
		w.codes = w.codes[1:]
		return
	}
	if err := json.NewDecoder(in.Body).Decode(&w.last); err != nil {
		out.WriteHeader(http.StatusBadRequest)
		return
	}
	w.taken[in.Header.Get("Idempotency-Key")]++
	out.WriteHeader(http.StatusNoContent)
}

func serve(t *testing.T, codes ...int) (*webhook, string) {
	t.Helper()
	w := &webhook{codes: codes, taken: map[string]int{}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return w, server.URL
}

func TestEachAlertIsToldOnce(t *testing.T) {
	t.Parallel()
	s := newDatabase(t)
	heard, conn := listen(t)
	hook, url := serve(t)
	service, err := alert.New(config(url), s.Pool(), conn)
	require.NoError(t, err)
	for hour := 25; hour < 48; hour++ {
		require.NoError(t, service.Look(t.Context(), at(hour)))
		if hour == fires-1 {
			require.Zero(t, heard.count(), "two hours must disagree first")
		}
	}
	require.Eventually(t, func() bool { return heard.count() == 4 }, time.Minute, 5*time.Millisecond)
	bullish := heard.alerts["alerts.BTC"][0]
	require.Equal(t, "bullish", bullish.Direction)
	require.Equal(t, at(30), bullish.StartTime)
	require.Equal(t, at(fires), bullish.FiredAt)
	require.Equal(t, "hourly", bullish.Rule)
	require.Greater(t, *bullish.Divergence, 3.0)
	require.InDelta(t, *bullish.Divergence, *bullish.MoodZ-*bullish.ReturnZ, 1e-9)
	require.InDelta(t, *bullish.Divergence, bullish.Value, 1e-9)
	require.Nil(t, bullish.EndedAt)
	require.NotNil(t, bullish.Price)
	require.NotNil(t, bullish.Adverts, "and how much of it adverts were")
	require.Contains(t, bullish.Text, "BTC: mood is up while price falls (bullish divergence of ")
	require.Equal(t, "bearish", heard.alerts["alerts.ETH"][0].Direction)
	require.Equal(t, map[string]int{"1": 1, "2": 1, "1-ended": 1, "2-ended": 1}, hook.taken)
	over := heard.alerts["alerts.BTC"][1]
	require.Equal(t, at(33), over.EndTime, "mood and price agree again")
	require.Equal(t, at(35), *over.EndedAt, "and so they have for two hours")
	require.Equal(t, "BTC: over: mood is up while price falls (from 5 Mar 06:00 to 5 Mar 09:00 UTC)", over.Text)
	require.NotEmpty(t, hook.last.Text)
	storetest.RequireNone(t, s, `SELECT * FROM alerts WHERE published_at IS NULL OR end_published_at IS NULL`)
	storetest.RequireNone(t, s, `SELECT * FROM alert_deliveries WHERE delivered_at IS NULL OR attempts <> 1`)
	storetest.RequireNone(t, s, `SELECT * FROM alert_deliveries OFFSET 4`)
}

// TestAlertOfARuleThatIsGoneEnds takes a rule, and of another rule a coin, out of the configuration while their alerts go on: both end, not before a
// process that still has the rule would have ended them itself, and their ends say why.
func TestAlertOfARuleThatIsGoneEnds(t *testing.T) {
	t.Parallel()
	s := newDatabase(t)
	heard, conn := listen(t)
	hook, url := serve(t)
	before := config(url)
	kept := rule
	kept.Name = "kept"
	before.Rules = []alert.Rule{rule, kept}
	service, err := alert.New(before, s.Pool(), conn)
	require.NoError(t, err)
	require.NoError(t, service.Look(t.Context(), at(fires)))
	kept.Symbols = []string{"BTC"}
	after := config(url)
	after.Rules = []alert.Rule{kept}
	service, err = alert.New(after, s.Pool(), conn)
	require.NoError(t, err)
	require.NoError(t, service.Look(t.Context(), at(33)))
	require.NoError(t, service.Look(t.Context(), at(36)))
	storetest.RequireNone(t, s, `SELECT * FROM alerts WHERE (ended_at IS NULL) = (rule = 'kept' AND symbol = 'BTC')`)
	require.NoError(t, service.Look(t.Context(), at(37)))
	storetest.RequireNone(t, s, `SELECT * FROM alerts WHERE ended_at IS NULL`)
	require.Len(t, hook.taken, 8, "four began, four ended")
	require.Eventually(t, func() bool { return heard.count() == 8 }, time.Minute, 5*time.Millisecond)
	for _, alerts := range heard.alerts {
		for _, a := range alerts {
			gone := a.EndedAt != nil && (a.Rule == rule.Name || a.Symbol == "ETH")
			require.Equal(t, gone, strings.Contains(a.Title, "nobody looks any more: the rule "+a.Rule+" was taken out"), a.Title)
		}
	}
}

func TestWebhookIsTriedAgainUntilItTakes(t *testing.T) {
	t.Parallel()
	s := newDatabase(t)
	heard, conn := listen(t)
	hook, url := serve(t, http.StatusInternalServerError, http.StatusTooManyRequests)
	service, err := alert.New(config(url), s.Pool(), conn)
	require.NoError(t, err)
	before := storetest.Value[time.Time](t, s, `SELECT now()`)
	require.ErrorContains(t, service.Look(t.Context(), at(fires)), "500")
	require.NoError(t, s.CheckSchema(t.Context()))
	wait := storetest.Value[time.Time](t, s, `SELECT next_attempt FROM alert_deliveries WHERE attempts = 1 AND last_error LIKE '%500%'`).Sub(before)
	require.GreaterOrEqual(t, wait, 10*time.Second)
	putOff := func() { // A slow machine may take longer than the first waits last.
		storetest.Exec(t, s, `UPDATE alert_deliveries SET next_attempt = next_attempt + INTERVAL '1 hour' WHERE attempts = 1`)
	}
	putOff()
	require.ErrorContains(t, service.Look(t.Context(), at(fires)), "429", "the other one")
	putOff()
	require.NoError(t, service.Look(t.Context(), at(fires)), "neither is due")
	require.Equal(t, 2, hook.asked)
	storetest.Exec(t, s, `UPDATE alert_deliveries SET next_attempt = now()`) // time passes
	require.NoError(t, service.Look(t.Context(), at(fires)))
	require.Equal(t, map[string]int{"1": 1, "2": 1}, hook.taken)
	require.Eventually(t, func() bool { return heard.count() == 2 }, time.Minute, 5*time.Millisecond,
		"NATS does not wait for the webhook, nor hear twice")
}

func TestWebhookThatRefusesIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newDatabase(t)
	_, conn := listen(t)
	hook, url := serve(t, http.StatusNotFound)
	service, err := alert.New(config(url+"/secret"), s.Pool(), conn)
	require.NoError(t, err)
	err = service.Look(t.Context(), at(fires))
	require.ErrorContains(t, err, "404")
	require.NotContains(t, err.Error(), "secret")
	require.NoError(t, service.Look(t.Context(), at(fires)))
	storetest.Exec(t, s, `UPDATE alert_deliveries SET next_attempt = now() WHERE next_attempt < 'infinity'`)
	require.NoError(t, service.Look(t.Context(), at(fires)))
	require.Equal(t, map[string]int{"2": 1}, hook.taken)
	require.Equal(t, 2, hook.asked)

	gone, err := alert.New(config("http://127.0.0.1:1/secret"), s.Pool(), conn)
	require.NoError(t, err)
	storetest.Exec(t, s, `UPDATE alert_deliveries SET delivered_at = NULL, next_attempt = now()`)
	err = gone.Look(t.Context(), at(fires))
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), "secret")
	require.NotContains(t, fmt.Sprint(storetest.Rows(t, s, `SELECT last_error FROM alert_deliveries`)), "secret")
}

func TestTwoServicesTellOnce(t *testing.T) {
	t.Parallel()
	s := newDatabase(t)
	heard, conn := listen(t)
	hook, url := serve(t)
	var wg sync.WaitGroup
	for range 4 {
		service, err := alert.New(config(url), s.Pool(), conn)
		require.NoError(t, err)
		wg.Go(func() {
			for range 3 {
				require.NoError(t, service.Look(t.Context(), at(fires)))
			}
		})
	}
	wg.Wait()
	require.Equal(t, map[string]int{"1": 1, "2": 1}, hook.taken)
	require.NoError(t, conn.Flush())
	require.Eventually(t, func() bool { return heard.count() == 2 }, time.Minute, 5*time.Millisecond)
	storetest.RequireNone(t, s, `SELECT * FROM alerts OFFSET 2`)
}

func TestASenselessRuleIsAnError(t *testing.T) {
	t.Parallel()
	s := newDatabase(t)
	_, conn := listen(t)
	for want, senseless := range map[string]alert.Rule{
		"width must be one minute or more": {Width: -5 * time.Minute},
		"baseline must be 10 to 10000":     {Baseline: 5},
		"cooldown must not be negative":    {Cooldown: -time.Hour},
		"persistence must be 1 to 1000":    {Persistence: -1},
		"threshold must be above 0":        {Threshold: -1},
	} {
		service, err := alert.New(alert.Config{Rules: []alert.Rule{senseless}}, s.Pool(), conn)
		require.NoError(t, err)
		err = service.Run(t.Context())
		require.ErrorIs(t, err, alert.ErrBadRule)
		require.ErrorContains(t, err, want)
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"ftp://example.org", "example.org/hook", "http://", "://"} {
		_, err := alert.New(config(url), nil, nil)
		require.ErrorIs(t, err, alert.ErrBadChannel, url)
	}
	for want, rules := range map[string][]alert.Rule{
		"two rules have the name mood": {{Kind: alert.Mood}, {Name: "mood"}},
		"there is no channel nobody":   {{To: []string{"nobody"}}},
	} {
		_, err := alert.New(alert.Config{Rules: rules}, nil, nil)
		require.ErrorIs(t, err, alert.ErrBadRule)
		require.ErrorContains(t, err, want)
	}
}
