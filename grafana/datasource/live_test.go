package datasource_test

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
	"rcas/stream"
)

func databaseName(t testing.TB, s backend.DataSourceInstanceSettings) string {
	t.Helper()
	var fields map[string]string
	require.NoError(t, json.Unmarshal(s.JSONData, &fields))
	return fields["database"]
}

func healthRequest(p *plugin) *pluginv2.CheckHealthRequest {
	return &pluginv2.CheckHealthRequest{PluginContext: p.context()}
}

// broker runs NATS as RCAS does.
func broker(t testing.TB, dir, listen string) (*stream.Stream, *url.URL) {
	t.Helper()
	s, err := stream.Open(context.Background(), stream.Config{Dir: dir, Listen: listen})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	return s, u
}

func withBroker(t testing.TB, settings backend.DataSourceInstanceSettings, host, token string) backend.DataSourceInstanceSettings {
	t.Helper()
	var fields map[string]string
	require.NoError(t, json.Unmarshal(settings.JSONData, &fields))
	fields["natsUrl"] = "nats://" + host
	var err error
	settings.JSONData, err = json.Marshal(fields)
	require.NoError(t, err)
	settings.DecryptedSecureJSONData["natsToken"] = token
	return settings
}

// testLive publishes trades and sentiments on a real NATS server and reads them from the plugin's stream.
func testLive(t *testing.T, s *store.Store) {
	storetest.Exec(t, s, `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at) VALUES (now(), 'BTC', 'kraken', 'fresh', 60000, 1, now())`)
	nats, u := broker(t, t.TempDir(), "127.0.0.1:0")
	p := start(t, withBroker(t, database(t, s), u.Host, u.User.Username()))

	var frame *data.Frame
	require.Eventually(t, func() bool {
		r := p.query(time.Now().Add(-time.Hour), time.Now(), time.Second, `{"queryType":"live","live":"prices","symbol":"BTC","venue":"all"}`)
		require.NoError(t, r.Error)
		frame = r.Frames[0]
		return len(frame.Meta.Notices) == 0
	}, time.Minute, 50*time.Millisecond, "the plugin connects by itself")
	require.Equal(t, "ds/rcas-market/prices/BTC", frame.Meta.Channel)

	subscribed, err := p.stream.SubscribeStream(timeout(t), &pluginv2.SubscribeStreamRequest{PluginContext: p.context(), Path: "prices/BTC"})
	require.NoError(t, err)
	require.Equal(t, pluginv2.SubscribeStreamResponse_OK, subscribed.Status)
	var initial data.Frame
	require.NoError(t, json.Unmarshal(subscribed.Data, &initial))
	require.NotZero(t, initial.Rows(), "a live panel begins with what the last minutes brought")

	prices, stop := p.run(t, "prices/BTC")
	defer stop()
	moods, stopMoods := p.run(t, "sentiments/BTC")
	defer stopMoods()
	sky, stopSky := p.run(t, "sentiments/BTC/bluesky")
	defer stopSky()
	publisher := nats.Publisher()
	warmUp(t, prices, func() {
		require.NoError(t, publisher.Price(t.Context(), &market.Price{Venue: "kraken", Symbol: "BTC", TradeID: "0", Time: time.Now(), Price: 1}))
		require.NoError(t, publisher.Flush(t.Context()))
	})
	// A median under 250 ms is promised. A loaded machine may spoil a round, but not each of five.
	best := time.Hour
	for round := 0; round < 5 && best >= 250*time.Millisecond; round++ {
		took := delays(t, publisher, prices, 20)
		t.Logf("from NATS to the panel's stream: median %v, slowest %v", took[len(took)/2], took[len(took)-1])
		best = min(best, took[len(took)/2])
	}
	require.Less(t, best, 250*time.Millisecond)

	warmUp(t, moods, func() {
		require.NoError(t, nats.Conn().Publish("sentiments.BTC", []byte(`{"time":"2026-01-01T00:00:00Z","source":"reddit","symbol":"BTC","score":0.5,"weight":2}`)))
	})
	require.NoError(t, nats.Conn().Publish("sentiments.BTC", []byte(`no JSON`)))
	require.NoError(t, nats.Conn().Publish("sentiments.BTC", []byte(`{"time":"2026-01-01T00:00:00Z","source":"bluesky","symbol":"BTC","score":-0.25,"weight":3}`)))
	got := next(t, moods, func(f *data.Frame) bool { return f.Fields[1].At(f.Rows()-1) == "bluesky" })
	require.Equal(t, -0.25, got.Fields[2].At(got.Rows()-1))
	got = next(t, sky, func(f *data.Frame) bool { return f.Rows() > 0 })
	require.Equal(t, "bluesky", got.Fields[1].At(0), "of the chosen network only")

	t.Run("several in one message", func(t *testing.T) {
		require.NoError(t, nats.Conn().Publish("prices.kraken", []byte(`{"time":"2026-01-01T00:00:00Z","venue":"kraken","symbol":"ETH","price":8}`+"\n"+
			`{"time":"2026-01-01T00:00:00Z","venue":"kraken","symbol":"BTC","price":9}`)))
		next(t, prices, func(f *data.Frame) bool { return f.Rows() > 0 && f.Fields[2].At(f.Rows()-1).(float64) == 9 })
	})
	t.Run("a flood is thinned", func(t *testing.T) {
		for i := range 100_000 {
			require.NoError(t, nats.Conn().Publish("prices.kraken", []byte(`{"time":"2026-01-01T00:00:00Z","venue":"kraken","symbol":"BTC","price":`+price(i)+`}`)))
		}
		require.NoError(t, nats.Conn().Publish("prices.kraken", []byte(`{"time":"2026-01-01T00:00:00Z","venue":"kraken","symbol":"BTC","price":7}`)))
		last := next(t, prices, func(f *data.Frame) bool {
			require.LessOrEqual(t, f.Rows(), 250)
			return f.Fields[2].At(f.Rows()-1).(float64) == 7
		})
		require.NotNil(t, last)
	})
	t.Run("the state of the streams", func(t *testing.T) {
		r := p.query(time.Now().Add(-time.Hour), time.Now(), time.Second, `{"queryType":"stream_state"}`)
		require.NoError(t, r.Error)
		var rows []string
		for i := range r.Frames[0].Rows() {
			rows = append(rows, r.Frames[0].Fields[0].At(i).(string)+" "+r.Frames[0].Fields[1].At(i).(string))
		}
		require.ElementsMatch(t, []string{"DEAD ", "PRICES writer", "TWEETS scorer", "TWEETS writer"}, rows)
	})
	t.Run("what is not there", func(t *testing.T) {
		for _, path := range []string{"prices", "prices/BTC/kraken/x", "orders/BTC", "prices/BTC>", "prices/*", "sentiments/BTC.ETH", "../BTC", "prices/XYZ", "sentiments/XYZ"} {
			r, err := p.stream.SubscribeStream(timeout(t), &pluginv2.SubscribeStreamRequest{PluginContext: p.context(), Path: path})
			require.NoError(t, err)
			require.Equal(t, pluginv2.SubscribeStreamResponse_NOT_FOUND, r.Status, path)
		}
		for _, kind := range []string{"prices", "sentiments"} {
			r := p.query(time.Now().Add(-time.Hour), time.Now(), time.Second, `{"queryType":"live","live":"`+kind+`","symbol":"XYZ"}`)
			require.ErrorContains(t, r.Error, `Unknown symbol "XYZ". Known symbols: `)
			require.Equal(t, backend.StatusBadRequest, r.Status)
		}
		r, err := p.stream.PublishStream(timeout(t), &pluginv2.PublishStreamRequest{PluginContext: p.context(), Path: "prices/BTC", Data: []byte(`{}`)})
		require.NoError(t, err)
		require.Equal(t, pluginv2.PublishStreamResponse_PERMISSION_DENIED, r.Status)
	})
}

// delays publishes trades one by one, and sorts how long each was on its way to the panel's stream.
func delays(t testing.TB, publisher *stream.Publisher, prices <-chan *data.Frame, n int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, 0, n)
	for i := range n {
		sent := time.Now()
		for _, symbol := range []string{"ETH", "BTC"} {
			require.NoError(t, publisher.Price(t.Context(), &market.Price{Venue: "kraken", Symbol: symbol, TradeID: "x", Time: sent.UTC(), Price: 1000 + float64(i), Volume: 2}))
		}
		require.NoError(t, publisher.Flush(t.Context()))
		got := next(t, prices, func(f *data.Frame) bool { return f.Fields[2].At(f.Rows()-1).(float64) == 1000+float64(i) })
		took = append(took, time.Since(sent))
		require.Equal(t, "kraken", got.Fields[1].At(got.Rows()-1))
		require.Equal(t, data.Labels{"symbol": "BTC"}, got.Fields[2].Labels)
	}
	slices.Sort(took)
	return took
}

// TestBrokerTrouble takes NATS away, and gives it back.
func TestBrokerTrouble(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	require.NoError(t, s.SaveAssets(t.Context(), assets))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	p := start(t, withBroker(t, database(t, s), address, ""))
	notice := func() string {
		r := p.query(time.Now().Add(-time.Hour), time.Now(), time.Second, `{"queryType":"live","live":"sentiments","symbol":"BTC"}`)
		require.NoError(t, r.Error)
		if len(r.Frames[0].Meta.Notices) == 0 {
			return ""
		}
		return r.Frames[0].Meta.Notices[0].Text
	}
	require.Equal(t, "No live values: NATS at "+address+" can't be reached. They come by themselves when it is back.", notice())
	r := p.query(time.Now().Add(-time.Hour), time.Now(), time.Second, `{"queryType":"stream_state"}`)
	require.ErrorContains(t, r.Error, "NATS at "+address+" can't be reached.")
	moods, stop := p.run(t, "sentiments/BTC")
	defer stop()

	server := plainServer(t, address)
	require.Eventually(t, func() bool { return notice() == "" }, time.Minute, 100*time.Millisecond, "it recovers by itself")
	warmUp(t, moods, func() {
		publish(t, address, "sentiments.BTC", `{"time":"2026-01-01T00:00:00Z","source":"reddit","symbol":"BTC","score":0.5,"weight":2}`)
	})
	require.ErrorContains(t, p.query(time.Now().Add(-time.Hour), time.Now(), time.Second, `{"queryType":"stream_state"}`).Error, "The NATS server has no JetStream")
	server.Shutdown()
	require.Eventually(t, func() bool { return notice() != "" }, time.Minute, 100*time.Millisecond)
	told := next(t, moods, func(f *data.Frame) bool { return f.Meta != nil && len(f.Meta.Notices) > 0 })
	require.Equal(t, notice(), told.Meta.Notices[0].Text, "an open panel is told")
	require.Equal(t, data.NoticeSeverityError, told.Meta.Notices[0].Severity)
	require.Equal(t, "trouble", told.Fields[len(told.Fields)-1].Name, "browsers look at a frame anew where its fields change")
	plainServer(t, address)
	require.Eventually(t, func() bool { return notice() == "" }, time.Minute, 100*time.Millisecond)
	over := next(t, moods, func(f *data.Frame) bool { return len(f.Fields) < len(told.Fields) })
	require.True(t, over.Meta != nil && len(over.Meta.Notices) == 0, "and when it is over")
	warmUp(t, moods, func() {
		publish(t, address, "sentiments.BTC", `{"time":"2026-01-01T00:00:00Z","source":"reddit","symbol":"BTC","score":0.5,"weight":2}`)
	})
}
