package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// link stands between a process and a server, and does to their connections what networks, and servers in need, do. The zero value of
// what it does is nothing.
type link struct {
	listener net.Listener
	dial     func() (net.Conn, error)

	mu      sync.Mutex
	open    map[net.Conn]bool
	does    harm
	changed chan struct{}
}

// harm is what a link does.
type harm struct {
	silent   bool          // nothing gets through, and nobody is told
	closed   bool          // connections break, and none is taken
	delay    time.Duration // of whatever is sent at a time
	readOnly bool          // sessions of PostgreSQL begin read-only, as on a standby
}

func newLink(t testing.TB, dial func() (net.Conn, error)) *link {
	t.Helper()
	l := &link{dial: dial, open: map[net.Conn]bool{}, changed: make(chan struct{})}
	var err error
	l.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() {
		l.listener.Close()
		l.make(harm{closed: true})
	})
	go func() {
		for {
			conn, err := l.listener.Accept()
			if err != nil {
				return
			}
			go l.join(conn)
		}
	}()
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

// make makes harm, or ends it. Connections of before end where the harm is one of whole sessions.
func (l *link) make(does harm) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.does = does
	close(l.changed)
	l.changed = make(chan struct{})
	if does.closed || does.readOnly {
		for conn := range l.open {
			conn.Close()
		}
	}
}

func (l *link) now() (harm, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.does, l.changed
}

func (l *link) join(client net.Conn) {
	defer client.Close()
	does, _ := l.now()
	if does.closed {
		return
	}
	if does.readOnly {
		begun, err := beginReadOnly(client)
		if err != nil {
			return
		}
		client = begun
	}
	server, err := l.dial()
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	l.open[client], l.open[server] = true, true
	l.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			l.carry(way[0], way[1])
			client.Close()
			server.Close()
		})
	}
	both.Wait()
	l.mu.Lock()
	delete(l.open, client)
	delete(l.open, server)
	l.mu.Unlock()
}

func (l *link) carry(from, to net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		does, changed := l.now()
		for ; does.silent; does, changed = l.now() {
			<-changed
		}
		time.Sleep(does.delay) // what a slow network does
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// begun is a connection whose first bytes were read already.
type begun struct {
	net.Conn
	rest io.Reader
}

func (b begun) Read(p []byte) (int, error) { return b.rest.Read(p) }

// beginReadOnly adds a parameter to the startup message with which a session of PostgreSQL begins: a length, the protocol's number, and
// names and values that end with a zero each, and with one more.
func beginReadOnly(client net.Conn) (net.Conn, error) {
	var length uint32
	if err := binary.Read(client, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	message := make([]byte, length-4)
	if _, err := io.ReadFull(client, message); err != nil {
		return nil, err
	}
	message = append(bytes.TrimSuffix(message, []byte{0}), "default_transaction_read_only\x00on\x00\x00"...)
	message = append(binary.BigEndian.AppendUint32(nil, uint32(len(message)+4)), message...)
	return begun{client, io.MultiReader(bytes.NewReader(message), client)}, nil
}
