package alert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/alert"
	"rcas/store/storetest"
)

// TestRulesOfOnesOwn has a rule of each kind, and a coin to which each happens at the 40th hour, beside one to which nothing does.
func TestRulesOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	storetest.Exec(t, s, `INSERT INTO models (name, active) VALUES ('test', true)`)
	storetest.Exec(t, s, `INSERT INTO assets (symbol, name) SELECT s, s FROM unnest('{CALM,MOOD,LOUD,SOLD,WORD}'::text[]) AS s`)
	storetest.Exec(t, s, `WITH hours AS (
			SELECT symbol, place, h, h = 40 AS now FROM unnest('{CALM,MOOD,LOUD,SOLD,WORD}'::text[]) WITH ORDINALITY AS s (symbol, place),
				generate_series(0, 43) AS h
		), posts AS (
			SELECT *, $1::timestamptz + h * INTERVAL '1 hour' + i * INTERVAL '1 minute' AS at, concat(h, place, lpad(i::text, 2, '0')) AS id
			FROM hours, LATERAL generate_series(1, CASE WHEN symbol = 'LOUD' AND now THEN 40 ELSE 8 END) AS i
		), prices AS (
			INSERT INTO prices SELECT $1::timestamptz + h * INTERVAL '1 hour', symbol, 'v', h::text, 100 + h % 3, 1, $1 FROM hours
		), texts AS (
			INSERT INTO tweets (time, source, id, author, text, symbols, received_at)
			SELECT at, 'stocktwits', id, 'a' || i, 'post about ' || symbol || CASE WHEN symbol = 'WORD' AND now THEN ' and a Listing' ELSE '' END,
				ARRAY[symbol], at FROM posts
		)
		INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash, text_hash, kind, terms)
		SELECT at, 'stocktwits', id, symbol, 'test', 0.4, 0.2, 0.4, 0.05 * (h % 2) - 0.5 * (symbol = 'MOOD' AND now)::integer, 1, i, false, i, 0,
			CASE WHEN symbol = 'SOLD' AND now AND i > 3 THEN 'advert' ELSE 'person' END,
			CASE WHEN i > 8 THEN NULL WHEN symbol = 'WORD' AND now THEN 'moon listing' ELSE 'moon price' END
		FROM posts`, start)
	short := func(r alert.Rule) alert.Rule {
		r.Width, r.Baseline, r.MinPosts = time.Hour, 24, 5
		return r
	}
	heard, conn := listen(t)
	hook, url := serve(t)
	cfg := config(url)
	cfg.Grafana = "http://grafana.example"
	cfg.Rules = []alert.Rule{
		short(alert.Rule{Kind: alert.Mood, To: []string{"hook"}}), short(alert.Rule{Name: "shouting", Kind: alert.Volume}),
		short(alert.Rule{Kind: alert.Adverts}), short(alert.Rule{Kind: alert.Word, Threshold: 3}),
		short(alert.Rule{Name: "not of these", Kind: alert.Mood, Symbols: []string{"CALM", "LOUD"}}),
	}
	cfg.Channels = append(cfg.Channels, alert.Channel{Name: "deaf", Kind: "webhook", Secret: url, Inside: true})
	for i := range cfg.Rules {
		cfg.Rules[i].To = []string{"hook"}
	}
	service, err := alert.New(cfg, s.Pool(), conn)
	require.NoError(t, err)
	for _, hour := range []int{39, 40, 41, 41, 42, 43} {
		require.NoError(t, service.Look(t.Context(), at(hour)))
	}
	require.Eventually(t, func() bool { return heard.count() == 8 }, time.Minute, 5*time.Millisecond, "four begin, four end")
	require.Len(t, hook.taken, 8)
	for key, times := range hook.taken {
		require.Equal(t, 1, times, key)
	}
	for symbol, want := range map[string]struct{ rule, title, post string }{
		"MOOD": {"mood", "MOOD: mood has fallen (-", "post about MOOD"},
		"LOUD": {"shouting", "LOUD: more posts than usual (5.0 times the usual since 5 Mar 16:00 UTC, 40 posts, price 101.00)", "post about LOUD"},
		"SOLD": {"adverts", "SOLD: adverts flood the posts (62 % of all that was written since", "post about SOLD"},
		"WORD": {"word", "WORD: a new word, “listing” (", "post about WORD and a Listing"},
	} {
		messages := heard.alerts["alerts."+symbol]
		require.Len(t, messages, 2, symbol)
		a, over := messages[0], messages[1]
		require.Equal(t, want.rule, a.Rule)
		require.True(t, strings.HasPrefix(a.Title, want.title), a.Title)
		require.Equal(t, []time.Time{at(40), at(41), at(41)}, []time.Time{a.StartTime, a.FiredAt, a.EndTime}, symbol)
		require.Contains(t, a.Text, want.post)
		require.Len(t, a.Why.Posts, 3, a.Text)
		require.Regexp(t, `^https://stocktwits.com/message/40\d\d\d$`, a.Why.Posts[0].Link)
		require.Contains(t, a.Text, "Who spoke: ")
		require.Contains(t, a.Board, "http://grafana.example/d/rcas-coin?var-symbol="+symbol)
		if symbol == "WORD" {
			require.Contains(t, a.Text, "Words that rose: listing (8, expected ")
			require.Nil(t, a.Why.Past)
		} else {
			require.Contains(t, a.Text, "in the 30 days before", symbol)
		}
		require.Equal(t, at(42), *over.EndedAt, symbol)
		require.Contains(t, over.Title, ": over: ")
	}
	require.Contains(t, heard.alerts["alerts.SOLD"][0].Text, "38 % people, 62 % adverts")
	storetest.RequireNone(t, s, `SELECT * FROM alert_deliveries WHERE channel = 'deaf'`)
}
