package stream

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server says its version before anything else: one that is too old is left at once, and one that takes too little too.
func TestServersThatLoseMessagesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version string
		payload int
		want    string
	}{
		{"2.9.25", maxPayload, "2.14 or newer"},
		{"2.12.1", maxPayload, "2.14 or newer"},
		{"2.13.9", maxPayload, "2.14 or newer"},
		{"2.14.0", maxPayload, ""},
		{"2.100.0", maxPayload, ""},
		{"of our own", maxPayload, ""},
		{"2.15.2", 65536, "max_payload"},
	} {
		s := &Stream{log: discard}
		err := s.connect(Config{URL: "nats://" + oldServer(t, c.version, c.payload)})
		if c.want == "" {
			require.NoError(t, err, c.version)
		} else {
			require.ErrorContains(t, err, c.want, c.version)
		}
		s.Close()
		s = &Stream{log: discard}
		if c.payload == maxPayload {
			require.NoError(t, s.connect(Config{URL: "nats://" + oldServer(t, c.version, c.payload), ReadOnly: true}), "whoever asks is warned")
		}
		s.Close()
	}
}

// oldServer greets as a server of that version does, and answers PING.
func oldServer(t *testing.T, version string, payload int) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(conn, "INFO {\"server_id\":\"x\",\"version\":%q,\"max_payload\":%d,\"proto\":1}\r\n", version, payload)
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "PING") {
						fmt.Fprint(conn, "PONG\r\n")
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestTheServerInsideSyncs(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{0, time.Second, SyncAlways} {
		s, err := Open(t.Context(), Config{Dir: t.TempDir(), SyncInterval: interval})
		require.NoError(t, err)
		config := s.srv.server.JetStreamConfig()
		require.Equal(t, interval == SyncAlways, config.SyncAlways)
		if interval == 0 {
			interval = DefaultSyncInterval
		}
		if interval != SyncAlways {
			require.Equal(t, interval, config.SyncInterval)
		}
		s.Close()
	}
}
