package archive

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	stdgzip "compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// readString reads a text as a file without going through the disk.
func readString(t testing.TB, name, text string) *recorder {
	sink, _, err := readFrom(t, name, strings.NewReader(text))
	require.NoError(t, err)
	return sink
}

func readFrom(t testing.TB, name string, in io.Reader) (*recorder, Stats, error) {
	sink := &recorder{}
	cfg := New(Config{}).cfg
	tally := newTally(slog.New(slog.DiscardHandler))
	p := &pass{ctx: t.Context(), cfg: &cfg, tally: tally, claims: newClaims(), output: func(e event) error {
		if e.tweet != nil {
			return sink.Tweet(t.Context(), e.tweet)
		}
		return sink.Price(t.Context(), e.price)
	}}
	err := p.read(name, name, in, 0)
	return sink, tally.snapshot(), err
}

// twoPosts is two normalised posts, ids 1 and 2; twoPostsBzip2 the same, compressed by bzip2, which Go only reads, and
// twoPostsLong by zstd with a window of 2 GiB, as Pushshift does.
const (
	twoPosts = `{"id":"1","time":"2024-05-01T12:00:00Z","text":"bitcoin up"}` + "\n" +
		`{"id":"2","time":"2024-05-01T12:00:01Z","text":"bitcoin down"}` + "\n"
	twoPostsBzip2 = "QlpoOTFBWSZTWdK5jBMAADxbgAAQUAZ2EAQQHiPGyiAAahKU9QHqGRtQNHqCUFNA00AYmiDkmNnIKDnhaQSBqzBxzFKFmoo6YcCoqKbEBhxGGHRX" +
		"JEzug5cKVKF4W9J2+IDBo1SC4/F3JFOFCQ0rmMEw"
	twoPostsLong = "KLUv/SR8RQIAYsQOEpDPASPyfSEAa92XDwSh6LsenCA/WtlIAfmzhvgko28dnV5HL666UTcqJJEep4cpXY7u4KMXJ0dv7zgDACARYLeBLEABuY5Z" +
		"ZQ=="
)

func decoded(t testing.TB, s string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	require.NoError(t, err)
	return string(b)
}

func gzipped(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := stdgzip.NewWriter(&b)
	_, err := io.WriteString(z, content)
	require.NoError(t, errors.Join(err, z.Close()))
	return b.String()
}

func zstandard(t testing.TB, content string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return string(z.EncodeAll([]byte(content), nil))
}

// zipped makes a zip file of members given as name, content, name, content ….
func zipped(t testing.TB, method uint16, members ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: members[i], Method: method}) // sizes follow the member
		require.NoError(t, err)
		_, err = io.WriteString(w, members[i+1])
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.String()
}

// zippedRaw has the sizes before the member, as most programs write it.
func zippedRaw(t testing.TB, name, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateRaw(&zip.FileHeader{
		Name: name, Method: zip.Store, UncompressedSize64: uint64(len(content)), CompressedSize64: uint64(len(content)), CRC32: crc(content),
	})
	require.NoError(t, err)
	_, err = io.WriteString(w, content)
	require.NoError(t, errors.Join(err, z.Close()))
	return b.String()
}

func crc(content string) uint32 {
	s := newSumReader(strings.NewReader(content))
	_, _ = io.Copy(io.Discard, s)
	return s.crc.Sum32()
}

func tarred(t testing.TB, members ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "folder/", Typeflag: tar.TypeDir}))
	for i := 0; i < len(members); i += 2 {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: members[i], Size: int64(len(members[i+1])), Mode: 0o600}))
		_, err := io.WriteString(w, members[i+1])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String()
}

func TestContainers(t *testing.T) {
	t.Parallel()
	bz := decoded(t, twoPostsBzip2)
	more := strings.NewReplacer(`"1"`, `"3"`, `"2"`, `"4"`).Replace(twoPosts)
	empty := decoded(t, "QlpoORdyRThQkAAAAAA=")
	for name, test := range map[string]struct {
		file string
		want string
	}{
		"plain":                     {twoPosts, "1 2"},
		"byte order mark, CR":       {"\uFEFF" + strings.ReplaceAll(twoPosts, "\n", "\r\n"), "1 2"},
		"last line without end":     {strings.TrimSuffix(twoPosts, "\n"), "1 2"},
		"gzip":                      {gzipped(t, twoPosts), "1 2"},
		"gzip, two put together":    {gzipped(t, twoPosts) + gzipped(t, more), "1 2 3 4"},
		"bzip2":                     {bz, "1 2"},
		"bzip2, put together":       {bz + bz, "1 2 1 2"},
		"zstd":                      {zstandard(t, twoPosts), "1 2"},
		"zstd, put together":        {zstandard(t, twoPosts) + zstandard(t, more), "1 2 3 4"},
		"zstd with a long window":   {decoded(t, twoPostsLong), "1 2"},
		"zstd behind skipped frame": {"\x50\x2A\x4D\x18\x02\x00\x00\x00hi" + zstandard(t, twoPosts), "1 2"},
		"zip":                       {zipped(t, zip.Deflate, "a/", "", "a/b", twoPosts, "c", more), "1 2 3 4"},
		"zip, sizes first":          {zippedRaw(t, "b", twoPosts), "1 2"},
		"zip of zip and bzip2":      {zipped(t, zip.Deflate, "b", zippedRaw(t, "b", bz), "c", zipped(t, zip.Deflate, "d", more)), "1 2 3 4"},
		"tar":                       {tarred(t, "a", twoPosts, "b", more), "1 2 3 4"},
		"tar of bzip2, hidden left": {tarred(t, "2020/01/00.json.bz2", bz, "._x", "x", "__MACOSX/y", "x", "z", more), "1 2 3 4"},
		"tar.gz":                    {gzipped(t, tarred(t, "a", gzipped(t, twoPosts))), "1 2"},
		"zstd of tar of gzip":       {zstandard(t, tarred(t, "a", gzipped(t, twoPosts))), "1 2"},
		"zip of tar":                {zipped(t, zip.Deflate, "a", tarred(t, "b", twoPosts)), "1 2"},
		"empty ones inside":         {tarred(t, "a", "", "b", empty, "c", gzipped(t, ""), "d", twoPosts), "1 2"},
	} {
		sink, _, err := readFrom(t, name, strings.NewReader(test.file))
		require.NoError(t, err, name)
		require.Equal(t, test.want, strings.Join(sink.order, " "), name)
		sink, _, err = readFrom(t, name, iotest.HalfReader(strings.NewReader(test.file)))
		require.NoError(t, err, name)
		require.Equal(t, test.want, strings.Join(sink.order, " "), "in small reads: %s", name)
	}
}

func TestRefusedContainers(t *testing.T) {
	t.Parallel()
	deep := twoPosts
	for range MaxDepth + 1 {
		deep = gzipped(t, deep)
	}
	wrongSum := []byte(zippedRaw(t, "b", twoPosts))
	wrongSum[bytes.Index(wrongSum, []byte("bitcoin"))] = 'B'
	encrypted := []byte(zippedRaw(t, "b", twoPosts))
	encrypted[6] |= zipEncrypted
	bzipped := []byte(zippedRaw(t, "b", twoPosts))
	bzipped[8] = 12
	for want, file := range map[string]string{
		"nested more than 8 deep":                    deep,
		"the file is empty":                          "\n \r\n",
		"it is a xz file, which is not supported":    "\xFD7zXZ\x00abc",
		"damaged Parquet file":                       "PAR1abc",
		"damaged gzip file":                          "\x1F\x8Babc",
		"it is no archive that RCAS reads":           "BZh",
		`it begins with "\x00\x01\x02`:               "\x00\x01\x02" + strings.Repeat("\x03", 100),
		"b: its check sum or size is wrong":          string(wrongSum),
		"b is encrypted: unpack it first":            string(encrypted),
		"b is packed by method 12":                   string(bzipped),
		"neither a column nor the file's name tells": "time,price\n5,5\n",
	} {
		_, stats, err := readFrom(t, "some/file", strings.NewReader(file))
		require.NoError(t, err)
		require.Len(t, stats.Errors, 1, want)
		require.Contains(t, stats.Errors[0], want)
		require.Contains(t, stats.Errors[0], "some/file")
	}
}

// A window of half a GiB takes no more memory than what is in the file, and a file with more in it is refused, with what to do.
func TestLongWindows(t *testing.T) {
	t.Parallel()
	long := func(content string, times int) string {
		var b bytes.Buffer
		z, err := zstd.NewWriter(&b, zstd.WithWindowSize(1<<29), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
			zstd.WithEncoderLevel(zstd.SpeedFastest))
		require.NoError(t, err)
		for range times {
			_, err = io.WriteString(z, content)
			require.NoError(t, err)
		}
		require.NoError(t, z.Close())
		return b.String()
	}
	line := `{"id":"1","time":"2024-05-01T12:00:00Z","text":"` + strings.Repeat("x", 1<<20) + `"}` + "\n"
	require.EqualValues(t, 1<<29, window([]byte(long(line, 3))))
	sink, stats, err := readFrom(t, "small", strings.NewReader(long(line, 3)))
	require.NoError(t, err)
	require.Empty(t, stats.Errors)
	require.Len(t, sink.order, 3)

	sink, stats, err = readFrom(t, "large", strings.NewReader(long(line, maxLongContent>>20+1)))
	require.NoError(t, err)
	require.Empty(t, sink.order)
	require.Len(t, stats.Errors, 1)
	require.Contains(t, stats.Errors[0], "zstd -dc --long=31 FILE | rcas replay -")
}

// Whatever is cut off or broken, what came before the damage is there, it is said that there is damage, and a file behind it is
// read too.
func TestTruncatedContainers(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	random := rand.New(rand.NewSource(1))
	for i := range 20_000 {
		fmt.Fprintf(&text, `{"id":"%d","time":"2024-05-01T12:00:00Z","text":"coin %x"}`+"\n", i, random.Uint64())
	}
	for name, file := range map[string]string{
		"gzip":           gzipped(t, text.String()),
		"zstd":           zstandard(t, text.String()),
		"zip":            zipped(t, zip.Deflate, "a", text.String()),
		"zip, stored":    zippedRaw(t, "a", text.String()),
		"tar":            tarred(t, "a", text.String()),
		"tar.gz":         gzipped(t, tarred(t, "a", text.String())),
		"tar of gz":      tarred(t, "a", gzipped(t, text.String())),
		"zip of tar.zst": zipped(t, zip.Store, "a", zstandard(t, tarred(t, "a", text.String()))),
	} {
		if name == "zip of tar.zst" {
			file = zippedRaw(t, "a", zstandard(t, tarred(t, "a", text.String())))
		}
		dir := t.TempDir()
		cut, next := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		require.NoError(t, os.WriteFile(cut, []byte(file[:len(file)*2/3]), 0o600))
		require.NoError(t, os.WriteFile(next, []byte(twoPosts), 0o600))
		sink, stats := replay(t, Config{Paths: []string{cut, next}})
		require.Greater(t, len(sink.tweets), 10_000, name)
		require.Less(t, len(sink.tweets), 20_000, name)
		require.NotEmpty(t, stats.Errors, name)
		require.Regexp(t, cut+`\S*: damaged after line \d+, \d+ bytes in: .*unexpected EOF`, stats.Errors[0], name)
		require.Empty(t, stats.Drops, "the line that was cut is no bad line: %s", name)
		require.Equal(t, "bitcoin down", sink.tweets[len(sink.tweets)-1].Text)
	}
	bz := decoded(t, twoPostsBzip2)
	_, stats, err := readFrom(t, "bz", strings.NewReader(bz[:len(bz)-20]))
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.ErrorCount)
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	path := write(t, "posts", "a stray line\n"+
		`{"id":"1","time":1714521600,"text":"a"}`+"\n\n \t\n"+
		`{"id":"2","time":1714521600,"text":"`+strings.Repeat("long ", 2<<20)+`"}`+"\n"+ // 10 MiB is much, but read
		`{"id":"3","time":1714521600,"text":"`+strings.Repeat("x", maxLineBytes)+`"}`+"\n"+
		"\x00\x00\n"+
		`{"id":"4","time":1714521600,"text":"a\u0000b`+"\xff"+`"}`+"\n"+
		`{"id":"5","time":1714521600,"text":"cut`)
	sink, stats := replay(t, Config{Paths: []string{path}})
	require.Equal(t, []string{"1", "2", "4"}, sink.order)
	require.Len(t, sink.tweets[1].Text, 10<<20)
	require.Empty(t, stats.Errors)
	require.Equal(t, map[string]Drop{
		reasonMalformed: {3, path + `:1: malformed: "a stray line"`},
		reasonTooLong:   {1, path + ":6: line too long"},
	}, stats.Drops)

	csv := write(t, "b.csv", "time,symbol,price\n1714521600,BTC,1\n1714521600,BTC,"+strings.Repeat("5", maxLineBytes)+"\n1714521601,BTC,2\n")
	sink, stats = replay(t, Config{Paths: []string{csv}})
	require.Len(t, sink.prices, 2)
	require.Equal(t, map[string]Drop{reasonTooLong: {1, csv + ":3: line too long"}}, stats.Drops)

	first := write(t, "c", strings.Repeat("y", maxLineBytes+1)+"\n"+twoPosts)
	sink, stats = replay(t, Config{Paths: []string{first}})
	require.Len(t, sink.tweets, 2)
	require.Equal(t, map[string]Drop{reasonTooLong: {1, first + `:1: line too long: ""`}}, stats.Drops)
}

// A line without end must not be held in memory, however long.
func TestEndlessLine(t *testing.T) {
	t.Parallel()
	lines := newLineReader(bufio.NewReaderSize(io.LimitReader(endless{}, 128<<20), bufferBytes))
	began := time.Now()
	_, err := lines.next()
	require.ErrorIs(t, err, errLineTooLong)
	require.LessOrEqual(t, cap(lines.long), 2*maxLineBytes)
	_, err = lines.next()
	require.ErrorIs(t, err, io.EOF)
	require.Less(t, time.Since(began), time.Minute)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func FuzzContainer(f *testing.F) {
	bz := decoded(f, twoPostsBzip2)
	for _, seed := range []string{
		twoPosts, gzipped(f, twoPosts), bz, zstandard(f, twoPosts), zipped(f, zip.Deflate, "a", twoPosts, "b", bz), zippedRaw(f, "b", twoPosts),
		tarred(f, "a", gzipped(f, twoPosts), "b", bz), "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		_, stats, err := readFrom(t, "fuzz", bytes.NewReader(file))
		require.NoError(t, err, "only emit's errors come out")
		if stats.Tweets+stats.Prices == 0 && len(file) == 0 {
			require.EqualValues(t, 1, stats.ErrorCount)
		}
	})
}
