package exchangetest

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed/feedtest"
)

// Recording is a series of messages as a venue sent them, and what is known of them.
type Recording struct {
	// Feed is the path of the WebSocket endpoint, Listing what the REST endpoint answers when asked for its products.
	Feed    string
	Listing any
	Symbols []string
	// Messages in the order received, and how many trades they hold.
	Messages [][]byte
	Trades   int
}

// Replay sends a recording through the real client and returns what it stored. The REST endpoint knows of no trades.
func Replay(t *testing.T, rec Recording, source func(exchange.Config) *exchange.Source) *feedtest.Sink {
	t.Helper()
	sink := feedtest.NewSink()
	server := feedtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			writeJSON(w, http.StatusOK, rec.Listing)
			return
		}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		go func() {
			for _, message := range rec.Messages {
				if ws.Write(r.Context(), websocket.MessageText, message) != nil {
					return
				}
			}
		}()
		for err == nil { // the subscription, and then until the client leaves
			_, _, err = ws.Read(r.Context())
		}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	config := exchange.Config{
		URL:     "ws" + strings.TrimPrefix(server.URL, "http") + strings.TrimSuffix(rec.Feed, "/stream"),
		RESTURL: server.URL, Symbols: rec.Symbols, HTTP: server.Client(),
		Timing: exchange.Timing{Requests: 1000, Settle: time.Hour},
	}
	began := time.Now()
	go func() { ended <- source(config).Run(ctx, sink) }()
	require.Eventually(t, func() bool { return sink.Counters()["taken"] >= int64(rec.Trades) }, 2*time.Minute, time.Millisecond,
		"%d of %d trades came", sink.Counters()["taken"], rec.Trades)
	took := time.Since(began)
	cancel()
	require.NoError(t, <-ended)
	require.Empty(t, sink.Conflicts())
	t.Logf("%d messages, %d stored, in %s (%.0f/s): %s", len(rec.Messages), len(sink.Prices()), took.Round(time.Millisecond),
		float64(len(rec.Messages))/took.Seconds(), feedtest.Line(sink.Counters()))
	return sink
}

// Recordings names the environment variable of the directory that holds recordings of the real venues; without it only the
// samples of the tests are replayed.
const Recordings = "RCAS_FEED_RECORDINGS"

// Lines hands every line of a recording that is named so in the directory, if there is one, to take.
func Lines(t *testing.T, name string, take func(line []byte)) {
	t.Helper()
	dir := os.Getenv(Recordings)
	if dir == "" {
		return
	}
	file, err := os.Open(filepath.Join(dir, name))
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		take(append([]byte(nil), lines.Bytes()...))
	}
	require.NoError(t, lines.Err())
}

// Captured is a line of a recording of several venues.
type Captured struct {
	Exchange string          `json:"exchange"`
	Message  json.RawMessage `json:"msg"`
}
