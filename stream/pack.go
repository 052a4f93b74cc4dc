package stream

import (
	"bytes"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A message of TWEETS or PRICES is a pack: one JSON object or several, one after the other, with a line break between them. The stream's cost is
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

// unpack cuts a pack into its objects. A line break between } and { is always between two objects: within one, a comma stands there, and a string
// holds no line break unescaped. So nothing has to be parsed, and an object that is written over several lines stays whole. What is no pack
// comes back as it is.
func unpack(data []byte) [][]byte {
	objects := make([][]byte, 0, 1+bytes.Count(data, []byte("}\n{")))
	for from, at := 0, 0; ; {
		line := bytes.IndexByte(data[at:], '\n')
		if line < 0 {
			return append(objects, data[from:])
		}
		before, after := bytes.TrimRight(data[from:at+line], space), bytes.TrimLeft(data[at+line:], space)
		at = len(data) - len(after)
		if bytes.HasSuffix(before, []byte("}")) && bytes.HasPrefix(after, []byte("{")) {
			objects = append(objects, before)
			from = at
		}
	}
}

// space is what JSON has between values.
const space = " \t\r\n"

// delivery is a message of the stream that was delivered, until each of its objects is done with.
type delivery struct {
	msg     jetstream.Msg
	left    int        // objects that are not done with
	killed  []*Message // those that were
	waiting int        // messages of the stream after this one, when it was delivered
}

// received unpacks a message of the stream.
func received(msg jetstream.Msg) []*Message {
	objects := unpack(msg.Data())
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
