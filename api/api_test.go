package api_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"rcas/api"
	"rcas/catalog"
	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// database has two hours of trades of one coin, a second apart.
func database(t *testing.T) (*store.Store, *pgxpool.Pool) {
	s := storetest.New(t)
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	require.NoError(t, s.SaveAssets(t.Context(), assets))
	_, err = s.Pool().Exec(t.Context(), `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
		SELECT TIMESTAMPTZ '2024-03-01' + n * INTERVAL '1 second', 'BTC', 'test', n::text, 60000 + n, 0.5, now() FROM generate_series(0, 7199) AS n`)
	require.NoError(t, err)
	db, err := s.Readers(t.Context(), 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return s, db
}

// get asks and returns the answer, read to its end.
func get(t *testing.T, server *httptest.Server, path string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

func serve(t *testing.T, cfg api.Config) *httptest.Server {
	server := httptest.NewServer(api.New(cfg))
	t.Cleanup(server.Close)
	return server
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	s, db := database(t)
	server := serve(t, api.Config{DB: db})
	t.Run("formats", func(t *testing.T) { requireFormats(t, server) })
	t.Run("a copy is not sent again", func(t *testing.T) { requireETag(t, server) })
	t.Run("what is wanted most", func(t *testing.T) { requireWeights(t, server) })
	t.Run("every function and view is asked", func(t *testing.T) { requireEveryQuestion(t, server, db) })
	t.Run("mistakes are explained", func(t *testing.T) { requireMistakes(t, server) })
	t.Run("whatever is asked", func(t *testing.T) { requireNoFault(t, server, db) })
	t.Run("too many rows", func(t *testing.T) { requireBoundOfRows(t, db) })
	t.Run("readers only read", func(t *testing.T) { requireReaders(t, db) })
	t.Run("events", func(t *testing.T) { requireEvents(t, server, s) })
	t.Run("the documentation", func(t *testing.T) { requireDocumented(t, server) })
	t.Run("descriptions", func(t *testing.T) { requireDescriptions(t, server) })
	t.Run("what is final may be kept", func(t *testing.T) { requireFinal(t, server, s) })
}

const candles = "/v1/candles?symbol=BTC&from=2024-03-01&to=2024-03-01T02:00Z&width=1h"

func requireFormats(t *testing.T, server *httptest.Server) {
	type candle struct {
		Bucket                         time.Time
		Open, High, Low, Close, Volume float64
		Trades                         int64
	}
	check := func(rows []candle) {
		require.Len(t, rows, 2)
		first := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
		require.Equal(t, candle{first, 60000, 63599, 60000, 63599, 1800, 3600}, rows[0])
		require.Equal(t, candle{first.Add(time.Hour), 63600, 67199, 63600, 67199, 1800, 3600}, rows[1])
	}
	var rows []candle
	response, body := get(t, server, candles)
	require.Equal(t, 200, response.StatusCode, body)
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	require.NoError(t, json.Unmarshal([]byte(body), &rows))
	check(rows)

	response, body = get(t, server, candles, "Accept", "application/x-ndjson")
	require.Equal(t, "application/x-ndjson", response.Header.Get("Content-Type"))
	rows = nil
	for line := range strings.Lines(body) {
		var row candle
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		rows = append(rows, row)
	}
	check(rows)

	_, body = get(t, server, candles+"&format=csv")
	records, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"bucket", "open", "high", "low", "close", "volume", "vwap", "trades"}, records[0])
	require.Equal(t, []string{"2024-03-01T00:00:00Z", "60000", "63599", "60000", "63599", "1800", "61799.5", "3600"}, records[1])

	_, body = get(t, server, candles+"&format=parquet")
	type parquetCandle struct {
		Bucket time.Time `parquet:"bucket,timestamp(microsecond)"`
		Close  *float64  `parquet:"close,optional"`
		Trades *int64    `parquet:"trades,optional"`
	}
	read, err := parquet.Read[parquetCandle](bytes.NewReader([]byte(body)), int64(len(body)))
	require.NoError(t, err)
	require.Len(t, read, 2)
	require.EqualValues(t, 3600, *read[0].Trades)
	require.InDelta(t, 63599, *read[0].Close, 0)

	_, body = get(t, server, candles+"&format=arrow")
	stream, err := ipc.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	batch, err := stream.Read()
	require.NoError(t, err)
	require.EqualValues(t, 2, batch.NumRows())
	require.Equal(t, time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), batch.Column(0).(*array.Timestamp).Value(0).ToTime(arrow.Microsecond))
	require.InDelta(t, 63599, batch.Column(4).(*array.Float64).Value(0), 0)
	require.EqualValues(t, 3600, batch.Column(7).(*array.Int64).Value(0))
	_, err = stream.Read()
	require.ErrorIs(t, err, io.EOF)

	_, body = get(t, server, candles+"&rows=1")
	require.NoError(t, json.Unmarshal([]byte(body), &rows))
	require.Len(t, rows, 1)
	_, body = get(t, server, "/v1/candles?symbol=ETH&from=-24h&to=now&width=5m")
	require.Equal(t, "[]\n", body)
	_, body = get(t, server, "/v1/prices_1h?symbol=BTC&from=2024-03-01&to=2024-03-01T01:00Z")
	require.NoError(t, json.Unmarshal([]byte(body), &rows))
	require.Len(t, rows, 1, "a view is filtered")
}

func requireETag(t *testing.T, server *httptest.Server) {
	response, _ := get(t, server, candles)
	etag := response.Header.Get("ETag")
	require.NotEmpty(t, etag)
	response, body := get(t, server, candles, "If-None-Match", etag)
	require.Equal(t, http.StatusNotModified, response.StatusCode)
	require.Empty(t, body)
}

func requireWeights(t *testing.T, server *httptest.Server) {
	for accept, want := range map[string]string{
		"application/json;q=0.1, text/csv":        "text/csv",
		"text/html, application/x-ndjson, */*":    "application/x-ndjson",
		"text/csv;q=0":                            "application/json",
		"Text/CSV":                                "text/csv",
		"text/html,application/xhtml+xml;q=0.9,,": "application/json",
	} {
		response, _ := get(t, server, candles, "Accept", accept)
		require.Equal(t, want, response.Header.Get("Content-Type"), accept)
	}
}

// requireFinal: a copy of what can't change by itself any more is good for an hour, of anything else for no time.
func requireFinal(t *testing.T, server *httptest.Server, s *store.Store) {
	const kept, asked = "private, max-age=3600", "private, no-cache"
	control := func(path string) string {
		response, body := get(t, server, path)
		require.Equal(t, 200, response.StatusCode, body)
		return response.Header.Get("Cache-Control")
	}
	const day = "/v1/mood_price?symbol=BTC&width=1h&from=2024-03-01"
	require.Equal(t, asked, control(day+"&to=2024-03-02"), "nothing was scored that came a week later")
	for _, sql := range []string{`INSERT INTO models (name, active) VALUES ('test', true)`,
		`INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash, text_hash, scored_at, kind)
		 VALUES ('2024-03-20', 'test', 1, 'ETH', 'test', 0, 1, 0, 0, 1, 1, false, 1, 1, now(), 'person')`} {
		_, err := s.Pool().Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	require.Equal(t, kept, control(day+"&to=2024-03-02"))
	require.Equal(t, kept, control(day+"&to=2024-03-02T00:00Z&format=parquet"))
	require.Equal(t, kept, control(day+"&to=2024-03-02T00:00:00%2B01:00&format=csv"))
	require.Equal(t, asked, control(day+"&to=now"), "other rows will come")
	require.Equal(t, asked, control(day+"&to=2024-03-02&delay=1m&as_of=-1h"))
	require.Equal(t, asked, control("/v1/candles?symbol=BTC&width=1h&from=2024-03-01&to=2024-03-02"), "it doesn't say")
	require.Equal(t, asked, control("/v1/mood_price?symbol=ETH&width=1h&from=2024-03-19&to=2024-03-21"), "a post may come late")
}

// usual are values for the arguments that have no default, or one for longer times.
var usual = url.Values{"symbol": {"BTC"}, "from": {"2024-03-01"}, "to": {"2024-03-01T02:00Z"}, "width": {"15 minutes"},
	"times": {"2024-03-01T01:00Z", "2024-03-01T01:30Z"}, "train": {"1 hour"}, "test": {"30 minutes"}, "hold": {"15 minutes"}}

func requireEveryQuestion(t *testing.T, server *httptest.Server, db *pgxpool.Pool) {
	known, err := catalog.Read(t.Context(), db)
	require.NoError(t, err)
	for _, e := range known {
		values := url.Values{"format": {"csv"}}
		for _, a := range e.Arguments {
			if (a.Required || e.View || a.Type == "interval") && usual.Has(a.Name) {
				values[a.Name] = usual[a.Name]
			}
		}
		response, body := get(t, server, "/v1/"+e.Name+"?"+values.Encode())
		require.Equal(t, 200, response.StatusCode, "%s: %s", e.Name, body)
		header, _, _ := strings.Cut(body, "\n")
		var names []string
		for _, c := range e.Columns {
			names = append(names, c.Name)
		}
		require.Equal(t, names, strings.Split(header, ","), e.Name)
		require.NotEmpty(t, e.About, e.Name)
	}
	docs, err := os.ReadFile("../docs/sql.md")
	require.NoError(t, err)
	for _, heading := range regexp.MustCompile("(?m)^## ([a-z_]+)$").FindAllStringSubmatch(string(docs), -1) {
		if name := heading[1]; name != "alerts" { // a table
			require.NotNil(t, known.Find(name), "docs/sql.md knows %s", name)
		}
	}
	require.Nil(t, known.Find("record_alerts"), "what writes is no question")
}

func requireMistakes(t *testing.T, server *httptest.Server) {
	for _, c := range []struct {
		path   string
		status int
		detail string
	}{
		{"/v1/candles", 400, "candles needs the argument symbol (text)"},
		{"/v1/candles?symbol=bitcoin&from=-1h&to=now&width=1m", 400, `unknown symbol "bitcoin". Known symbols: AAVE`},
		{"/v1/candles?symbol=BTC&from=yesterdy&to=now&width=1m", 400, "yesterdy"},
		{"/v1/candles?symbol=BTC&from=-1x&to=now&width=1m", 400, "-24h for a day ago"},
		{"/v1/candles?symbol=BTC&from=--1d&to=now&width=1m", 400, "-24h for a day ago"},
		{"/v1/candles?symbol=BTC&from=1514592000&to=now&width=1m", 400, `"1514592000". Times are written 2024-03-01T12:00Z`},
		{"/v1/candles?symbol=BTC&from=-1h&to=now&width=often", 400, "widths 5m or 1 hour"},
		{"/v1/event_study?symbol=BTC&times=-3x", 400, "-24h for a day ago"},
		{"/v1/event_study?symbol=BTC&times=2024-03-01&market=BTC", 400, "the market of BTC can't be BTC"},
		{"/v1/candles?symbol=&from=-1h&to=now&width=1m", 400, "no symbol given. Name a coin"},
		{"/v1/candles?symbol=BTC&from=2000-01-01&to=now&width=1m", 400, "one call gives at most 120000"},
		{"/v1/candles?symbol=BTC&symbol=ETH&from=-1h&to=now&width=1m", 400, "takes one value"},
		{"/v1/candles?symbol=BTC&from=-1h&to=now&width=1m&color=red", 400, `has no argument "color": it has symbol, from, to, width`},
		{"/v1/candles?symbol=BTC&from=-1h&to=now&width=1m&rows=0", 400, "write a number of rows"},
		{"/v1/candles?symbol=BTC&from=-1h&to=now&width=1m&format=xml", 400, "json, csv, ndjson, parquet, arrow"},
		{"/v1/candles?symbol=B%00C&from=-1h&to=now&width=1m", 400, ""},
		{"/v1/candles?symbol=%zz", 400, "percent-encode"},
		{"/v1/pg_sleep?seconds=10", 404, "/v1/ lists"},
		{"/v1/tweets", 404, "/v1/ lists"},
		{"/favicon.ico", 404, "nothing here"},
	} {
		response, body := get(t, server, c.path)
		require.Equal(t, c.status, response.StatusCode, "%s: %s", c.path, body)
		require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"), c.path)
		var problem struct {
			Status int
			Detail string
		}
		require.NoError(t, json.Unmarshal([]byte(body), &problem))
		require.Equal(t, c.status, problem.Status)
		require.Contains(t, problem.Detail, c.detail, c.path)
	}
	response, err := http.Post(server.URL+candles, "text/plain", nil)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
}

// requireNoFault asks what nobody expects: there is always an answer, and it never shows SQL.
func requireNoFault(t *testing.T, server *httptest.Server, db *pgxpool.Pool) {
	known, err := catalog.Read(t.Context(), db)
	require.NoError(t, err)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	wild := []string{"BTC", "", "'", `"`, "';DROP TABLE prices--", "\x00", "-1", "0", "1e309", "NaN", "infinity", "-infinity", "2024-03-01", "now", "-2h", "-9999999d",
		"5 minutes", "1 month", "-5 minutes", "99999999999999999999", "true", "{}", "{a,b}", "people", "news", "ü€😀", strings.Repeat("x", 5000), "%s", "$1", "\\"}
	for range 150 {
		e := known[random.IntN(len(known))]
		values := url.Values{}
		for _, a := range e.Arguments {
			switch {
			case random.IntN(3) == 0 && usual.Has(a.Name):
				values[a.Name] = usual[a.Name]
			case random.IntN(3) > 0:
				values[a.Name] = []string{wild[random.IntN(len(wild))]}
			}
		}
		path := "/v1/" + e.Name + "?" + values.Encode()
		response, body := get(t, server, path)
		require.Contains(t, []int{200, 400}, response.StatusCode, "%s: %s", path, body)
		if response.StatusCode == 400 {
			require.NotContains(t, body, "SELECT", path)
			require.NotContains(t, body, "::", path)
		}
	}
}

func requireBoundOfRows(t *testing.T, db *pgxpool.Pool) {
	server := serve(t, api.Config{DB: db, Rows: 10})
	response, body := get(t, server, "/v1/candles?symbol=BTC&from=2024-03-01&to=2024-03-02&width=1m")
	require.Equal(t, 400, response.StatusCode)
	require.Contains(t, body, "more than 10 rows")
	response, _ = get(t, server, "/v1/candles?symbol=BTC&from=2024-03-01&to=2024-03-01T00:10Z&width=1m")
	require.Equal(t, 200, response.StatusCode, "as many as allowed")
}

func requireReaders(t *testing.T, db *pgxpool.Pool) {
	for _, sql := range []string{`DELETE FROM prices`, `INSERT INTO models (name) VALUES ('x')`, `SELECT * FROM record_alerts()`} {
		_, err := db.Exec(t.Context(), sql)
		var denied *pgconn.PgError
		require.ErrorAs(t, err, &denied, sql)
		require.Contains(t, []string{"42501", "25006"}, denied.Code, sql)
	}
}

func requireEvents(t *testing.T, server *httptest.Server, s *store.Store) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/live/candles?symbol=BTC&width=1h&every=500ms", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	data := func() string {
		for lines.Scan() {
			if rows, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return rows
			}
		}
		t.Fatal("the stream ended", lines.Err())
		return ""
	}
	require.Equal(t, "[]", data())
	_, err = s.Pool().Exec(t.Context(), `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at) VALUES (now(), 'BTC', 'test', 'new', 4242, 1, now())`)
	require.NoError(t, err)
	require.Contains(t, data(), `"close":4242`)
	for width, want := range map[string]int{"5m": 2, "15 minutes": 2, "1 day": 2, "PT6H": 2} {
		require.Len(t, firstEvent(t, server, "/v1/live/mood_range?symbol=BTC&width="+url.QueryEscape(width)), want, "the newest two buckets of %s", width)
	}
}

// firstEvent returns the rows of a stream's first event.
func firstEvent(t *testing.T, server *httptest.Server, path string) (rows []map[string]any) {
	t.Helper()
	response, err := http.Get(server.URL + path)
	require.NoError(t, err)
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			require.NoError(t, json.Unmarshal([]byte(data), &rows))
			return rows
		}
	}
	t.Fatal(path, "has no event")
	return nil
}

func requireDescriptions(t *testing.T, server *httptest.Server) {
	_, body := get(t, server, "/v1/openapi.json")
	var openAPI struct {
		OpenAPI string
		Paths   map[string]struct {
			Get struct {
				Parameters []struct {
					Name     string
					Required bool
					Schema   map[string]any
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &openAPI))
	require.Equal(t, "3.1.0", openAPI.OpenAPI)
	mood := openAPI.Paths["/v1/mood"].Get.Parameters
	require.Equal(t, "symbol", mood[0].Name)
	require.True(t, mood[0].Required)
	require.Equal(t, "date-time", mood[1].Schema["format"])
	response, body := get(t, server, "/v1/event_study?symbol=BTC&times=-3d&times=2024-03-01")
	require.Equal(t, 200, response.StatusCode, body)
	response, body = get(t, server, "/v1/mood_index?symbol=&from=2024-03-01&to=2024-03-02&width=1h")
	require.Equal(t, 200, response.StatusCode, "of the market: %s", body)
	response, body = get(t, server, "/")
	require.Contains(t, response.Header.Get("Content-Type"), "text/html")
	require.Contains(t, body, `action="/v1/mood"`)
	require.Contains(t, body, "weighted_mood")
}

// TestDoor asks without rights.
func TestDoor(t *testing.T) {
	t.Parallel()
	_, db := database(t)
	closed := serve(t, api.Config{DB: db, Tokens: []string{"first", "second"}, Origin: "https://notebook.example"})
	for header, status := range map[string]int{"": 401, "Bearer wrong": 401, "first": 401, "Bearer first": 200, "Bearer second": 200} {
		response, _ := get(t, closed, "/v1/", "Authorization", header)
		require.Equal(t, status, response.StatusCode, header)
		require.Equal(t, status == 401, response.Header.Get("WWW-Authenticate") != "")
	}
	response, _ := get(t, closed, "/v1/", "Authorization", "Bearer first", "Origin", "https://notebook.example")
	require.Equal(t, "https://notebook.example", response.Header.Get("Access-Control-Allow-Origin"))
	response, _ = get(t, closed, "/v1/", "Authorization", "Bearer first", "Origin", "https://elsewhere.example")
	require.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))

	open := api.New(api.Config{DB: db})
	for host, status := range map[string]int{"127.0.0.1:80": 200, "localhost": 200, "[::1]:1": 200, "rebound.example": 403} {
		request := httptest.NewRequest(http.MethodGet, "http://"+host+"/v1/", nil)
		recorder := httptest.NewRecorder()
		open.ServeHTTP(recorder, request)
		require.Equal(t, status, recorder.Code, host)
	}
	err := open.Serve(t.Context(), "0.0.0.0:0", nil)
	require.ErrorContains(t, err, "set RCAS_API_TOKEN")

	slow := serve(t, api.Config{DB: db, Rate: 0.001})
	statuses := map[int]int{}
	for range 5 {
		response, _ := get(t, slow, "/v1/openapi.json")
		statuses[response.StatusCode]++
		if response.StatusCode == 429 {
			require.Equal(t, "1", response.Header.Get("Retry-After"))
		}
	}
	require.Equal(t, map[int]int{200: 1, 429: 4}, statuses, fmt.Sprint(statuses))
}

// requireDocumented asks what docs/api.md asks.
func requireDocumented(t *testing.T, server *httptest.Server) {
	docs, err := os.ReadFile("../docs/api.md")
	require.NoError(t, err)
	examples := regexp.MustCompile("```sh\ncurl '(http://127.0.0.1:8420)([^']+)'[^\n]*\n```\n\n```\n((?s:.+?))```").FindAllStringSubmatch(string(docs), -1)
	require.Len(t, examples, 3)
	for _, example := range examples {
		_, body := get(t, server, example[2])
		require.Equal(t, example[3], body, example[2])
	}
}
