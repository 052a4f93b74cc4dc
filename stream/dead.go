package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Headers of a message in the DEAD stream.
const (
	headerSubject  = "Rcas-Subject"
	headerConsumer = "Rcas-Consumer"
	headerError    = "Rcas-Error"
)

// DeadLetter is a message that could not be handled.
type DeadLetter struct {
	Sequence uint64    `json:"sequence"`
	Subject  string    `json:"subject"`
	Consumer string    `json:"consumer"`
	Error    string    `json:"error"`
	Time     time.Time `json:"time"`
	Data     []byte    `json:"-"`
}

// bury stores the message in the DEAD stream. The id makes a second burial within the stream's window none.
func (s *Stream) bury(ctx context.Context, streamName, consumer string, m *Message) error {
	s.log.Warn("message set aside", "subject", m.Subject, "consumer", consumer, "error", m.dead)
	msg := nats.NewMsg("dead." + strings.ToLower(streamName))
	msg.Data = m.Data
	msg.Header.Set(headerSubject, m.Subject)
	msg.Header.Set(headerConsumer, consumer)
	msg.Header.Set(headerError, oneLine(m.dead.Error()))
	if m.Sequence != 0 {
		msg.Header.Set(nats.MsgIdHdr, fmt.Sprintf("%s/%s/%d/%d", streamName, consumer, m.Sequence, m.nth))
	}
	_, err := s.js.PublishMsg(ctx, msg)
	return err
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}

// DeadCount returns how many messages lie in the DEAD stream.
func (s *Stream) DeadCount(ctx context.Context) (uint64, error) {
	size, err := s.size(ctx, Dead)
	return size.Messages, err
}

// DeadLetters calls visit for each dead letter, oldest first, until it returns false.
func (s *Stream) DeadLetters(ctx context.Context, visit func(DeadLetter) bool) error {
	dead, err := s.js.Stream(ctx, Dead)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", Dead, plain(err))
	}
	state := dead.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
		raw, err := dead.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read dead letter %d: %w", seq, err)
		}
		if !visit(DeadLetter{
			Sequence: seq, Subject: raw.Header.Get(headerSubject), Consumer: raw.Header.Get(headerConsumer),
			Error: raw.Header.Get(headerError), Time: raw.Time, Data: raw.Data,
		}) {
			return nil
		}
	}
	return nil
}

// RetryDead publishes a dead letter again where it came from, and takes it out of the DEAD stream. Every consumer of that
// stream sees it again; the keys make that harmless.
func (s *Stream) RetryDead(ctx context.Context, letter DeadLetter) error {
	if letter.Subject == "" {
		return fmt.Errorf("dead letter %d does not say where it came from", letter.Sequence)
	}
	if _, err := s.js.Publish(ctx, letter.Subject, letter.Data); err != nil {
		return fmt.Errorf("publish dead letter %d again: %w", letter.Sequence, err)
	}
	dead, err := s.js.Stream(ctx, Dead)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", Dead, plain(err))
	}
	if err := dead.DeleteMsg(ctx, letter.Sequence); err != nil {
		return fmt.Errorf("dead letter %d is published again but not deleted: %w", letter.Sequence, err)
	}
	return nil
}
