package stream

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// maxPayload admits the longest post (128 KiB of text, six-fold when every byte is escaped) with room for its other fields.
const maxPayload = 1 << 20

// startServer runs a NATS server with JetStream inside this process, and returns the URL that it is reached by. Whoever is on the
// machine could reach a loopback port, so the URL holds a token made for this run.
func startServer(cfg Config) (*server.Server, string, error) {
	if cfg.Dir == "" {
		return nil, "", errors.New("the NATS server inside the process needs a directory to store in")
	}
	options := &server.Options{
		ServerName: "rcas", JetStream: true, StoreDir: filepath.Join(cfg.Dir, "nats"),
		Authorization: rand.Text(), MaxPayload: maxPayload, NoSigs: true, NoLog: true, DontListen: cfg.Listen == "",
		JetStreamMaxMemory: 256 << 20, JetStreamMaxStore: 1 << 40,
	}
	if cfg.Listen != "" {
		host, port, err := net.SplitHostPort(cfg.Listen)
		if err != nil {
			return nil, "", fmt.Errorf("address %q of the NATS server is not host:port: %w", cfg.Listen, err)
		}
		options.Host = host
		if options.Port, err = strconv.Atoi(port); err != nil {
			return nil, "", fmt.Errorf("address %q of the NATS server is not host:port: %w", cfg.Listen, err)
		}
		if options.Port == 0 {
			options.Port = server.RANDOM_PORT
		}
	}
	srv, err := server.NewServer(options)
	if err != nil {
		return nil, "", fmt.Errorf("start NATS in %s: %w", cfg.Dir, err)
	}
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		srv.Shutdown()
		return nil, "", fmt.Errorf("start NATS in %s: not ready after 30 s; does another RCAS use the directory or the port?", cfg.Dir)
	}
	if cfg.Listen == "" {
		return srv, "nats://" + options.Authorization + "@in-process", nil
	}
	return srv, "nats://" + options.Authorization + "@" + srv.Addr().String(), nil
}
