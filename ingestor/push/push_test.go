package push_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
	"rcas/ingestor/push"
	"rcas/market"
	"rcas/stream"
)

// openStream starts a real NATS server and the door to it.
func openStream(t *testing.T) (*stream.Stream, *ingestor.Door) {
	t.Helper()
	s, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	return s, ingestor.NewDoor(ingestor.DoorConfig{
		Stream: s, Matcher: market.NewMatcher(assets), Known: func(symbol string) bool { return symbol != "NOPE" },
	})
}

// run serves until stop is called, which returns what Run returned.
func run(t testing.TB, cfg push.Config, sink ingestor.Sink) (p *push.Push, stop func() error) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	p, err := push.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, sink) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	require.Eventually(t, func() bool {
		if cfg.NATS == nil {
			return true
		}
		_, err := cfg.NATS.Request("input.ready", nil, time.Minute)
		return err == nil
	}, time.Minute, time.Millisecond)
	return p, stop
}

func send(t testing.TB, p *push.Push, path, body string, header ...string) (int, push.Answer) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+p.Addr()+path, strings.NewReader(body))
	require.NoError(t, err)
	return do(t, r, header...)
}

func do(t testing.TB, r *http.Request, header ...string) (int, push.Answer) {
	t.Helper()
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"), "%s", text)
	return answer.StatusCode, decode(t, text)
}

func decode(t testing.TB, text []byte) (a push.Answer) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&a), "%s", text)
	return a
}

// stored returns the messages of a stream by their key, once there are as many as wanted.
func stored[T any](t *testing.T, s *stream.Stream, name string, want int, key func(*T) string) map[string]T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	all := map[string]T{}
	n := 0
	err := s.Consume(ctx, name, stream.Writer, stream.Batch{Size: 100, Age: 10 * time.Millisecond},
		func(_ context.Context, batch []*stream.Message) error {
			for _, m := range batch {
				v := new(T)
				require.NoError(t, json.Unmarshal(m.Data, v))
				all[key(v)] = *v
			}
			if n += len(batch); n >= want {
				cancel()
			}
			return nil
		})
	require.NoError(t, err)
	require.Equal(t, want, n)
	return all
}

const (
	aPost  = `{"id":"1","created_at":"2024-05-01T00:00:00Z","text":"bitcoin is great","lang":"en"}`
	aPrice = `{"symbol":"BTC","time":"2024-05-01T00:00:00Z","price":60000,"volume":0.5,"trade_id":"1"}`
)

func TestWhatIsAnsweredIsInTheStream(t *testing.T) {
	t.Parallel()
	s, door := openStream(t)
	p, stop := run(t, push.Config{NATS: s.Conn()}, door)

	status, a := send(t, p, "/posts/telegram", strings.Join([]string{
		aPost, `{"id":"2","source":"forum","time":1714521600,"text":"$ETH falls","username":"ann","followers":3}`, `{"id":`, ``,
		`{"id":"3","time":1714521600,"text":"nothing of the kind"}`, `{"id":"4","time":"2199-01-01","text":"bitcoin"}`,
		`{"id":"5","source":"a b","time":1714521600,"text":"bitcoin"}`,
		`{"id":"6","source":"\u0000","time":1714521600,"text":"bitcoin"}`,
	}, "\r\n"))
	require.Equal(t, http.StatusOK, status)
	require.EqualValues(t, 7, a.Read)
	require.EqualValues(t, 2, a.Accepted)
	require.Equal(t, map[string]int64{"malformed": 1, "unmapped": 1, "future": 1, "bad name": 2}, a.Dropped)
	require.Contains(t, a.First["malformed"], "line 3: ")
	require.Equal(t, "line 5", a.First["unmapped"])
	require.Contains(t, a.First["bad name"], `line 7: "a b"`)

	status, a = send(t, p, "/prices", strings.Join([]string{
		aPrice, `{"symbol":"NOPE","time":1714521600,"price":1}`, `{"symbol":"BTC","time":1714521600,"price":-1}`,
	}, "\n"))
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, push.Answer{
		Read: 3, Accepted: 1, Dropped: map[string]int64{"unknown symbol": 1, "bad price": 1},
		First: map[string]string{"unknown symbol": "line 2", "bad price": "line 3"},
	}, a)

	for subject, line := range map[string]string{
		"input.posts": aPost, "input.posts.irc.freenode": aPost + "\n" + aPost, "input.prices": aPrice, "input.prices.otc": aPrice,
	} {
		reply, err := s.Conn().Request(subject, []byte(line), time.Minute)
		require.NoError(t, err)
		n := int64(strings.Count(line, "\n") + 1)
		require.Equal(t, push.Answer{Read: n, Accepted: n}, decode(t, reply.Data), subject)
	}
	for subject, want := range map[string]string{
		"input.news": "input.posts", "input.posts.a$": "1 to 64", "input.prices.x": "nothing of it",
	} {
		reply, err := s.Conn().Request(subject, []byte("x"), time.Minute)
		require.NoError(t, err)
		require.Contains(t, decode(t, reply.Data).Error, want)
	}
	require.NoError(t, stop())

	posts := stored(t, s, stream.Tweets, 5, func(m *market.Tweet) string { return m.Source + "/" + m.ID })
	require.Len(t, posts, 4)
	require.Equal(t, []string{"BTC"}, posts["telegram/1"].Symbols)
	require.Equal(t, "ann", posts["forum/2"].Author)
	require.Contains(t, posts, "push/1")
	require.Contains(t, posts, "irc.freenode/1")
	prices := stored(t, s, stream.Prices, 3, func(m *market.Price) string { return m.Venue + "/" + m.Symbol + "/" + m.TradeID })
	require.Len(t, prices, 2)
	require.Equal(t, 60000.0, prices["push/BTC/1"].Price)
	require.Contains(t, prices, "otc/BTC/1")
}

func TestEveryLineIsCountedOnce(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s, door := openStream(t)
	p, stop := run(t, push.Config{NATS: s.Conn()}, door)
	var senders sync.WaitGroup
	total := 0
	for sender := range 8 {
		var lines []string
		want := push.Answer{Dropped: map[string]int64{}}
		for i := range 1 + rng.IntN(400) {
			good := fmt.Sprintf(`{"id":"%d-%d","time":1714521600,"text":"bitcoin %d"}`, sender, i, i)
			switch line, reason := good, ""; rng.IntN(6) {
			case 0:
				line, reason = good[:1+rng.IntN(len(good)-2)], "malformed"
				fallthrough
			default:
				lines = append(lines, line)
				if want.Read++; reason != "" {
					want.Dropped[reason]++
				} else {
					want.Accepted++
				}
			case 1:
				lines = append(lines, "", strings.Repeat(" ", rng.IntN(99)))
			case 2:
				lines = append(lines, `{"id":"x","time":1,"text":"bitcoin"}`)
				want.Read++
				want.Dropped["ancient"]++
			}
		}
		lines = append(lines, fmt.Sprintf(`{"id":"%d","time":1714521600,"text":"bitcoin"}`, sender))
		want.Read++
		want.Accepted++
		total += int(want.Accepted)
		senders.Go(func() {
			body, got := strings.Join(lines, "\n"), push.Answer{}
			if sender%2 == 0 {
				_, got = send(t, p, "/posts", body)
			} else if reply, err := s.Conn().Request("input.posts", []byte(body), time.Minute); err != nil {
				t.Error(err)
			} else {
				got = decode(t, reply.Data)
			}
			if got.First = nil; len(want.Dropped) == 0 {
				want.Dropped = nil
			}
			if fmt.Sprint(want) != fmt.Sprint(got) {
				t.Errorf("sender %d: want %+v, got %+v", sender, want, got)
			}
		})
	}
	senders.Wait()
	require.NoError(t, stop())
	require.Len(t, stored(t, s, stream.Tweets, total, func(m *market.Tweet) string { return m.ID }), total)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	sink := feedtest.NewSink()
	open, _ := run(t, push.Config{MaxBody: 1000}, sink)
	closed, _ := run(t, push.Config{Token: "secret"}, sink)
	for _, c := range []struct {
		p          *push.Push
		path, body string
		header     []string
		status     int
		want       string
	}{
		{open, "/posts", "", nil, 400, "no line"},
		{open, "/posts", " \n\n", nil, 400, "no line"},
		{open, "/prices", aPost, nil, 400, "nothing of it can be read"},
		{open, "/posts/a%2Fb", aPost, nil, 400, "1 to 64"},
		{open, "/posts/" + strings.Repeat("x", 65), aPost, nil, 400, "1 to 64"},
		{open, "/", aPost, nil, 404, "/posts"},
		{open, "/posts/a/b", aPost, nil, 404, "/posts"},
		{open, "/posts", aPost, []string{"Content-Encoding", "br"}, 415, "gzip, deflate, zstd"},
		{open, "/posts", "\x82\xa4date\xcb", []string{"Content-Type", "application/msgpack"}, 415, "format json"},
		{open, "/posts", "text%3Dbitcoin", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "--data-binary"},
		{open, "/posts", packed(strings.Repeat(" ", 2000)), nil, 413, "unpacked"},
		{open, "/posts", packed(aPost)[:40], nil, 400, "broke off"},
		{open, "/posts", aPost + strings.Repeat("\n", 1000), nil, 413, "smaller"},
		{open, "/posts", aPost, []string{"Host", "rebound.example:7470"}, 403, "loopback"},
		{open, "/posts", aPost, []string{"Origin", "https://page.example"}, 403, "web pages"},
		{open, "/posts", aPost, []string{"Sec-Fetch-Site", "cross-site"}, 403, "web pages"},
		{closed, "/posts", aPost, nil, 401, "RCAS_PUSH_TOKEN"},
		{closed, "/posts", aPost, []string{"Authorization", "Bearer secre"}, 401, "Bearer"},
		{closed, "/posts", aPost, []string{"Authorization", "Basic secret"}, 401, "Bearer"},
		{closed, "/nothing", aPost, nil, 401, "Bearer"},
		{closed, "/posts", aPost, []string{"Authorization", "bearer secret", "Host", "rcas.example"}, 200, ""},
		{open, "/posts", aPost, []string{"Host", "localhost:1"}, 200, ""},
	} {
		status, a := send(t, c.p, c.path, c.body, c.header...)
		require.Equal(t, c.status, status, "%+v: %+v", c, a)
		require.Contains(t, a.Error, c.want)
		require.NotContains(t, a.Error, "secret")
	}
	r, err := http.NewRequest(http.MethodGet, "http://"+open.Addr()+"/posts", nil)
	require.NoError(t, err)
	status, a := do(t, r)
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.Contains(t, a.Error, "POST")

	_, err = push.New(push.Config{Listen: "0.0.0.0:0"})
	require.ErrorContains(t, err, "RCAS_PUSH_TOKEN")
	_, err = push.New(push.Config{Listen: "somewhere"})
	require.ErrorContains(t, err, "host:port")
	_, err = push.New(push.Config{Listen: "http://" + open.Addr() + "/"})
	require.ErrorContains(t, err, "another rcas")
}

// A line or body beyond the bounds costs nothing of what came before.
func TestWhatCameBeforeTheBoundIsTaken(t *testing.T) {
	t.Parallel()
	sink := feedtest.NewSink()
	p, _ := run(t, push.Config{MaxBody: 3 << 20}, sink)
	status, a := send(t, p, "/posts", aPost+"\n"+strings.Repeat("x", 2<<20)+"\n"+strings.Replace(aPost, "1", "2", 1))
	require.Equal(t, http.StatusOK, status, a)
	require.EqualValues(t, 2, a.Accepted)
	require.Equal(t, map[string]int64{"line too long": 1}, a.Dropped)

	status, a = send(t, p, "/posts", strings.Repeat(aPost+"\n", 40_000))
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	require.Greater(t, a.Accepted, int64(30_000))

	for timeout := time.Second; a.Accepted != 1; timeout *= 4 { // on a loaded machine, the first line may need more
		require.Less(t, timeout, 2*time.Minute)
		p, _ = run(t, push.Config{Timeout: timeout}, sink)
		body, feeder := io.Pipe() // stays open: the body never ends
		go func() { _, _ = feeder.Write([]byte(aPost + "\n")) }()
		r, err := http.NewRequest(http.MethodPost, "http://"+p.Addr()+"/posts/slow", body)
		require.NoError(t, err)
		status, a = do(t, r)
		feeder.Close()
		require.Equal(t, http.StatusRequestTimeout, status)
	}
	require.True(t, sink.HasTweet("slow", "1"))
}

// A request under way when the source is to stop is answered; later ones find nobody.
func TestStopAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	sink := feedtest.NewSink()
	taken := make(chan struct{}, 10)
	sink.Pause = func() { taken <- struct{}{} }
	p, stop := run(t, push.Config{Grace: time.Minute}, sink)
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer conn.Close()
	body := aPost + "\n" + strings.Replace(aPost, "1", "2", 1) + "\n"
	cut := len(aPost) + 4
	_, err = fmt.Fprintf(conn, "POST /posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:cut])
	require.NoError(t, err)
	<-taken
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", p.Addr())
		if err == nil {
			c.Close()
		}
		return err != nil
	}, time.Minute, time.Millisecond, "new requests are still taken")
	_, err = conn.Write([]byte(body[cut:]))
	require.NoError(t, err)
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(text), "HTTP/1.1 200 OK")
	require.Contains(t, string(text), `{"read":2,"accepted":2}`)
	require.NoError(t, <-stopped)
}

// Where the stream is gone, nobody is told that something is safe.
func TestNothingIsSafeWithoutTheStream(t *testing.T) {
	t.Parallel()
	s, door := openStream(t)
	p, err := push.New(push.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(t.Context(), door) }()
	s.Close()
	status, a := send(t, p, "/posts", aPost)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Zero(t, a.Accepted)
	require.Contains(t, a.Error, "later")
	require.ErrorIs(t, <-ended, stream.ErrNotStored)
}

func FuzzHandler(f *testing.F) {
	sink := feedtest.NewSink()
	p, _ := run(f, push.Config{MaxBody: 1 << 20}, sink)
	f.Add(true, "telegram", aPost+"\n{}\n"+aPost)
	f.Add(false, "otc", aPrice+"\n\n[1]\n"+aPrice)
	f.Add(true, "x", `{"data":[{"id":"1","text":"btc","created_at":"2024-05-01T00:00:00Z"},{"id":"2"}]}`)
	f.Add(false, "\x00", "{\"symbol\":\"\xff\",\"time\":1e99,\"price\":\"NaN\"}")
	f.Fuzz(func(t *testing.T, isPost bool, name, body string) {
		r, err := http.NewRequest(http.MethodPost, "http://"+p.Addr()+"/", strings.NewReader(body))
		require.NoError(t, err)
		kind := "/prices/"
		if isPost {
			kind = "/posts/"
		}
		r.URL.Path = kind + strings.NewReplacer("/", "", ".", "").Replace(name) + "x"
		status, a := do(t, r)
		require.Contains(t, []int{200, 400, 503}, status, "%+v", a)
		require.Equal(t, status != 200, a.Error != "")
		sum := a.Accepted
		for _, n := range a.Dropped {
			sum += n
		}
		if status != 503 {
			require.Equal(t, a.Read, sum)
		}
	})
}

// Whoever supervises it may run it again: it listens on the same address.
func TestRunAgain(t *testing.T) {
	t.Parallel()
	p, err := push.New(push.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx, feedtest.NewSink()) }()
		var status int
		require.Eventually(t, func() bool {
			response, err := http.Post("http://"+p.Addr()+"/posts", "", strings.NewReader(aPost))
			if err != nil {
				return false
			}
			response.Body.Close()
			status = response.StatusCode
			return true
		}, time.Minute, 10*time.Millisecond)
		require.Equal(t, http.StatusOK, status)
		cancel()
		require.NoError(t, <-ended)
	}
}

func packed(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	w.Close()
	return out.String()
}

// TestWhatShippersSend: each way in which log shippers and scripts send the same two posts, or none of them, brings both.
func TestWhatShippersSend(t *testing.T) {
	t.Parallel()
	one, two := `{"id":"1","time":"2024-05-01T00:00:00Z","text":"btc up"}`, `{"id":"2","time":1714521600,"text":"eth \"down\""}`
	both := one + "\n" + two + "\n"
	quoted := func(text string) string {
		value, err := json.Marshal(text)
		require.NoError(t, err)
		return string(value)
	}
	other := func(pack func(io.Writer) io.WriteCloser) string {
		var out bytes.Buffer
		w := pack(&out)
		_, err := w.Write([]byte(both))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return out.String()
	}
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	for _, text := range []string{one, two} {
		file, err := parts.CreateFormFile("file", "posts.ndjson")
		require.NoError(t, err)
		_, err = file.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, parts.Close())
	utf16 := "\xFF\xFE"
	for _, c := range both {
		utf16 += string([]byte{byte(c), 0})
	}
	zlibbed := other(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	deflated := other(func(w io.Writer) io.WriteCloser { d, _ := flate.NewWriter(w, 6); return d })
	zstandard := other(func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z })
	for name, c := range map[string]struct {
		body   string
		header []string
	}{
		"lines":                       {both, []string{"Content-Type", "application/x-ndjson"}},
		"another content type":        {both, []string{"Content-Type", "application/msgpack"}},
		"curl -d":                     {one + two, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"curl -F":                     {form.String(), []string{"Content-Type", parts.FormDataContentType()}},
		"byte order mark":             {"\uFEFF" + strings.ReplaceAll(both, "\n", "\r\n"), nil},
		"UTF-16":                      {utf16, nil},
		"array":                       {"[" + one + "," + two + "]", []string{"Content-Type", "application/json"}},
		"arrays, a line each":         {"[" + one + "]\n[" + two + "]\n", nil},
		"gzip":                        {packed(both), []string{"Content-Encoding", "gzip"}},
		"gzip, not said":              {packed(both), nil},
		"gzip said, unpacked already": {both, []string{"Content-Encoding", "gzip"}},
		"deflate":                     {zlibbed, []string{"Content-Encoding", "deflate"}},
		"deflate, bare":               {deflated, []string{"Content-Encoding", "deflate"}},
		"zstd":                        {zstandard, []string{"Content-Encoding", "zstd"}},
		"Vector":                      {`[{"message":` + quoted(one) + `,"timestamp":"2026-01-01T00:00:00Z","host":"a"},{"message":` + two + `}]`, nil},
		"Fluent Bit":                  {`{"date":1714521600.5,"log":` + quoted(one+"\n") + `}{"date":1714521600.5,"log":` + quoted(two) + `}`, nil},
		"Logstash":                    {`[{"@timestamp":"2026-01-01T00:00:00Z","message":` + quoted(one) + `,"event":{"original":` + quoted(one) + `}},` + two + `]`, nil},
		"Promtail":                    {`{"streams":[{"stream":{"job":"x"},"values":[["1714521600000000000",` + quoted(one) + `],["2",` + quoted(two) + `]]}]}`, nil},
		"Telegraf": {`{"metrics":[{"name":"tail","timestamp":1714521600,"tags":{"host":"a"},"fields":{"value":` + quoted(one) + `}},` +
			`{"name":"posts","timestamp":1714521600,"tags":{},"fields":` + two + `}]}`, nil},
		"names of logs": {`{"id":"1","@timestamp":"2024-05-01T00:00:00Z","message":"btc up"}` + "\n" + `{"id":"2","timestamp":1714521600,"content":"eth \"down\""}`, nil},
		"one name of logs": {`{"id":"1","timestamp":"2024-05-01T00:00:00Z","text":"btc up","body":null}` + "\n" +
			`{"id":"2","time":1714521600,"text":null,"message":"eth \"down\""}`, nil},
	} {
		sink := feedtest.NewSink()
		p, _ := run(t, push.Config{}, sink)
		status, a := send(t, p, "/posts/shipped", c.body, c.header...)
		require.Equal(t, http.StatusOK, status, "%s: %+v", name, a)
		require.Equal(t, push.Answer{Read: 2, Accepted: 2}, a, name)
		posts := sink.Tweets()
		require.Equal(t, "btc up", posts["shipped/1"].Text, name)
		require.Equal(t, `eth "down"`, posts["shipped/2"].Text, name)
		require.Equal(t, time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), posts["shipped/1"].Time, name)
		require.Equal(t, feed.Reading, p.Report().State)
	}
}

// TestAnswersSayWhatToChange: names no type of Go's, and what to do.
func TestAnswersSayWhatToChange(t *testing.T) {
	t.Parallel()
	sink := feedtest.NewSink()
	sink.Clock = time.Now
	p, _ := run(t, push.Config{}, sink)
	for body, want := range map[string]string{
		`{"id":"1","text":"btc"}`:                     "tell it as time",
		`{"id":"1","time":1714521600}`:                "tell it as text",
		`{"time":1714521600,"text":"btc"}`:            "give it an id",
		`{"id":"1","time":1714521600,"text":["btc"]}`: `"text" is a array, which it cannot be`,
		`{"id":"1","text":"btc","time":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`: "ahead of this machine's clock",
		`{"id":"1","text":"btc","time":"soon"}`:                                                         "soon",
		`{"hello":"world"}`:                                                                             "a post has id, time and text",
	} {
		_, a := send(t, p, "/posts", body)
		require.Len(t, a.First, 1, body)
		for _, said := range a.First {
			require.Contains(t, said, want)
			require.NotContains(t, said, "Go ")
		}
	}
}
