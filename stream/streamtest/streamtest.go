// Package streamtest gives tests NATS servers that can be stopped, started again, and made a cluster of. Tests never meet a mock.
package streamtest

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// Nodes are one NATS server with JetStream, or a cluster of them, with directories and ports of the test's own.
type Nodes struct {
	t       testing.TB
	options []*server.Options
	servers []*server.Server // nil where the node is stopped
}

// New starts n nodes; more than one are a cluster. Each may be changed before it starts.
func New(t testing.TB, n int, change ...func(*server.Options)) *Nodes {
	t.Helper()
	nodes := &Nodes{t: t, servers: make([]*server.Server, n)}
	var routes []string
	for i := range n {
		options := &server.Options{
			ServerName: fmt.Sprint("node", i), Host: "127.0.0.1", Port: freePort(t), JetStream: true, StoreDir: t.TempDir(),
			NoLog: true, NoSigs: true, JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 40,
		}
		if n > 1 {
			options.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: freePort(t)}
			routes = append(routes, fmt.Sprint("nats://127.0.0.1:", options.Cluster.Port))
		}
		for _, c := range change {
			c(options)
		}
		nodes.options = append(nodes.options, options)
	}
	for i := range n {
		nodes.options[i].Routes = server.RoutesFromStr(strings.Join(routes, ","))
		nodes.Start(i)
	}
	t.Cleanup(func() {
		for i := range n {
			nodes.Stop(i)
		}
	})
	nodes.ready()
	return nodes
}

// freePort is one that nobody uses now; nodes must know each other's before they start.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Start starts a node that is stopped.
func (n *Nodes) Start(i int) {
	n.t.Helper()
	s, err := server.NewServer(n.options[i].Clone())
	require.NoError(n.t, err)
	s.Start()
	require.True(n.t, s.ReadyForConnections(time.Minute), "node %d does not start", i)
	n.servers[i] = s
}

// Stop stops a node that runs.
func (n *Nodes) Stop(i int) {
	if s := n.servers[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		n.servers[i] = nil
	}
}

// Dir is where a node stores.
func (n *Nodes) Dir(i int) string { return n.options[i].StoreDir }

// URL names all nodes.
func (n *Nodes) URL() string {
	var urls []string
	for _, o := range n.options {
		urls = append(urls, fmt.Sprintf("nats://%s:%d", o.Host, o.Port))
	}
	return strings.Join(urls, ",")
}

// Leader is the node that leads a stream.
func (n *Nodes) Leader(stream string) int {
	n.t.Helper()
	leader := -1
	require.Eventually(n.t, func() bool {
		for i, s := range n.servers {
			if s != nil && s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
				leader = i
			}
		}
		return leader >= 0
	}, 2*time.Minute, 20*time.Millisecond, "nobody leads %s", stream)
	return leader
}

// ready waits until the cluster has a leader that knows all nodes.
func (n *Nodes) ready() {
	n.t.Helper()
	if len(n.servers) == 1 {
		return
	}
	require.Eventually(n.t, func() bool {
		for _, s := range n.servers {
			if s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == len(n.servers)
			}
		}
		return false
	}, 2*time.Minute, 20*time.Millisecond, "the nodes find no leader")
}
