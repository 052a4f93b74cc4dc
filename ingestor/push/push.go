package push

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/store"
	"rcas/telemetry"
)

// Source is the source, and the venue, of what names none.
const Source = "push"

// DefaultListen is the address where nothing else is configured.
const DefaultListen = "127.0.0.1:7470"

// Config says where to listen. Zero values mean the defaults.
type Config struct {
	// Listen is the HTTP address, host:port. Default: [DefaultListen].
	Listen string
	// Token is what requests must carry as "Authorization: Bearer …". Empty: none, which only a loopback address allows.
	Token feed.Secret
	// NATS is where requests on input.> are answered; nil for HTTP only.
	NATS *nats.Conn
	// MaxBody bounds the body of a request, in bytes. Default: 64 MiB.
	MaxBody int64
	// Timeout bounds the reading of a request. Default: five minutes.
	Timeout time.Duration
	// Grace is how long requests under way may go on when the source is to stop. Default: 10 s.
	Grace time.Duration
	// Metrics and Log may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
}

// maxRequests bounds the requests at once, and so the memory of all: each may hold a line of a MiB.
const maxRequests = 32

// Push is the source. It implements [ingestor.Source].
type Push struct {
	cfg      Config
	address  string       // the listener's
	listener net.Listener // nil once a run has closed it
	token    [sha256.Size]byte
	busy     chan struct{} // holds one entry per request under way
	state    *feed.State
}

var _ ingestor.Source = (*Push)(nil)

// New opens the address, so that one in use is known at once. [Push.Run] serves and closes it.
func New(cfg Config) (*Push, error) {
	cfg.Listen = strings.TrimSuffix(strings.TrimPrefix(cfg.Listen, "http://"), "/")
	if cfg.Listen == "" {
		cfg.Listen = DefaultListen
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 64 << 20
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Minute
	}
	if cfg.Grace == 0 {
		cfg.Grace = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("the address %q to listen on is not host:port: %w", cfg.Listen, err)
	}
	if cfg.Token == "" && !isLoopback(host) {
		return nil, fmt.Errorf("others can reach %s; set RCAS_PUSH_TOKEN, or listen on 127.0.0.1", cfg.Listen)
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for posts and prices; does another rcas use the address? %w", err)
	}
	token := sha256.Sum256([]byte(cfg.Token))
	return &Push{
		cfg: cfg, address: listener.Addr().String(), listener: listener, token: token, busy: make(chan struct{}, maxRequests),
		state: feed.NewState(Source, cfg.Log, cfg.Metrics),
	}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Name returns "push".
func (*Push) Name() string { return Source }

// Report tells how the source is doing. It reads as long as it listens.
func (p *Push) Report() store.FeedState { return p.state.Report() }

// Addr is where HTTP is served, host:port.
func (p *Push) Addr() string { return p.address }

// Run answers requests until its context ends, and then those under way. It returns an error when the sink fails. It may run again, on the
// same address.
func (p *Push) Run(parent context.Context, sink ingestor.Sink) error {
	if p.listener == nil { // it is not the first run
		listener, err := net.Listen("tcp", p.address)
		if err != nil {
			return fmt.Errorf("listen for posts and prices again: %w", err)
		}
		p.listener = listener
	}
	defer func() { p.listener = nil }()
	p.state.Listening()
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	// Data goes to the sink under a context that outlives the requests, and the run by the grace.
	data, give := context.WithCancel(context.WithoutCancel(ctx))
	defer give()
	d := &desk{Push: p, data: data, sink: sink, fail: stop}
	var serving sync.WaitGroup
	if p.cfg.NATS != nil {
		subscription, err := p.cfg.NATS.QueueSubscribeSync(subject+".>", "rcas")
		if err != nil {
			p.listener.Close()
			return fmt.Errorf("subscribe to %s.> on NATS: %w", subject, err)
		}
		defer func() { _ = subscription.Unsubscribe() }() // of a connection that is gone, it is gone too
		for range natsWorkers {
			serving.Go(func() { d.answerNATS(ctx, subscription) })
		}
	}
	serving.Go(func() { d.serveHTTP(ctx) })
	p.cfg.Log.Info("taking posts and prices", "address", p.Addr())
	<-ctx.Done()
	late := time.AfterFunc(p.cfg.Grace, give)
	defer late.Stop()
	serving.Wait()
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}
