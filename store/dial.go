package store

import (
	"context"
	"net"
	"time"
)

// A server that is gone without a word (a cut network, a machine that lost its power) is given up after peerTimeout: the system's own
// patience with what it has sent is a quarter of an hour, in which a batch would wait for an answer that nobody will give.
const (
	peerTimeout = 30 * time.Second
	dialTimeout = 15 * time.Second
)

var dialer = net.Dialer{
	Timeout:         dialTimeout,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: peerTimeout / 2, Interval: peerTimeout / 6, Count: 3},
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		boundSilence(tcp)
	}
	return conn, nil
}
