package archive

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// columnsOf writes rows as a Parquet file.
func columnsOf[T any](t testing.TB, rows []T, options ...parquet.WriterOption) string {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, options...)
	_, err := w.Write(rows)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// strings as a Parquet file: what a table says in text, in columns.
func columnsOfText(t testing.TB, records [][]string) string {
	t.Helper()
	group := parquet.Group{}
	for _, name := range records[0] {
		group[name] = parquet.Optional(parquet.String())
	}
	schema := parquet.NewSchema("table", group)
	var b bytes.Buffer
	w := parquet.NewWriter(&b, schema)
	for _, record := range records[1:] {
		row := make(parquet.Row, 0, len(record))
		for i, path := range schema.Columns() {
			value := parquet.NullValue().Level(0, 0, i)
			for at, name := range records[0] {
				if name == path[0] && record[at] != "" {
					value = parquet.ValueOf(record[at]).Level(0, 1, i)
				}
			}
			row = append(row, value)
		}
		_, err := w.WriteRows([]parquet.Row{row})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String()
}

// Each format of tables with names says the same in columns: no reader looks at a column that it hasn't asked for.
func TestFormatsInColumns(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, f := range formats {
		for i, s := range samples[f.name] {
			in := csv.NewReader(strings.NewReader(s.text))
			if f.table == nil || s.refused != "" || strings.HasPrefix(s.text, "[") || f == yahooFrame {
				continue
			}
			if strings.HasPrefix(s.text, "id;") || strings.HasPrefix(s.text, "timeOpen;") {
				in.Comma = ';'
			} else if strings.Contains(s.text, "\t") {
				in.Comma = '\t'
			}
			records, err := in.ReadAll()
			require.NoError(t, err, s.text)
			if h := newHeader(records[0]); !f.table(h) {
				continue // it has no names
			}
			tried++
			t.Run(fmt.Sprintf("%s %d", f.name, i), func(t *testing.T) {
				t.Parallel()
				cfg := s.cfg
				cfg.Paths = []string{write(t, s.file, columnsOfText(t, records))}
				sink, stats := replay(t, cfg)
				require.Empty(t, stats.Errors)
				want := strings.ReplaceAll(strings.Join(s.want, "|"), "\r\n", "\n") // as the reader of CSV above takes them
				require.Equal(t, strings.Split(want, "|"), said(sink))
			})
		}
	}
	require.Greater(t, tried, 10)
}

// framePost is a post as pandas and Hugging Face keep them.
type framePost struct {
	ID       int64     `parquet:"id,snappy"`
	Text     string    `parquet:"text,zstd"`
	Lang     string    `parquet:"lang,dict,gzip"`
	At       time.Time `parquet:"created_at,timestamp(nanosecond),brotli"`
	Likes    *float64  `parquet:"like_count,optional"`
	Replies  *int32    `parquet:"reply_count,optional"`
	Hashtags []string  `parquet:"hashtags,list"`
	User     struct {
		Name string `parquet:"username"`
	} `parquet:"user"`
	Index int64 `parquet:"__index_level_0__"`
}

func TestParquetPosts(t *testing.T) {
	t.Parallel()
	var rows []framePost
	var want []string
	for i := range 3000 {
		post := framePost{
			ID: 1391634747986694145 + int64(i), Text: fmt.Sprintf("coins &amp; tulips %d", i), Lang: []string{"en", "de"}[i%2],
			At: time.Date(2024, 5, 1, 12, 0, 0, 123456789, time.UTC).Add(time.Duration(i) * time.Second), Index: int64(i),
		}
		post.User.Name = "anna"
		if i%3 == 0 {
			likes := float64(i)
			post.Likes = &likes
			post.Hashtags = []string{"a", "b"}
		}
		rows = append(rows, post)
		want = append(want, fmt.Sprintf("twitter %d %s anna coins & tulips %d", post.ID, post.At.Format("2006-01-02T15:04:05.999Z"), i))
	}
	file := columnsOf(t, rows, parquet.PageBufferSize(4<<10), parquet.MaxRowsPerRowGroup(1100))
	sink, stats := replay(t, Config{Paths: []string{write(t, "train-00000-of-00001.parquet", file)}})
	require.Empty(t, stats.Errors)
	require.Equal(t, want, said(sink))
	require.EqualValues(t, 9, sink.tweets[9].FavoriteCount)
	require.Zero(t, sink.tweets[10].FavoriteCount)
	require.Equal(t, "de", sink.tweets[11].Lang)

	t.Run("within a zip file", func(t *testing.T) {
		t.Parallel()
		inside, stats := replay(t, Config{Paths: []string{write(t, "archive.zip", zipped(t, zipDeflated, "a/tweets.parquet", file))}})
		require.Empty(t, stats.Errors)
		require.Equal(t, want, said(inside))
	})
	t.Run("cut off", func(t *testing.T) {
		t.Parallel()
		_, stats, _ := readFrom(t, "a.parquet", strings.NewReader(file[:len(file)/2]))
		require.Len(t, stats.Errors, 1)
		require.Contains(t, stats.Errors[0], "its end is missing")
	})
	t.Run("a page that is broken", func(t *testing.T) {
		t.Parallel()
		broken := []byte(file)
		copy(broken[len(broken)/2:], strings.Repeat("x", 200))
		sink, stats, _ := readFrom(t, "a.parquet", bytes.NewReader(broken))
		require.Len(t, stats.Errors, 1)
		require.Contains(t, stats.Errors[0], "amaged")
		require.Less(t, len(sink.tweets), len(want))
	})
}

// frameBar is a bar as pandas keeps it, with the time as an index of no name.
type frameBar struct {
	Open   float64 `parquet:"open"`
	High   float64 `parquet:"high"`
	Low    float64 `parquet:"low"`
	Close  float64 `parquet:"close"`
	Volume float64 `parquet:"volume"`
	Index  int64   `parquet:"__index_level_0__,timestamp(microsecond)"`
}

func TestParquetBars(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	file := columnsOf(t, []frameBar{{5, 7, 3, 6, 2, at.UnixMicro()}, {6, 6, 6, 6, 0, at.Add(time.Minute).UnixMicro()}, {math.NaN(), math.NaN(), math.NaN(), math.NaN(), 0,
		at.Add(2 * time.Minute).UnixMicro()}})
	sink, stats := replay(t, Config{Paths: []string{write(t, "ETH-USDT-1m.parquet", file)}})
	require.Empty(t, stats.Errors)
	want := minuteBars("archive", 5, 3, 7, 6, 2)
	for i := range want {
		want[i] = strings.Replace(want[i], "BTC", "ETH", 1)
	}
	require.Equal(t, want, said(sink)[:4])
	require.Len(t, sink.prices, 8)
	require.EqualValues(t, 1, stats.Drops[reasonNoTrade].Count)
}

// What values are written as.
func TestParquetFields(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	type row struct {
		Zone   int64   `parquet:"a_zone,timestamp(millisecond)"`
		Nano   int64   `parquet:"b_nano,timestamp(nanosecond:local)"`
		Date   int64   `parquet:"date,timestamp(microsecond:local)"`
		Day    int32   `parquet:"d_day,date"`
		Price  int64   `parquet:"e_price,decimal(2:18)"`
		Float  float64 `parquet:"f_float"`
		Single float32 `parquet:"g_single"`
		Nobody float64 `parquet:"h_nan"`
		Big    float64 `parquet:"i_id"`
		Uint   uint64  `parquet:"j_uint"`
		Yes    bool    `parquet:"k_yes"`
		Bytes  []byte  `parquet:"l_bytes"`
		Bit    int8    `parquet:"m_int8,int(8)"`
	}
	file := columnsOf(t, []row{{at.UnixMilli(), at.UnixNano() + 1, at.UnixMicro(), 19844, -5, 0.1, 0.1, math.NaN(), 1.391634747986694e18, math.MaxUint64, true, []byte("ä"), -1}})
	rows, err := openParquet(strings.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	require.NoError(t, rows.choose(nil))
	record, number, err := rows.next()
	require.NoError(t, err)
	require.Equal(t, 1, number)
	require.Equal(t, []string{"2024-05-01T00:00:00Z", "2024-05-01T00:00:00.000000001", "2024-05-01", "2024-05-01", "-0.05", "0.1", "0.1", "",
		"1.391634747986694e+18", "18446744073709551615", "true", "ä", "-1"}, record)
}

// Ids that a frame has made numbers with a point of are told from those that it has rounded.
func TestParquetFloatIDs(t *testing.T) {
	t.Parallel()
	type row struct {
		ID   float64 `parquet:"tweet_id"`
		Text string  `parquet:"text"`
		Date string  `parquet:"date"`
	}
	file := columnsOf(t, []row{{12345, "coins", "2024-05-01 12:00:00+00:00"}, {1.391634747986694e18, "coins", "2024-05-01 12:00:00+00:00"}})
	sink, stats := replay(t, Config{Paths: []string{write(t, "a.parquet", file)}})
	require.Equal(t, []string{"twitter 12345 2024-05-01T12:00:00Z  coins"}, said(sink))
	require.Contains(t, stats.Drops[reasonNoID].First, "rounded")
}

// A file whose pages are larger than what may be held is refused before a row of it is read.
func TestParquetLargePages(t *testing.T) {
	t.Parallel()
	type row struct {
		Text string    `parquet:"text,plain"`
		ID   int64     `parquet:"id"`
		At   time.Time `parquet:"created_at,timestamp"`
	}
	text := strings.Repeat("coins ", 1000)
	var rows []row
	for i := range 8000 {
		rows = append(rows, row{text, int64(i), time.Unix(1714564800, 0)})
	}
	sink := &recorder{}
	err := New(Config{Paths: []string{write(t, "a.parquet", columnsOf(t, rows, parquet.PageBufferSize(1<<30)))}}).Run(t.Context(), sink)
	require.ErrorContains(t, err, "row_group_size")
	require.Empty(t, sink.tweets)
}

func TestParquetOfNothingKnown(t *testing.T) {
	t.Parallel()
	type row struct{ Colour string }
	err := New(Config{Paths: []string{write(t, "a.parquet", columnsOf(t, []row{{"red"}}))}}).Run(t.Context(), &recorder{})
	require.ErrorContains(t, err, "columns of none that RCAS knows (docs/archives.md lists them): Colour")
}

// Whatever stands in a file, the reader tells it in an error, and takes no memory for what the file only claims to hold.
func FuzzParquet(f *testing.F) {
	at := time.Unix(1714564800, 0)
	rows := []framePost{{ID: 1, Text: "coins", At: at, Hashtags: []string{"a"}}, {ID: 2, Text: "tulips", At: at}}
	f.Add([]byte(columnsOf(f, rows)), uint64(0))
	f.Add([]byte(columnsOf(f, []frameBar{{5, 7, 3, 6, 2, at.UnixMicro()}}, parquet.DataPageVersion(1))), uint64(1))
	f.Fuzz(func(t *testing.T, file []byte, seed uint64) {
		if len(file) == 0 {
			return
		}
		random := rand.New(rand.NewPCG(seed, 0))
		for range 20 {
			changed := bytes.Clone(file)
			for range seed % 4 {
				changed[random.IntN(len(changed))] = byte(random.Uint32())
			}
			_, _, _ = readFrom(t, "BTC.parquet", bytes.NewReader(append([]byte(parquetMagic), changed[min(4, len(changed)):]...)))
		}
	})
}
