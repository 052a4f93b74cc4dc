package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// leases is the key-value bucket: a key a lease, which its holder writes again and again, and which goes by itself when it is not.
const leases = "RCAS_LEASES"

// The times of a lease. Whoever holds it stops leaseMargin before it may go, so that never two hold it; whoever waits for it has it
// leaseTTL and leasePoll after the last sign of its holder, at most.
const (
	leaseTTL    = 7 * time.Second
	leaseMargin = 2 * time.Second
	leaseRenew  = 1500 * time.Millisecond
	leasePoll   = 500 * time.Millisecond
)

// Hold runs work as long as this process holds the lease of a name, which one process of a deployment has at a time. It waits for the
// lease, and again when it is lost; then the context of work has ended. It returns what work returns by itself, or nil when ctx ends.
func (s *Stream) Hold(ctx context.Context, name string, work func(context.Context) error) error {
	waiting := s.metrics.Fault(s.log, "cannot ask for the lease of a source; trying again", "source", name)
	standing := false
	for ctx.Err() == nil {
		l, err := s.acquire(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrKeyExists):
			waiting.Over()
			if !standing {
				standing = true
				s.log.Warn("standing by: another rcas reads the source", "source", name)
			}
			pause(ctx, leasePoll)
			continue
		case err != nil && ctx.Err() == nil:
			waiting.Failed(plain(err))
			pause(ctx, leasePoll)
			continue
		case err != nil:
			return nil
		}
		waiting.Over()
		if standing {
			standing = false
			s.log.Warn("taking over the source", "source", name)
		}
		if err, lost := l.hold(ctx, work); !lost {
			return err
		}
		s.log.Warn("lost the lease of the source: it is read no more until it is back", "source", name)
	}
	return nil
}

// lease is held, from the moment of acquire on.
type lease struct {
	kv       jetstream.KeyValue
	name     string
	owner    string
	revision uint64
	until    time.Time // by this process's clock, with the margin taken off
}

// bucket finds the leases, or makes their bucket as the streams are made.
func (s *Stream) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := s.js.KeyValue(ctx, leases)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return kv, err
	}
	config := jetstream.KeyValueConfig{
		Bucket: leases, Description: "which rcas reads which source", TTL: leaseTTL, MaxBytes: 1 << 20, Storage: jetstream.FileStorage,
		Replicas: cmp.Or(s.replicas, clusterReplicas),
	}
	kv, err = s.js.CreateKeyValue(ctx, config)
	if s.replicas == 0 && tooFewNodes(err) {
		config.Replicas = 1
		kv, err = s.js.CreateKeyValue(ctx, config)
	}
	return kv, err
}

// acquire takes the lease where nobody has it; else it returns [jetstream.ErrKeyExists].
func (s *Stream) acquire(ctx context.Context, name string) (*lease, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	kv, err := s.bucket(ctx)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	l := &lease{kv: kv, name: name, owner: fmt.Sprintf("%s, process %d, %s", host, os.Getpid(), nats.NewInbox())}
	asked := time.Now()
	if l.revision, err = kv.Create(ctx, l.name, []byte(l.owner)); err != nil {
		return nil, err
	}
	l.until = asked.Add(leaseTTL - leaseMargin)
	return l, nil
}

// hold runs work until it returns or the lease is lost, and tells which.
func (l *lease) hold(ctx context.Context, work func(context.Context) error) (err error, lost bool) {
	held, end := context.WithCancel(ctx)
	defer end()
	done := make(chan error, 1)
	go func() { done <- work(held) }()
	ticker := time.NewTicker(leaseRenew)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			l.release(ctx)
			return err, false
		case <-ticker.C:
		}
		// Also while work is ending: until then nobody else may begin.
		if !l.renew(context.WithoutCancel(ctx)) {
			end()
			<-done
			return nil, ctx.Err() == nil
		}
	}
}

// renew writes the lease again, until it is written or there is no time left.
func (l *lease) renew(ctx context.Context) bool {
	for {
		now := time.Now()
		if !now.Before(l.until) {
			return false
		}
		try, cancel := context.WithDeadline(ctx, minTime(l.until, now.Add(leaseRenew)))
		revision, err := l.kv.Update(try, l.name, []byte(l.owner), l.revision)
		if err == nil {
			cancel()
			l.revision, l.until = revision, now.Add(leaseTTL-leaseMargin)
			return true
		}
		// An answer may have been lost: then the lease is still ours, in a revision that we don't know.
		entry, err := l.kv.Get(try, l.name)
		cancel()
		switch {
		case err == nil && string(entry.Value()) == l.owner:
			l.revision = entry.Revision()
		case err == nil, errors.Is(err, jetstream.ErrKeyNotFound):
			return false
		}
		pause(ctx, leasePoll/2)
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// release gives the lease back, so that others need not wait for its end.
func (l *lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = l.kv.Delete(ctx, l.name, jetstream.LastRevision(l.revision)) // else it goes by itself
}
