package feedtest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// Serve starts an HTTP server on a local port whose connections can misbehave: [Raw] finds the one below a request.
func Serve(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Listener = listener{server.Listener}
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, rawKey{}, c)
	}
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

type rawKey struct{}

// Raw returns the connection that carries a request of a server made by [Serve].
func Raw(r *http.Request) *Conn { return r.Context().Value(rawKey{}).(*Conn) }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c}, nil
}

// Conn is a server's connection that can be made to misbehave below the protocol.
type Conn struct {
	net.Conn
	cut  atomic.Bool
	slow atomic.Int64
}

var errCut = errors.New("the simulator cut the connection")

// CutNext lets half of the next write through and then breaks the connection.
func (c *Conn) CutNext() { c.cut.Store(true) }

// Slow makes every write dribble out in small pieces with a pause between them.
func (c *Conn) Slow(pause time.Duration) { c.slow.Store(int64(pause)) }

// Break resets the connection at once, without a goodbye.
func (c *Conn) Break() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close()
}

// Write writes as the connection's misfortune allows.
func (c *Conn) Write(b []byte) (int, error) {
	if c.cut.Load() {
		n, _ := c.Conn.Write(b[:len(b)/2])
		_ = c.Conn.Close()
		return n, errCut
	}
	pause := time.Duration(c.slow.Load())
	if pause == 0 {
		return c.Conn.Write(b)
	}
	written := 0
	for len(b) > 0 {
		piece := min(len(b), 1+len(b)/3)
		n, err := c.Conn.Write(b[:piece])
		written += n
		if err != nil {
			return written, err
		}
		b = b[piece:]
		time.Sleep(pause)
	}
	return written, nil
}
