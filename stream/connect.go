package stream

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/mod/semver"
)

// Auth is what a server wants to see before it lets anybody in. At most one of the ways in is set; where URL holds a user or a token,
// none.
type Auth struct {
	// User and Password of a user.
	User, Password string
	// Token that all share.
	Token string
	// Nkey is a file with the seed of an nkey.
	Nkey string
	// Credentials is a file with a JWT and the seed of its nkey, as nsc writes them.
	Credentials string
	// CA is a file with the certificates, in PEM, that the server's own is checked against instead of the system's. It asks for TLS.
	CA string
}

// Options checks the way in and returns it in the terms of the client library.
func (a Auth) options() ([]nats.Option, error) {
	var ways []string
	var options []nats.Option
	if a.User != "" || a.Password != "" {
		if a.User == "" {
			return nil, errors.New("NATS has a password and no user; set --nats-user")
		}
		ways, options = append(ways, "a user"), append(options, nats.UserInfo(a.User, a.Password))
	}
	if a.Token != "" {
		ways, options = append(ways, "a token"), append(options, nats.Token(a.Token))
	}
	if a.Nkey != "" {
		option, err := nats.NkeyOptionFromSeed(a.Nkey)
		if err != nil {
			return nil, fmt.Errorf("read the nkey's seed in %s: %w", a.Nkey, err)
		}
		ways, options = append(ways, "an nkey"), append(options, option)
	}
	if a.Credentials != "" {
		ways, options = append(ways, "a credentials file"), append(options, nats.UserCredentials(a.Credentials))
	}
	if len(ways) > 1 {
		return nil, fmt.Errorf("NATS is entered in one way only, and %s are set", strings.Join(ways, " and "))
	}
	if a.CA != "" {
		options = append(options, nats.RootCAs(a.CA))
	}
	return options, nil
}

func (s *Stream) connect(cfg Config) (err error) {
	options := []nats.Option{
		nats.Name("rcas"), nats.MaxReconnects(-1), nats.ReconnectJitter(100*time.Millisecond, time.Second),
		// A node that fell silent (a cut network, a stopped process) is left after half a minute, not after six.
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		// A password that is being changed is no reason never to come back.
		nats.IgnoreAuthErrorAbort(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				s.log.Warn("lost the NATS server; connecting again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			s.log.Warn("connected to NATS again", "server", nc.ConnectedServerName())
			if err := checkVersion(nc.ConnectedServerVersion()); err != nil {
				s.log.Error("this server should not have been joined", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.log.Warn("NATS reports an error", "error", err) }),
	}
	if cfg.URL == "" {
		if s.srv, s.url, err = startServer(cfg); err != nil {
			return err
		}
		options = append(options, nats.InProcessServer(s.srv))
	} else {
		auth, err := cfg.Auth.options()
		if err != nil {
			return err
		}
		s.url, options = cfg.URL, append(options, auth...)
	}
	if s.nc, err = nats.Connect(s.url, options...); err != nil {
		return fmt.Errorf("connect to NATS; is the server of RCAS_NATS_URL up? %w", err)
	}
	if err := checkVersion(s.nc.ConnectedServerVersion()); err != nil {
		if !cfg.ReadOnly {
			return err
		}
		s.log.Warn("the NATS server should be replaced", "error", err)
	}
	if have := s.nc.MaxPayload(); have < maxPayload {
		return fmt.Errorf("the NATS server takes messages of %d bytes at most, and long posts would be lost; set its max_payload to %d or more",
			have, maxPayload)
	}
	return nil
}

// oldestServer is the oldest NATS server that loses nothing: those before can hold a consumer that lies ahead of its stream after a
// crash, and then skip what is published next (release notes of 2.14).
const oldestServer = "v2.14"

// checkVersion refuses a server that loses messages. One whose version can't be read is taken as it is.
func checkVersion(version string) error {
	if v := "v" + version; semver.IsValid(v) && semver.Compare(v, oldestServer) < 0 {
		return fmt.Errorf("the NATS server is version %s, which may skip messages after a crash; use %s or newer", version, oldestServer[1:])
	}
	return nil
}
