package stream

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"rcas/market"
)

// A message of TWEETS or PRICES is a pack: one JSON object or several, as [market.Unpack] takes them apart. The stream's cost is
// one of a message, whatever is in it, so what comes in bulk shares messages, and what comes alone is a pack of one.

// maxPack bounds a pack of several objects, in bytes. Beyond it nothing is saved any more: see the log in docs/performance.md.
const maxPack = 32 << 10

// linger is how long an object may wait for others after the last message went out.
const linger = 5 * time.Millisecond

// pack is a message in the making.
type pack struct {
	subject string
	data    []byte
}

// takes tells whether an object still fits.
func (p *pack) takes(object []byte) bool { return len(p.data)+len("\n")+len(object) <= maxPack }

func (p *pack) add(object []byte) {
	if len(p.data) > 0 {
		p.data = append(p.data, '\n')
	}
	p.data = append(p.data, object...)
}

// delivery is a message of the stream that was delivered, until each of its objects is done with.
type delivery struct {
	msg     jetstream.Msg
	left    int        // objects that are not done with
	killed  []*Message // those that were
	waiting int        // messages of the stream after this one, when it was delivered
}

// received unpacks a message of the stream.
func received(msg jetstream.Msg) []*Message {
	objects := market.Unpack(msg.Data())
	from := &delivery{msg: msg, left: len(objects)}
	messages, list := make([]Message, len(objects)), make([]*Message, len(objects))
	for i, object := range objects {
		messages[i] = Message{Subject: msg.Subject(), Data: object, from: from, nth: i, last: i == len(objects)-1}
		list[i] = &messages[i]
	}
	if meta, err := msg.Metadata(); err == nil {
		from.waiting = int(meta.NumPending)
		for i := range messages {
			messages[i].Stored, messages[i].Sequence = meta.Timestamp, meta.Sequence.Stream
		}
	}
	return list
}
