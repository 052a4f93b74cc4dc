package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"rcas/market"
)

func alone(t *testing.T) *Stream {
	t.Helper()
	s, err := Open(t.Context(), Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// patient is a publisher that waits for others as long as it takes.
func patient(s *Stream) *Publisher {
	p := s.Publisher()
	p.linger = time.Hour
	return p
}

func post(id int, text string) *market.Tweet {
	return &market.Tweet{Source: "test", ID: strconv.Itoa(id), Text: text}
}

// messages are what the stream holds, once it holds n.
func messages(t *testing.T, s *Stream, name string, n uint64) [][]byte {
	t.Helper()
	held, err := s.js.Stream(t.Context(), name)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		info, err := held.Info(t.Context())
		return err == nil && info.State.LastSeq == n
	}, time.Minute, time.Millisecond, "%s does not hold %d messages", name, n)
	var list [][]byte
	for seq := range n {
		m, err := held.GetMsg(t.Context(), seq+1)
		require.NoError(t, err)
		list = append(list, m.Data)
	}
	return list
}

func TestWhatComesAloneGoesOutAtOnce(t *testing.T) {
	t.Parallel()
	s := alone(t)
	p := patient(s)
	require.NoError(t, p.Tweet(t.Context(), post(1, "")))
	require.Len(t, market.Unpack(messages(t, s, Tweets, 1)[0]), 1, "and nobody calls Flush")
	require.NoError(t, p.Tweet(t.Context(), post(2, "")))
	require.NoError(t, p.Tweet(t.Context(), post(3, "")))
	require.NoError(t, p.Price(t.Context(), &market.Price{Venue: "v", TradeID: "1"}))
	require.NoError(t, p.Flush(t.Context()))
	require.Len(t, market.Unpack(messages(t, s, Tweets, 2)[1]), 2)
	require.Len(t, market.Unpack(messages(t, s, Prices, 1)[0]), 1)
}

// Nobody calls Flush, and nothing comes after it.
func TestNothingIsStranded(t *testing.T) {
	t.Parallel()
	s := alone(t)
	p := s.Publisher()
	for i := range 100 {
		require.NoError(t, p.Tweet(t.Context(), post(i, "")))
		require.NoError(t, p.Tweet(t.Context(), &market.Tweet{Source: "other", ID: strconv.Itoa(i)}))
	}
	held, err := s.js.Stream(t.Context(), Tweets)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		info, err := held.Info(t.Context())
		require.NoError(t, err)
		n := 0
		for seq := range info.State.LastSeq {
			m, err := held.GetMsg(t.Context(), seq+1)
			require.NoError(t, err)
			n += len(market.Unpack(m.Data))
		}
		return n == 200
	}, time.Minute, 20*time.Millisecond)
}

func TestPacksAreBounded(t *testing.T) {
	t.Parallel()
	s := alone(t)
	p := patient(s)
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var want []string
	for i := range 600 {
		length := r.IntN(1000)
		if i%50 == 49 {
			length = maxPack + r.IntN(1000)
		}
		want = append(want, strconv.Itoa(i))
		require.NoError(t, p.Tweet(t.Context(), post(i, strings.Repeat("x", length))))
	}
	require.NoError(t, p.Flush(t.Context()))
	held, err := s.js.Stream(t.Context(), Tweets)
	require.NoError(t, err)
	var got []string
	for _, m := range messages(t, s, Tweets, held.CachedInfo().State.LastSeq) {
		objects := market.Unpack(m)
		require.True(t, len(m) <= maxPack || len(objects) == 1, "%d bytes, %d posts", len(m), len(objects))
		for _, object := range objects {
			got = append(got, idOf(t, object))
		}
	}
	require.Equal(t, want, got, "each once, in their order")
	require.Less(t, int(held.CachedInfo().State.LastSeq), 60)
}

func idOf(t *testing.T, data []byte) string {
	t.Helper()
	var post market.Tweet
	require.NoError(t, json.Unmarshal(data, &post))
	return post.ID
}

// reader is a worker of the writer's consumer, of which the test makes every step.
func reader(t *testing.T, s *Stream, size int, handle Handler) *worker {
	t.Helper()
	c, err := s.consumer(t.Context(), Tweets, Writer)
	require.NoError(t, err)
	return &worker{s: s, stream: Tweets, consumer: c, batch: Batch{Size: size, Age: 100 * time.Millisecond}, handle: handle, posts: maxPack / 512,
		unread: s.metrics.Fault(s.log, ""), unstored: s.metrics.Fault(s.log, "")}
}

// packOf publishes a post alone, and n more in one message.
func packOf(t *testing.T, s *Stream, n int) {
	t.Helper()
	p := patient(s)
	for i := range n + 1 {
		require.NoError(t, p.Tweet(t.Context(), post(i, "")))
	}
	require.NoError(t, p.Flush(t.Context()))
	require.Len(t, market.Unpack(messages(t, s, Tweets, 2)[1]), n)
}

func letters(t *testing.T, s *Stream) (ids []string) {
	t.Helper()
	require.NoError(t, s.DeadLetters(t.Context(), func(l DeadLetter) bool { ids = append(ids, idOf(t, l.Data)); return true }))
	return ids
}

// acknowledged waits until the writer has acknowledged so many messages without a gap.
func acknowledged(t *testing.T, s *Stream, n uint64) {
	t.Helper()
	require.Eventually(t, func() bool {
		at, err := s.Position(t.Context(), Tweets, Writer)
		return err == nil && at.Sequence == n
	}, time.Minute, 5*time.Millisecond)
}

// The process ends while the rest of a pack is under way of which one post was set aside: all of the pack comes again, and nothing is set
// aside twice.
func TestOnePoisonOfAPack(t *testing.T) {
	t.Parallel()
	s := alone(t)
	packOf(t, s, 64)
	stored := map[string]int{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ends := true // at the first post behind the poison
	handle := func(_ context.Context, batch []*Message) error {
		for _, m := range batch {
			switch id := idOf(t, m.Data); {
			case id == "17":
				return fmt.Errorf("%w: no", ErrPoison)
			case id == "40" && ends:
				cancel()
				return errors.New("the process ends")
			}
		}
		for _, m := range batch {
			stored[idOf(t, m.Data)]++
		}
		return nil
	}
	w := reader(t, s, 5000, handle)
	batch, err := w.fetch(t.Context())
	require.NoError(t, err)
	require.Len(t, batch, 65)
	require.EqualValues(t, 1, batch[63].Through(), "the second message is not done with")
	require.EqualValues(t, 2, batch[64].Through())
	w.process(ctx, batch)
	require.NotContains(t, stored, "40")
	require.Contains(t, stored, "16")
	acknowledged(t, s, 1)
	require.Empty(t, letters(t, s), "it is set aside with the rest's end")

	ends = false
	for from := range deliveries(batch) {
		_ = from.msg.Nak()
	}
	again, err := w.fetch(t.Context())
	require.NoError(t, err)
	require.Len(t, again, 64, "what was acknowledged does not come again")
	w.process(t.Context(), again)
	acknowledged(t, s, 2)
	require.Equal(t, []string{"17"}, letters(t, s))
	require.Len(t, stored, 64)

	// The acknowledgement is lost after the burial: the message comes once more.
	for _, m := range again {
		m.from.left++
		m.from.killed = nil
	}
	w.process(t.Context(), again)
	require.Equal(t, []string{"17"}, letters(t, s))
}

// Two posts of one pack are two letters.
func TestTwoKilledOfAPack(t *testing.T) {
	t.Parallel()
	s := alone(t)
	packOf(t, s, 10)
	w := reader(t, s, 5000, func(_ context.Context, batch []*Message) error {
		batch[3].Kill(errors.New("no"))
		batch[7].Kill(errors.New("no"))
		return nil
	})
	batch, err := w.fetch(t.Context())
	require.NoError(t, err)
	w.process(t.Context(), batch)
	require.Equal(t, []string{"3", "7"}, letters(t, s))
	acknowledged(t, s, 2)
}

// Posts of this publisher, of an earlier one, of somebody else over several lines, a pack of theirs, and nonsense.
func TestMixedMessages(t *testing.T) {
	t.Parallel()
	s := alone(t)
	packOf(t, s, 20)
	for _, text := range []string{
		`{"source":"test","id":"100","text":"}\n{"}`, "{\n  \"source\": \"test\",\n  \"id\": \"101\",\n  \"symbols\": [\n    \"BTC\"\n  ]\n}\n",
		"{\"id\":\"102\"}\r\n\r\n{\n\"id\":\"103\"\n}\n", "no {\n post", "",
	} {
		_, err := s.js.Publish(t.Context(), "tweets.other", []byte(text))
		require.NoError(t, err)
	}
	w := reader(t, s, 5000, nil)
	batch, err := w.fetch(t.Context())
	require.NoError(t, err)
	require.Len(t, batch, 27)
	for i, want := range []string{"100", "101", "102", "103"} {
		require.Equal(t, want, idOf(t, batch[21+i].Data))
		require.EqualValues(t, []uint64{3, 4, 5, 5}[i], batch[21+i].Sequence)
	}
	require.Equal(t, "no {\n post", string(batch[25].Data), "as it came")
	require.Empty(t, batch[26].Data)
}

// Packs fill a batch to its size and not beyond, once their size is known.
func TestBatchesOfPacks(t *testing.T) {
	t.Parallel()
	s := alone(t)
	p := patient(s)
	for i := range 8000 {
		require.NoError(t, p.Tweet(t.Context(), post(i, strings.Repeat("x", 300))))
	}
	require.NoError(t, p.Flush(t.Context()))
	w := reader(t, s, 1000, nil)
	for i := range 7 {
		batch, err := w.fetch(t.Context())
		require.NoError(t, err)
		if i > 0 {
			require.InDelta(t, 900, len(batch), 100)
		}
	}
	tiny := reader(t, s, 1, nil)
	batch, err := tiny.fetch(t.Context())
	require.NoError(t, err)
	require.Len(t, slicesOf(batch), 1, "one message of the stream")
}

func slicesOf(batch []*Message) (list []jetstream.Msg) {
	for from := range deliveries(batch) {
		list = append(list, from.msg)
	}
	return list
}
