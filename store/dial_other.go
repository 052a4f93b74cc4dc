//go:build !linux

package store

import "net"

// boundSilence does nothing: other systems have no such bound for one connection.
func boundSilence(*net.TCPConn) {}
