package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"rcas/stream"
)

// natsSettings say where the stream is, how it is entered, and what it is made with.
type natsSettings struct {
	url      string
	auth     stream.Auth
	replicas int
	maxBytes byteSize
	sync     syncInterval
}

func (n *natsSettings) add(flags *pflag.FlagSet) {
	n.sync = syncInterval(stream.DefaultSyncInterval)
	flags.StringVar(&n.url, "nats-url", "",
		"NATS server with JetStream, or several of one cluster with commas between; unset: inside this process, stored in the data directory")
	flags.StringVar(&n.auth.User, "nats-user", "", "user of the NATS server; the password is RCAS_NATS_PASSWORD")
	flags.StringVar(&n.auth.Nkey, "nats-nkey", "", "file with the seed of an nkey that the NATS server knows")
	flags.StringVar(&n.auth.Credentials, "nats-credentials", "", "credentials file (JWT and seed) for the NATS server")
	flags.StringVar(&n.auth.CA, "nats-ca", "", "file with the certificates (PEM) that the NATS server's is checked against; asks for TLS")
	flags.IntVar(&n.replicas, "nats-replicas", 0,
		"nodes that keep each message, 1 to 5; unset: streams stay as they are, new ones have 3 on a cluster of three or more, else 1")
	flags.Var(&n.maxBytes, "nats-max-bytes", "bound of each stream, such as 20GiB; unset: streams stay as they are, new ones have 8GiB")
	flags.Var(&n.sync, "nats-sync-interval",
		`how often the NATS server syncs its files: the one inside the process does so, of another it is what its sync_interval says; or "always"`)
}

// resolve adds the secrets, and refuses what makes no sense.
func (n *natsSettings) resolve(env map[string]string) error {
	n.auth.Password, n.auth.Token = env["RCAS_NATS_PASSWORD"], env["RCAS_NATS_TOKEN"]
	if n.url == "" && n.auth != (stream.Auth{}) {
		return errors.New("there is a way into NATS but no server; set --nats-url")
	}
	if n.replicas < 0 || n.replicas > 5 {
		return fmt.Errorf("--nats-replicas %d: write 1 to 5", n.replicas)
	}
	if n.url == "" && n.replicas > 1 {
		return fmt.Errorf("--nats-replicas %d: the NATS server inside the process is one node; set --nats-url to a cluster", n.replicas)
	}
	return nil
}

func (n *natsSettings) config() stream.Config {
	return stream.Config{URL: n.url, Auth: n.auth, Replicas: n.replicas, MaxBytes: int64(n.maxBytes), SyncInterval: time.Duration(n.sync)}
}

// byteSize is a flag in bytes, or in KiB, MiB, GiB or TiB.
type byteSize int64

var byteUnits = []struct {
	name  string
	shift int
}{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"", 0}}

func (b *byteSize) String() string {
	for _, u := range byteUnits {
		if *b != 0 && *b%(1<<u.shift) == 0 {
			return strconv.FormatInt(int64(*b)>>u.shift, 10) + u.name
		}
	}
	return ""
}

func (b *byteSize) Set(text string) error {
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n <= 0 || n > 1<<(62-u.shift) {
			break
		}
		*b = byteSize(n << u.shift)
		return nil
	}
	return fmt.Errorf("%q is no size; write a number of bytes, or one with KiB, MiB, GiB or TiB behind it", text)
}

func (*byteSize) Type() string { return "size" }

// syncInterval is a flag: a duration, or "always".
type syncInterval time.Duration

func (s *syncInterval) String() string {
	if time.Duration(*s) == stream.SyncAlways {
		return "always"
	}
	return time.Duration(*s).String()
}

func (s *syncInterval) Set(text string) error {
	if text == "always" {
		*s = syncInterval(stream.SyncAlways)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf(`%q is no interval; write one such as 250ms or 2m, or "always"`, text)
	}
	*s = syncInterval(d)
	return nil
}

func (*syncInterval) Type() string { return "interval" }
