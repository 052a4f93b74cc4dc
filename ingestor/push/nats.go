package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// subject is the first token of the subjects that requests come on.
const subject = "input"

// natsWorkers is how many messages are answered at once. Each waits for the stream, not for the processor.
const natsWorkers = 8

// answerNATS answers messages until ctx ends or the connection is closed. What is not yet taken then gets no answer, and who
// asked sends it again.
func (d *desk) answerNATS(ctx context.Context, subscription *nats.Subscription) {
	for {
		message, err := subscription.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, nats.ErrSlowConsumer):
			d.cfg.Log.Warn("messages came faster than the stream takes them; some were not answered", "subject", subject+".>")
			continue
		case err != nil:
			d.fail(fmt.Errorf("answer requests on %s.>: %w", subject, err))
			return
		}
		text, err := json.Marshal(d.takeMessage(message))
		if err == nil && message.Reply != "" {
			err = message.Respond(text)
		}
		if err != nil {
			d.cfg.Log.Warn("a message was not answered", "subject", message.Subject, "error", err)
		}
	}
}

// takeMessage takes the lines of a message. Its subject is input.posts or input.prices, and the source or venue behind that may
// have dots.
func (d *desk) takeMessage(message *nats.Msg) Answer {
	kind, name, named := strings.Cut(strings.TrimPrefix(message.Subject, subject+"."), ".")
	if kind != posts && kind != prices || named && name == "" {
		return Answer{Error: "there are input.posts, input.posts.SOURCE, input.prices and input.prices.VENUE"}
	}
	answer, err := d.take(kind, name, bytes.NewReader(message.Data))
	if err != nil {
		_, answer.Error = explain(err)
	}
	return answer
}
