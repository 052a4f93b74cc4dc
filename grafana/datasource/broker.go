package datasource

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// connect opens the connection to NATS, which keeps trying for as long as it takes.
func (c *settings) connect() (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("rcas-grafana"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second),
		nats.ReconnectJitter(100*time.Millisecond, 500*time.Millisecond), nats.Timeout(3 * time.Second),
	}
	if c.natsToken != "" {
		options = append(options, nats.Token(c.natsToken))
	}
	if strings.HasPrefix(c.NATSURL, "tls://") {
		config, err := (&settings{ca: c.ca, certificate: c.certificate, key: c.key, SSLMode: "verify-full"}).tls("")
		if err != nil {
			return nil, err
		}
		config.ServerName = ""
		config.MinVersion = tls.VersionTLS12
		options = append(options, nats.Secure(config))
	}
	conn, err := nats.Connect(c.NATSURL, options...)
	if err != nil {
		return nil, fmt.Errorf("the address of NATS is not usable; write nats://host:port: %w", err)
	}
	return conn, nil
}

// brokerTrouble says why no live value comes, or nothing.
func (d *Datasource) brokerTrouble() string {
	_, where := d.settings.where()
	switch {
	case d.broker == nil:
		return "No live values: the data source has no address of NATS. Set it, e.g. nats://127.0.0.1:4222."
	case !d.broker.IsConnected():
		reason := ""
		if err := d.broker.LastError(); errors.Is(err, nats.ErrAuthorization) {
			reason = " NATS refuses the token of the data source."
		}
		return fmt.Sprintf("No live values: NATS at %s can't be reached.%s They come by themselves when it is back.", where, reason)
	}
	return ""
}

// streamState lists the streams with what waits in them, one row per consumer; a stream without consumers has one row too.
func (d *Datasource) streamState(ctx context.Context) (*data.Frame, error) {
	if trouble := d.brokerTrouble(); trouble != "" {
		return nil, errors.New(trouble)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	js, err := jetstream.New(d.broker)
	if err != nil {
		return nil, err
	}
	frame := data.NewFrame(typeStreamState, data.NewField("Stream", nil, []string{}), data.NewField("Consumer", nil, []string{}),
		data.NewField("Messages", nil, []float64{}), data.NewField("Pending", nil, []float64{}), data.NewField("Under way", nil, []float64{}),
		data.NewField("Redelivered", nil, []float64{}))
	frame.Meta = &data.FrameMeta{Type: data.FrameTypeNumericLong, TypeVersion: data.FrameTypeVersion{0, 1}}
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if err := addStream(ctx, js, name, frame); err != nil {
			return nil, fmt.Errorf("ask NATS about stream %s: %w", name, err)
		}
	}
	if err := names.Err(); err != nil {
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, nats.ErrNoResponders) {
			return nil, errors.New("the NATS server has no JetStream; start it with --jetstream")
		}
		return nil, fmt.Errorf("ask NATS for its streams: %w", err)
	}
	return frame, nil
}

func addStream(ctx context.Context, js jetstream.JetStream, name string, frame *data.Frame) error {
	s, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	messages := float64(s.CachedInfo().State.Msgs)
	consumers := s.ListConsumers(ctx)
	found := false
	for c := range consumers.Info() {
		found = true
		frame.AppendRow(name, c.Name, messages, float64(c.NumPending), float64(c.NumAckPending), float64(c.NumRedelivered))
	}
	if !found {
		frame.AppendRow(name, "", messages, 0.0, 0.0, 0.0)
	}
	return consumers.Err()
}
