package datasource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/stretchr/testify/require"

	"rcas/store"
)

var binary string

// TestMain builds the plugin as it ships.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "rcas-plugin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "gpx_rcas")
		build := exec.Command("go", "build", "-o", binary, "./gpx")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the plugin:", err)
			return 1
		}
		return m.Run()
	}())
}

// plugin is the running binary, spoken to over gRPC as Grafana does.
type plugin struct {
	t        testing.TB
	settings *backend.DataSourceInstanceSettings
	data     pluginv2.DataClient
	health   pluginv2.DiagnosticsClient
	resource pluginv2.ResourceClient
	stream   pluginv2.StreamClient
}

func start(t testing.TB, settings backend.DataSourceInstanceSettings) *plugin {
	t.Helper()
	client := goplugin.NewClient(&goplugin.ClientConfig{
		Cmd: exec.Command(binary),
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: grpcplugin.ProtocolVersion, MagicCookieKey: grpcplugin.MagicCookieKey, MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{grpcplugin.ProtocolVersion: {
			"data": &grpcplugin.DataGRPCPlugin{}, "diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{},
			"resource": &grpcplugin.ResourceGRPCPlugin{}, "stream": &grpcplugin.StreamGRPCPlugin{},
		}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard}),
		StartTimeout:     time.Minute,
	})
	t.Cleanup(client.Kill)
	protocol, err := client.Client()
	require.NoError(t, err)
	settings.UID, settings.Type, settings.Updated = "rcas-market", "rcas-market-datasource", time.Unix(1, 0)
	p := &plugin{t: t, settings: &settings}
	dispense(t, protocol, "data", &p.data)
	dispense(t, protocol, "diagnostics", &p.health)
	dispense(t, protocol, "resource", &p.resource)
	dispense(t, protocol, "stream", &p.stream)
	return p
}

func dispense[T any](t testing.TB, protocol goplugin.ClientProtocol, name string, into *T) {
	t.Helper()
	raw, err := protocol.Dispense(name)
	require.NoError(t, err)
	*into = raw.(T)
}

// database is the settings for a test's database.
func database(t testing.TB, s *store.Store) backend.DataSourceInstanceSettings {
	t.Helper()
	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	host := u.Host
	if socket := u.Query().Get("host"); socket != "" {
		host = socket
	}
	return settingsFor(t, host, strings.TrimPrefix(u.Path, "/"), u.User.Username(), nil)
}

func settingsFor(t testing.TB, host, name, user string, more map[string]string) backend.DataSourceInstanceSettings {
	t.Helper()
	fields := map[string]string{"database": name, "sslmode": "disable"}
	secrets := map[string]string{}
	for key, value := range more {
		if key == "natsToken" || key == "password" {
			secrets[key] = value
		} else {
			fields[key] = value
		}
	}
	text, err := json.Marshal(fields)
	require.NoError(t, err)
	return backend.DataSourceInstanceSettings{URL: host, User: user, JSONData: text, DecryptedSecureJSONData: secrets}
}

func (p *plugin) context() *pluginv2.PluginContext {
	return backend.ToProto().PluginContext(backend.PluginContext{
		OrgID: 1, PluginID: "rcas-market-datasource", DataSourceInstanceSettings: p.settings,
		GrafanaConfig: backend.NewGrafanaCfg(nil),
	})
}

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// query asks one question, given as JSON.
func (p *plugin) query(from, to time.Time, interval time.Duration, text string) backend.DataResponse {
	p.t.Helper()
	return p.queryOf(nil, from, to, interval, text)
}

// queryOf asks with headers, by which Grafana tells who asks.
func (p *plugin) queryOf(headers map[string]string, from, to time.Time, interval time.Duration, text string) backend.DataResponse {
	p.t.Helper()
	response, err := p.data.QueryData(timeout(p.t), &pluginv2.QueryDataRequest{PluginContext: p.context(), Headers: headers, Queries: []*pluginv2.DataQuery{{
		RefId: "A", MaxDataPoints: 1000, IntervalMS: interval.Milliseconds(), Json: []byte(text),
		TimeRange: &pluginv2.TimeRange{FromEpochMS: from.UnixMilli(), ToEpochMS: to.UnixMilli()},
	}}})
	require.NoError(p.t, err)
	answers, err := backend.FromProto().QueryDataResponse(response)
	require.NoError(p.t, err)
	return answers.Responses["A"]
}

func (p *plugin) checkHealth() *pluginv2.CheckHealthResponse {
	p.t.Helper()
	response, err := p.health.CheckHealth(timeout(p.t), &pluginv2.CheckHealthRequest{PluginContext: p.context()})
	require.NoError(p.t, err)
	return response
}

func (p *plugin) get(path string) (status int32, body string) {
	p.t.Helper()
	call, err := p.resource.CallResource(timeout(p.t), &pluginv2.CallResourceRequest{PluginContext: p.context(), Path: path, Url: path, Method: "GET"})
	require.NoError(p.t, err)
	response, err := call.Recv()
	require.NoError(p.t, err)
	return response.Code, string(response.Body)
}

// cable is a TCP connection to the database that can be cut and mended.
type cable struct {
	t       testing.TB
	address string
	dial    func() (net.Conn, error)

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func newCable(t testing.TB, s *store.Store) *cable {
	t.Helper()
	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	c := &cable{t: t, address: "127.0.0.1:0", dial: func() (net.Conn, error) { return net.Dial("tcp", u.Host) }}
	if socket := u.Query().Get("host"); socket != "" {
		c.dial = func() (net.Conn, error) { return net.Dial("unix", filepath.Join(socket, ".s.PGSQL.5432")) }
	}
	c.mend()
	t.Cleanup(c.cut)
	return c
}

func (c *cable) mend() {
	listener, err := net.Listen("tcp", c.address)
	require.NoError(c.t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener, c.address = listener, listener.Addr().String()
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := c.dial()
			if err != nil {
				_ = near.Close()
				continue
			}
			c.mu.Lock()
			c.open = append(c.open, near, far)
			c.mu.Unlock()
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
		}
	}()
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.listener.Close()
	for _, conn := range c.open {
		_ = conn.Close()
	}
	c.open = nil
}
