package store

import (
	"net"

	"golang.org/x/sys/unix"
)

// boundSilence bounds how long what was sent may stay unacknowledged. Without it, keep-alive alone works, between questions.
func boundSilence(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(peerTimeout.Milliseconds()))
	})
}
