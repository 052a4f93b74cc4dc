package stream

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// maxPayload admits the longest post (128 KiB of text, six-fold when every byte is escaped) with room for its other fields.
const maxPayload = 1 << 20

// ErrLocked is wrapped by the error of [Open] when the server of another process stores in the directory.
var ErrLocked = errors.New("in use by another RCAS")

// own is a NATS server inside this process. It is started anew when its disk could not be written and can be again.
type own struct {
	options *server.Options
	lock    *os.File // of the directory
	log     *slog.Logger

	running sync.Mutex
	server  *server.Server
	closed  bool

	unable  atomic.Pointer[string] // why the disk takes nothing, or nil
	mending sync.WaitGroup
	ended   chan struct{}
}

// startServer runs a NATS server with JetStream inside this process, and returns the URL that it is reached by. Whoever is on the
// machine could reach a loopback port, so the URL holds a token made for this run.
func startServer(cfg Config) (*own, string, error) {
	if cfg.Dir == "" {
		return nil, "", errors.New("the NATS server inside the process needs a directory to store in")
	}
	options := &server.Options{
		ServerName: "rcas", JetStream: true, StoreDir: filepath.Join(cfg.Dir, "nats"),
		Authorization: rand.Text(), MaxPayload: maxPayload, NoSigs: true, NoLog: true, DontListen: cfg.Listen == "",
		JetStreamMaxMemory: 256 << 20, JetStreamMaxStore: 1 << 40,
		SyncInterval: max(cmp.Or(cfg.SyncInterval, DefaultSyncInterval), 0), SyncAlways: cfg.SyncInterval == SyncAlways,
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
	lock, err := lockDir(options.StoreDir)
	if err != nil {
		return nil, "", err
	}
	o := &own{options: options, lock: lock, log: cfg.Log, ended: make(chan struct{})}
	if err := o.start(); err != nil {
		return nil, "", errors.Join(err, lock.Close())
	}
	if cfg.Listen == "" {
		return o, "nats://" + options.Authorization + "@in-process", nil
	}
	address := o.server.Addr().(*net.TCPAddr)
	options.Port = address.Port // where others find it again
	return o, "nats://" + options.Authorization + "@" + address.String(), nil
}

// lockDir takes the lock of a directory, until the file is closed. NATS has none: two servers on one directory write over each other's
// messages in silence.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the stream's directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the stream's directory: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("the directory %s is %w: stop that one, or choose another directory", dir, ErrLocked), file.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), file.Close())
	}
	return file, nil
}

func (o *own) start() error {
	o.running.Lock()
	defer o.running.Unlock()
	if o.closed {
		return errors.New("the NATS server inside the process is closed")
	}
	if err := setTornAside(o.options.StoreDir, o.log); err != nil {
		return fmt.Errorf("look through %s: %w", o.options.StoreDir, err)
	}
	s, err := server.NewServer(o.options.Clone())
	if err != nil {
		return fmt.Errorf("start NATS in %s: %w", o.options.StoreDir, err)
	}
	s.SetLoggerV2(serverLog{o}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		s.Shutdown()
		return fmt.Errorf("start NATS in %s: not ready after 30 s; does another RCAS use the directory or the port?", o.options.StoreDir)
	}
	o.server = s
	return nil
}

// InProcessConn implements [nats.InProcessConnProvider], whichever server runs now.
func (o *own) InProcessConn() (net.Conn, error) {
	o.running.Lock()
	defer o.running.Unlock()
	return o.server.InProcessConn()
}

func (o *own) stop() {
	o.running.Lock()
	defer o.running.Unlock()
	o.server.Shutdown()
	o.server.WaitForShutdown()
}

func (o *own) close() {
	o.running.Lock()
	o.closed = true
	o.running.Unlock()
	close(o.ended)
	o.mending.Wait()
	o.stop()
	_ = o.lock.Close()
}

// serverLog hears what the server inside the process complains of. What is no trouble of its disk, RCAS notices by itself.
type serverLog struct{ *own }

func (serverLog) Noticef(string, ...any)      {}
func (serverLog) Warnf(string, ...any)        {}
func (serverLog) Debugf(string, ...any)       {}
func (serverLog) Tracef(string, ...any)       {}
func (l serverLog) Fatalf(f string, a ...any) { l.Errorf(f, a...) }

func (l serverLog) Errorf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if !strings.Contains(strings.ToLower(line), "critical write error") {
		l.log.Debug("NATS inside the process: " + line)
		return
	}
	if !l.unable.CompareAndSwap(nil, &line) {
		return
	}
	what := "the stream's disk cannot be written; publishing waits until it can"
	if strings.Contains(line, noSpace) {
		what = "disk full: the stream takes nothing more; publishing waits until there is room, reading goes on"
	}
	l.log.Error(what, "directory", l.options.StoreDir, "error", line)
	l.mending.Go(l.mend)
}

// noSpace is how systems say that a disk is full.
const noSpace = "no space left"

// mendEvery is how often a disk that could not be written is tried.
const mendEvery = 2 * time.Second

// roomNeeded is how much must fit on the disk before the server is started again: two blocks of messages.
const roomNeeded = 16 << 20

// mend waits until the disk can be written, and starts the server anew: it takes no message after a write has failed until then.
func (o *own) mend() {
	ticker := time.NewTicker(mendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-o.ended:
			return
		case <-ticker.C:
		}
		if o.tryDisk() != nil {
			continue
		}
		o.stop()
		o.unable.Store(nil)
		if err := o.start(); err != nil {
			o.log.Error("NATS could not be started again; start rcas anew", "error", err)
			return
		}
		o.log.Warn("over: the stream's disk can be written again")
		return
	}
}

// tryDisk writes as much as must fit, and takes it away again.
func (o *own) tryDisk() error {
	probe, err := os.CreateTemp(o.options.StoreDir, "room")
	if err != nil {
		return err
	}
	defer os.Remove(probe.Name())
	block := make([]byte, 1<<20)
	for n := 0; n < roomNeeded && err == nil; n += len(block) {
		_, err = probe.Write(block)
	}
	return errors.Join(err, probe.Close())
}
