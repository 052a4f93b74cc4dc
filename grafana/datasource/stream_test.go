package datasource_test

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// run runs a stream until stopped, and passes its frames on.
func (p *plugin) run(t testing.TB, path string) (<-chan *data.Frame, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client, err := p.stream.RunStream(ctx, &pluginv2.RunStreamRequest{PluginContext: p.context(), Path: path})
	require.NoError(t, err)
	frames := make(chan *data.Frame, 1000)
	go func() {
		for {
			packet, err := client.Recv()
			if err != nil {
				return
			}
			frame := new(data.Frame)
			if json.Unmarshal(packet.Data, frame) == nil {
				frames <- frame
			}
		}
	}()
	return frames, cancel
}

// next waits for a frame that is as wanted.
func next(t testing.TB, frames <-chan *data.Frame, wanted func(*data.Frame) bool) *data.Frame {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case f := <-frames:
			if wanted(f) {
				return f
			}
		case <-deadline:
			require.Fail(t, "the frame never came")
		}
	}
}

// warmUp publishes until the stream, which subscribes when it gets to it, passes something on; then it empties the stream.
func warmUp(t testing.TB, frames <-chan *data.Frame, publish func()) {
	t.Helper()
	require.Eventually(t, func() bool {
		publish()
		select {
		case <-frames:
			return true
		case <-time.After(200 * time.Millisecond):
			return false
		}
	}, time.Minute, time.Millisecond)
	for {
		select {
		case <-frames:
		case <-time.After(300 * time.Millisecond):
			return
		}
	}
}

func price(i int) string { return strconv.Itoa(100 + i) }

// plainServer is a NATS server without JetStream.
func plainServer(t testing.TB, address string) *server.Server {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	s, err := server.NewServer(&server.Options{Host: host, Port: number, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(30*time.Second))
	t.Cleanup(s.Shutdown)
	return s
}

func publish(t testing.TB, address, subject, body string) {
	t.Helper()
	conn, err := nats.Connect("nats://" + address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.Publish(subject, []byte(body)))
	require.NoError(t, conn.Flush())
}
