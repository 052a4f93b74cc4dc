package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/live"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go"

	"rcas/market"
)

const (
	// liveEvery is how long values are gathered before they are pushed: with it, a value is in the panel well within 250 ms.
	liveEvery = 100 * time.Millisecond
	// liveMost bounds the rows of one push; of more, every n-th is kept, and always the last.
	liveMost = 250
	// liveQueue bounds what waits for a push that takes long.
	liveQueue = 20_000
)

// channel is what a live query streams: of one venue or one network, or of all. Its path, prices/BTC/kraken or sentiments/BTC, is the name of
// Grafana's channel: panels that ask the same share one.
type channel struct{ kind, symbol, of string }

func (c channel) path() string { return path.Join(c.kind, c.symbol, c.of) }

func readChannel(p string) (channel, error) {
	parts := strings.Split(p, "/")
	var c channel
	if len(parts) >= 2 && len(parts) <= 3 {
		c = channel{kind: parts[0], symbol: parts[1]}
		if len(parts) == 3 {
			c.of = parts[2]
		}
	}
	if c.kind != "prices" && c.kind != "sentiments" || !isToken(c.symbol) || c.of != "" && !isToken(c.of) {
		return c, fmt.Errorf("there is no live channel %.80q", p)
	}
	return c, nil
}

// isToken tells whether a name can be part of a subject of NATS and of a channel of Grafana.
func isToken(s string) bool {
	return s != "" && len(s) <= maxNameBytes && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	}) < 0
}

// subject is what to listen to. The posts' network is no part of it: sentiments travel by coin.
func (c channel) subject() string {
	switch {
	case c.kind == "sentiments":
		return "sentiments." + c.symbol
	case c.of != "":
		return "prices." + c.of
	}
	return "prices.*"
}

// reading is one live value: a trade, or the sentiment of a post.
type reading struct {
	Time   time.Time `json:"time"`
	Symbol string    `json:"symbol"`
	Venue  string    `json:"venue"`
	Price  float64   `json:"price"`
	Volume float64   `json:"volume"`
	Source string    `json:"source"`
	Score  float64   `json:"score"`
	Weight float64   `json:"weight"`
}

// frame turns readings into the channel's frame; its fields never change.
func (c channel) frame(readings []reading) *data.Frame {
	n := len(readings)
	times, names, values, sizes := make([]time.Time, n), make([]string, n), make([]float64, n), make([]float64, n)
	for i, r := range readings {
		times[i] = r.Time.UTC()
		if c.kind == "prices" {
			names[i], values[i], sizes[i] = r.Venue, r.Price, r.Volume
		} else {
			names[i], values[i], sizes[i] = r.Source, r.Score, r.Weight
		}
	}
	labels := data.Labels{"symbol": c.symbol}
	columns := map[string][3]string{"prices": {"venue", "price", "volume"}, "sentiments": {"source", "score", "weight"}}[c.kind]
	frame := data.NewFrame(c.kind, data.NewField("time", nil, times), data.NewField(columns[0], nil, names), data.NewField(columns[1], labels, values),
		data.NewField(columns[2], labels, sizes))
	describe(frame)
	return frame
}

func (q *query) channel() (channel, error) {
	c := channel{kind: q.Live, symbol: q.Symbol}
	if c.kind == "" {
		c.kind = "prices"
	}
	c.of = q.Source
	if c.kind == "prices" {
		c.of = q.Venue
	}
	return readChannel(c.path())
}

// liveFrame answers a live query: no rows, but the name of the channel that Grafana subscribes to.
func (d *Datasource) liveFrame(ctx context.Context, plugin backend.PluginContext, q *query) (*data.Frame, error) {
	c, err := q.channel()
	if err != nil {
		return nil, err
	}
	if err := d.checkCoin(ctx, c); err != nil {
		return nil, err
	}
	frame := c.frame(nil)
	frame.Meta = &data.FrameMeta{}
	if notice := d.brokerTrouble(); notice != "" {
		frame.AppendNotices(data.Notice{Severity: data.NoticeSeverityError, Text: notice})
		if d.broker == nil {
			return frame, nil
		}
	}
	if plugin.DataSourceInstanceSettings != nil {
		frame.Meta.Channel = live.Channel{Scope: live.ScopeDatasource, Namespace: plugin.DataSourceInstanceSettings.UID, Path: c.path()}.String()
	}
	return frame, nil
}

// checkCoin refuses a coin that the database does not know: nothing would ever come of it. A database that does not answer refuses
// nothing, for live values do without it.
func (d *Datasource) checkCoin(ctx context.Context, c channel) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := d.pool.Exec(ctx, `SELECT rcas.check_symbols(ARRAY[$1::text])`, c.symbol)
	if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code == invalidParameter {
		return err
	}
	return nil
}

// SubscribeStream lets readers in on the channels that there are, with what the last minutes brought.
func (d *Datasource) SubscribeStream(ctx context.Context, req *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	c, err := readChannel(req.Path)
	if err == nil {
		err = d.checkCoin(ctx, c)
	}
	if err != nil || d.broker == nil {
		if err != nil {
			d.log.Info("a live channel was refused", "channel", req.Path, "reason", d.explain(err))
		}
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusNotFound}, nil
	}
	recent, err := d.recent(ctx, c)
	if err != nil {
		d.log.Warn("the live panel begins empty", "channel", req.Path, "error", d.explain(err))
	}
	initial, err := backend.NewInitialFrame(c.frame(recent), data.IncludeAll)
	if err != nil {
		return nil, err
	}
	return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusOK, InitialData: initial}, nil
}

// PublishStream refuses: nobody writes here.
func (d *Datasource) PublishStream(context.Context, *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
}

// recent is what a live panel begins with: the newest values of the last five minutes.
func (d *Datasource) recent(ctx context.Context, c channel) ([]reading, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	sql := `SELECT time, venue, price, volume FROM prices
		WHERE time > now() - INTERVAL '5 minutes' AND symbol = $1::text AND ($2::text IS NULL OR venue = $2) ORDER BY time DESC LIMIT $3::integer`
	if c.kind == "sentiments" {
		sql = `SELECT time, source, score::float8, weight::float8 FROM sentiments
			WHERE time > now() - INTERVAL '5 minutes' AND symbol = $1::text AND ($2::text IS NULL OR source = $2) AND score IS NOT NULL
			  AND model = (SELECT name FROM models WHERE active) ORDER BY time DESC LIMIT $3::integer`
	}
	rows, err := d.pool.Query(ctx, sql, c.symbol, text(c.of), int64(liveMost))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []reading
	for rows.Next() {
		var r reading
		var name string
		var value, size float64
		if err := rows.Scan(&r.Time, &name, &value, &size); err != nil {
			return nil, err
		}
		r.Venue, r.Source, r.Price, r.Score, r.Volume, r.Weight = name, name, value, value, size, size
		all = append(all, r)
	}
	slices.Reverse(all)
	return all, rows.Err()
}

// told is a frame without values that says why none come, or that they do again. Browsers take notice of what a frame says about itself only
// where its fields change: so the trouble is a field, too.
func (c channel) told(trouble string) *data.Frame {
	frame := c.frame(nil)
	frame.Meta = &data.FrameMeta{}
	if trouble != "" {
		frame.Fields = append(frame.Fields, data.NewField("trouble", nil, []string{}))
		frame.AppendNotices(data.Notice{Severity: data.NoticeSeverityError, Text: trouble})
	}
	return frame
}

// wants tells whether a reading is the channel's.
func (c channel) wants(r *reading) bool {
	return r.Symbol == c.symbol && !r.Time.IsZero() && (c.kind == "prices" || c.of == "" || c.of == r.Source)
}

// RunStream pushes what NATS brings until the last reader has gone. Where NATS goes away and comes back, the subscription does too, and readers
// are told of both.
func (d *Datasource) RunStream(ctx context.Context, req *backend.RunStreamRequest, sender *backend.StreamSender) error {
	c, err := readChannel(req.Path)
	if err != nil {
		return err
	}
	var gathered gathering
	subscription, err := d.broker.Subscribe(c.subject(), func(message *nats.Msg) {
		for _, object := range market.Unpack(message.Data) {
			var r reading
			if json.Unmarshal(object, &r) == nil && c.wants(&r) {
				gathered.add(r)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("listen to %s: %w", c.subject(), err)
	}
	defer func() { _ = subscription.Unsubscribe() }()
	ticker := time.NewTicker(liveEvery)
	defer ticker.Stop()
	trouble := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if now := d.brokerTrouble(); now != trouble {
				if err := sender.SendFrame(c.told(now), data.IncludeAll); err != nil {
					return err
				}
				trouble = now
			}
			readings := gathered.take()
			if len(readings) == 0 {
				continue
			}
			if err := sender.SendFrame(c.frame(readings), data.IncludeAll); err != nil {
				return err
			}
		}
	}
}

// gathering is what came since the last push. NATS drops the newest messages of a subscriber who is too slow, and the newest is the
// one that shows: so adding never waits for a push to a slow browser, and what is thinned out is older.
type gathering struct {
	sync.Mutex
	readings []reading
}

func (g *gathering) add(r reading) {
	g.Lock()
	defer g.Unlock()
	g.readings = append(g.readings, r)
	if len(g.readings) == liveQueue {
		g.readings = thin(g.readings)
	}
}

// take empties the gathering, and is at most liveMost readings.
func (g *gathering) take() []reading {
	g.Lock()
	defer g.Unlock()
	readings := thin(g.readings)
	g.readings = nil
	return readings
}

// thin keeps every n-th reading of too many, and the last: it is the one that shows.
func thin(readings []reading) []reading {
	step := (len(readings) + liveMost - 1) / liveMost
	if step <= 1 {
		return readings
	}
	kept := make([]reading, 0, liveMost)
	for i := len(readings) - 1; i >= 0; i -= step {
		kept = append(kept, readings[i])
	}
	slices.Reverse(kept)
	return kept
}
