package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// consumers are the durable consumers and their streams.
var consumers = []struct{ stream, name string }{{Prices, Writer}, {Tweets, Writer}, {Tweets, Scorer}}

// defaultMaxBytes bounds a stream that is made here.
const defaultMaxBytes = 8 << 30

// clusterReplicas is how many nodes of a cluster keep each message: one may be lost with all that it has.
const clusterReplicas = 3

// streams are as RCAS makes them. Of a stream that is there already, only what [mustBe] says is touched.
func streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		// The streams keep no window of message ids: the database's keys find repeats over all time, and a window of two
		// minutes at full speed would hold millions of ids in memory.
		{Name: Tweets, Subjects: []string{"tweets.>"}, Retention: jetstream.InterestPolicy, Duplicates: 100 * time.Millisecond},
		{Name: Prices, Subjects: []string{"prices.>"}, Retention: jetstream.InterestPolicy, Duplicates: 100 * time.Millisecond},
		{Name: Dead, Subjects: []string{"dead.>"}, Retention: jetstream.LimitsPolicy, Duplicates: 2 * time.Minute},
	}
}

// setup makes streams and consumers that are missing. It also makes the consumers: the streams keep a message only until every consumer
// has acknowledged it, so a consumer that came later would miss what went before.
//
// Where all is as it must be, nothing is written: a server whose disk is full lets in whoever will empty it.
func (s *Stream) setup(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, want := range streams() {
		want.Storage, want.Discard = jetstream.FileStorage, jetstream.DiscardNew
		want.MaxBytes, want.Replicas = cfg.MaxBytes, cfg.Replicas
		if err := s.setupStream(ctx, want); err != nil {
			if errors.Is(err, jetstream.ErrJetStreamNotEnabled) {
				return fmt.Errorf("the NATS server has no JetStream; start it with --jetstream: %w", err)
			}
			if cfg.Replicas > 1 && tooFewNodes(err) {
				return fmt.Errorf("stream %s: NATS has not the %d nodes that --nats-replicas asks for: name a cluster that has, or say fewer: %w",
					want.Name, cfg.Replicas, err)
			}
			return fmt.Errorf("stream %s: %w", want.Name, plain(err))
		}
	}
	for _, c := range consumers {
		if err := s.setupConsumer(ctx, c.stream, c.name); err != nil {
			return fmt.Errorf("consumer %s of %s: %w", c.name, c.stream, plain(err))
		}
	}
	return nil
}

func (s *Stream) setupStream(ctx context.Context, want jetstream.StreamConfig) error {
	there, err := s.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = s.createStream(ctx, want)
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return err
		}
		there, err = s.js.Stream(ctx, want.Name) // another process was faster
	}
	if err != nil {
		return err
	}
	have := there.CachedInfo().Config
	changed := mustBe(&have, want)
	if len(changed) == 0 {
		return nil
	}
	if _, err = s.js.UpdateStream(ctx, have); err == nil {
		s.log.Warn("the stream was changed", "stream", want.Name, "to", strings.Join(changed, ", "))
	}
	return err
}

// createStream makes the stream; with the replicas of a cluster where nothing else is asked for and the server has as many nodes.
func (s *Stream) createStream(ctx context.Context, want jetstream.StreamConfig) error {
	asked := want.Replicas
	want.MaxBytes = cmp.Or(want.MaxBytes, defaultMaxBytes)
	want.Replicas = cmp.Or(asked, clusterReplicas)
	_, err := s.js.CreateStream(ctx, want)
	if asked == 0 && tooFewNodes(err) {
		if s.nc.ConnectedClusterName() != "" {
			s.log.Warn("the cluster has too few nodes to keep three of each message, and keeps one; once it has three, say --nats-replicas 3", "stream", want.Name)
		}
		want.Replicas = 1
		_, err = s.js.CreateStream(ctx, want)
	}
	return err
}

// Error codes of the JetStream API, as the server's errors.json numbers them.
const (
	codeNoPeers         = 10005 // no suitable peers for placement, and why
	codeNotClustered    = 10074 // replicas > 1 not supported in non-clustered mode
	codeStoreFailed     = 10077 // generic error when storing a message failed
	codeStorageLimit    = 10047 // insufficient storage resources available
	codeNoLeader        = 10008 // JetStream system temporarily unavailable
	codeStreamOffline   = 10118 // stream is offline
	codeConsumerOffline = 10119 // consumer is offline
)

// tooFewNodes tells whether the server is none of a cluster, or one of a cluster that never had enough nodes. Nodes that are known and
// away are no reason to keep less of each message: then the server says more.
func tooFewNodes(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == codeNotClustered || api.ErrorCode == codeNoPeers && !strings.Contains(api.Description, ","))
}

// mustBe changes have where RCAS cannot work otherwise or was told so by its settings, and tells what. Everything else is its operator's:
// replicas, bounds, placement, compression, metadata, ….
func mustBe(have *jetstream.StreamConfig, want jetstream.StreamConfig) (changed []string) {
	for _, subject := range want.Subjects {
		if !slices.Contains(have.Subjects, subject) {
			have.Subjects = append(have.Subjects, subject)
			changed = append(changed, "subject "+subject)
		}
	}
	// Else messages stay for ever, or go before they are stored.
	if have.Retention != want.Retention {
		have.Retention = want.Retention
		changed = append(changed, fmt.Sprint("retention ", want.Retention))
	}
	// Else a full stream loses what is oldest.
	if have.Discard != want.Discard {
		have.Discard = want.Discard
		changed = append(changed, fmt.Sprint("discard ", want.Discard))
	}
	if want.MaxBytes != 0 && have.MaxBytes != want.MaxBytes {
		have.MaxBytes = want.MaxBytes
		changed = append(changed, fmt.Sprint("max_bytes ", want.MaxBytes))
	}
	if want.Replicas != 0 && have.Replicas != want.Replicas {
		have.Replicas = want.Replicas
		changed = append(changed, fmt.Sprint("replicas ", want.Replicas))
	}
	return changed
}

// setupConsumer makes the consumer where it is missing. Of one that is there, it changes what would lose messages: a filter, or an end
// to deliveries.
func (s *Stream) setupConsumer(ctx context.Context, streamName, name string) error {
	there, err := s.js.Consumer(ctx, streamName, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		// An identical one that another process has made meanwhile is no error.
		_, err = s.js.CreateConsumer(ctx, streamName, jetstream.ConsumerConfig{
			Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: maxAckPending,
		})
		if !errors.Is(err, jetstream.ErrConsumerExists) {
			return err
		}
		there, err = s.js.Consumer(ctx, streamName, name)
	}
	if err != nil {
		return err
	}
	have := there.CachedInfo().Config
	var changed []string
	if have.MaxDeliver > 0 {
		have.MaxDeliver = -1
		changed = append(changed, "max_deliver without end")
	}
	if have.FilterSubject != "" || len(have.FilterSubjects) > 0 {
		have.FilterSubject, have.FilterSubjects = "", nil
		changed = append(changed, "no filter")
	}
	if len(changed) == 0 {
		return nil
	}
	s.log.Warn("the consumer is changed", "stream", streamName, "consumer", name, "to", strings.Join(changed, ", "))
	_, err = s.js.UpdateConsumer(ctx, streamName, have)
	return err
}

// plain says of an error of the server what it means for whoever runs it.
func plain(err error) error {
	if err == nil {
		return nil
	}
	api, _ := errors.AsType[*jetstream.APIError](err)
	code := func(codes ...jetstream.ErrorCode) bool { return api != nil && slices.Contains(codes, api.ErrorCode) }
	text := err.Error()
	switch {
	case strings.Contains(text, noSpace):
		return fmt.Errorf("the disk of the NATS server is full (disk full): make room on it, and the stream goes on: %w", err)
	case code(codeStorageLimit):
		return fmt.Errorf("the NATS server has no room left for its streams (max_file_store): %w", err)
	case code(codeStoreFailed) && strings.Contains(text, "maximum bytes"):
		return fmt.Errorf("the stream is full (max_bytes): writer or scorer are behind or do not run: %w", err)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, nats.ErrNoStreamResponse), errors.Is(err, jetstream.ErrNoStreamResponse), code(codeNoLeader, codeStreamOffline, codeConsumerOffline):
		return fmt.Errorf("no NATS node answers for the stream: a node that holds its only replica, or two of three, are away, or JetStream is off: %w",
			err)
	}
	return err
}
