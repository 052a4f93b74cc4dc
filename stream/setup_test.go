package stream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"rcas/stream"
)

// changes counts the requests that make or change streams and consumers.
func changes(t *testing.T, s *stream.Stream, during func()) (subjects []string) {
	t.Helper()
	spy, err := s.Conn().SubscribeSync("$JS.API.>")
	require.NoError(t, err)
	require.NoError(t, s.Conn().Flush())
	during()
	require.NoError(t, s.Conn().Publish("$JS.API.end", nil))
	for {
		msg, err := spy.NextMsg(time.Minute)
		require.NoError(t, err)
		if msg.Subject == "$JS.API.end" {
			require.NoError(t, spy.Unsubscribe())
			return subjects
		}
		if !strings.Contains(msg.Subject, ".INFO") {
			subjects = append(subjects, msg.Subject)
		}
	}
}

// A server whose disk is full lets in whoever will free it: nothing is written where all is as it must be.
func TestOpenWritesNothingWhereAllIsThere(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{Listen: "127.0.0.1:0"})
	require.Empty(t, changes(t, s, func() { open(t, stream.Config{URL: s.URL()}) }))
}

// Whoever only asks makes nothing, and what is not there is no error.
func TestReadOnlyMakesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{Listen: "127.0.0.1:0", ReadOnly: true})
	require.Empty(t, changes(t, s, func() {
		asking := open(t, stream.Config{URL: s.URL(), ReadOnly: true})
		backlogs, err := asking.Backlogs(t.Context())
		require.NoError(t, err)
		require.Empty(t, backlogs)
		require.Empty(t, deadLetters(t, asking))
	}))
	js, err := jetstream.New(s.Conn())
	require.NoError(t, err)
	require.Zero(t, len(drainNames(js.StreamNames(t.Context()))))
}

func drainNames(names jetstream.StreamNameLister) (all []string) {
	for name := range names.Name() {
		all = append(all, name)
	}
	return all
}

func TestWhatAnOperatorHasSetStays(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{Listen: "127.0.0.1:0"})
	js, err := jetstream.New(s.Conn())
	require.NoError(t, err)
	tweets := admin(t, s, stream.Tweets)
	theirs := tweets.CachedInfo().Config
	theirs.MaxBytes, theirs.Description, theirs.Subjects = 1<<20, "ours", append(theirs.Subjects, "archive.>")
	theirs.Duplicates, theirs.MaxMsgSize = time.Minute, 900_000
	_, err = js.UpdateStream(t.Context(), theirs)
	require.NoError(t, err)
	consumer, err := tweets.Consumer(t.Context(), stream.Writer)
	require.NoError(t, err)
	slow := consumer.CachedInfo().Config
	slow.AckWait, slow.MaxAckPending = time.Minute, 1000
	_, err = tweets.UpdateConsumer(t.Context(), slow)
	require.NoError(t, err)

	open(t, stream.Config{URL: s.URL()})
	open(t, stream.Config{URL: s.URL(), ReadOnly: true})
	require.Equal(t, theirs, admin(t, s, stream.Tweets).CachedInfo().Config)
	consumer, err = tweets.Consumer(t.Context(), stream.Writer)
	require.NoError(t, err)
	require.Equal(t, slow, consumer.CachedInfo().Config)

	// What would lose messages is set right, and what the settings say is done.
	theirs.Discard, theirs.Subjects = jetstream.DiscardOld, []string{"archive.>"}
	_, err = js.UpdateStream(t.Context(), theirs)
	require.NoError(t, err)
	slow.MaxDeliver, slow.FilterSubject = 3, "tweets.reddit"
	_, err = tweets.UpdateConsumer(t.Context(), slow)
	require.NoError(t, err)
	open(t, stream.Config{URL: s.URL(), MaxBytes: 2 << 20})
	have := admin(t, s, stream.Tweets).CachedInfo().Config
	require.Equal(t, jetstream.DiscardNew, have.Discard)
	require.ElementsMatch(t, []string{"archive.>", "tweets.>"}, have.Subjects)
	require.EqualValues(t, 2<<20, have.MaxBytes)
	require.Equal(t, "ours", have.Description)
	consumer, err = tweets.Consumer(t.Context(), stream.Writer)
	require.NoError(t, err)
	require.Equal(t, -1, consumer.CachedInfo().Config.MaxDeliver)
	require.Empty(t, consumer.CachedInfo().Config.FilterSubject)
	require.Equal(t, time.Minute, consumer.CachedInfo().Config.AckWait)
}
