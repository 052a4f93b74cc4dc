package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// MaxDepth is how deep containers may be nested: a tar of bzip2 files inside a zip is three deep.
const MaxDepth = 8

// errStop is returned through all layers by an emit that wants no more.
var errStop = errors.New("stop")

// fatal wraps what emit returns, so that it ends the pass instead of being taken for damage of a file.
type fatal struct{ err error }

func (f *fatal) Error() string { return f.err.Error() }

func (f *fatal) Unwrap() error { return f.err }

// isFatal tells whether err comes from emit.
func isFatal(err error) bool {
	var f *fatal
	return errors.As(err, &f)
}

// pass reads one file, whatever it contains, and emits its events.
type pass struct {
	ctx    context.Context
	cfg    *Config
	tally  *tally
	output func(event) error
	// claims is what the files of the replay have bars of.
	claims *claims
	// report, where set, is told of each file, or member of a container, when it is read.
	report func(*File)
	// files are the names of the file and of the containers around it, without their folders.
	files []string
	// file is the report of the file at hand; comma tells that its numbers may have a comma for the point, zoneless that it is one whose
	// times without a zone are told of already.
	file     *File
	zoneless bool
	comma    comma
	// memory is about how much the containers take while the file is read.
	memory int64
	// at is the line being read.
	at place
	// disk is the file itself, of size bytes, where it can be read from any place; advance, where set, is told of bytes of it that are read in
	// another way than through the reader.
	disk    io.ReaderAt
	size    int64
	advance func(int64)
}

func (p *pass) emit(e event) error {
	if e.from.line == 0 {
		e.from = p.at
	}
	if e.tweet != nil {
		p.file.Rows++
		p.file.saw(e.tweet.Source, e.tweet.Time)
		p.zoneTold(!e.unsure)
	}
	if err := p.output(e); err != nil {
		return &fatal{err}
	}
	return nil
}

// read reads whatever in holds. member is its name in the container around it. It returns an error only if that comes from emit; damage is
// noted.
func (p *pass) read(name, member string, in io.Reader, depth int) error {
	if err := p.ctx.Err(); err != nil {
		return &fatal{err}
	}
	p.files = append(p.files, path.Base(member))
	defer func() { p.files = p.files[:len(p.files)-1] }()
	err := p.unpack(name, member, bufio.NewReaderSize(in, bufferBytes), depth)
	if isFatal(err) {
		return err
	}
	if err != nil {
		p.tally.fail(name, err)
		if p.file == nil {
			p.file = &File{Name: name}
		}
	}
	p.end(err)
	return nil
}

// unpack looks at the first bytes and goes on with the reader that they ask for.
func (p *pass) unpack(name, member string, in *bufio.Reader, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("containers are nested more than %d deep: unpack it first", MaxDepth)
	}
	head, err := in.Peek(tarBlock)
	if len(head) == 0 {
		if err == io.EOF {
			return errors.New("the file is empty")
		}
		return fmt.Errorf("it can't be read: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return p.readZip(name, in, depth)
	case isTar(head):
		return p.readTar(name, in, depth)
	case bytes.HasPrefix(head, []byte(parquetMagic)):
		return p.readParquet(name, in, depth)
	case foreign(head) != "":
		return fmt.Errorf("it is a %s file, which is not supported: unpack it first", foreign(head))
	}
	z, err := decompress(head, in)
	p.memory = max(p.memory, unpackBytes(head))
	switch {
	case err != nil:
		return err
	case z == nil:
		return p.readText(name, in)
	}
	defer z.Close()
	return p.read(name, member, z, depth+1)
}

// decompress returns what undoes the compression that the first bytes tell of; nil for none.
func decompress(head []byte, in io.Reader) (io.ReadCloser, error) {
	switch {
	case bytes.HasPrefix(head, []byte{0x1F, 0x8B}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("damaged gzip file: %w", noEOF(err))
		}
		return z, nil
	case isBzip2(head):
		return io.NopCloser(bzip2.NewReader(in)), nil
	case isZstd(head):
		return unpackZstd(head, in)
	}
	return nil, nil
}

// unpackBytes is about how much memory it takes to undo the compression that the first bytes tell of.
func unpackBytes(head []byte) int64 {
	switch {
	case isBzip2(head):
		return 5 << 20
	case isZstd(head):
		return int64(min(window(head), maxWindow)) + 1<<20
	}
	return 1 << 16
}

// isBzip2 looks for the head of a file and that of its first block, or of the end where there is no block.
func isBzip2(head []byte) bool {
	return len(head) >= 10 && bytes.HasPrefix(head, []byte("BZh")) &&
		(string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17rE8P\x90")
}

// isZstd looks for the head of a frame or of a skippable frame.
func isZstd(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0x28, 0xB5, 0x2F, 0xFD}) ||
		len(head) >= 4 && head[0]&0xF0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2A, 0x4D, 0x18})
}

// foreign names formats that users may expect to work.
func foreign(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\xFD7zXZ\x00")):
		return "xz"
	case bytes.HasPrefix(head, []byte("7z\xBC\xAF\x27\x1C")):
		return "7z"
	case bytes.HasPrefix(head, []byte("Rar!")):
		return "rar"
	case bytes.HasPrefix(head, []byte("SQLite format 3")):
		return "SQLite"
	}
	return ""
}

const tarBlock = 512

// isTar tells whether the block is the header of a tar member: its check sum is the sum of its bytes, with spaces in its own
// place.
func isTar(block []byte) bool {
	if len(block) < tarBlock || block[0] == 0 {
		return false
	}
	field := strings.Trim(string(block[148:156]), " \x00")
	want, err := strconv.ParseInt(field, 8, 32)
	if err != nil {
		return false
	}
	var sum int64
	for i, c := range block[:tarBlock] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	return sum == want
}

func (p *pass) readTar(name string, in io.Reader, depth int) error {
	members := tar.NewReader(in)
	for {
		header, err := members.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("damaged tar file: %w", err)
		case header.Typeflag != tar.TypeReg || isHidden(header.Name):
			continue
		}
		if err := p.read(name+"/"+header.Name, header.Name, members, depth+1); err != nil {
			return err
		}
	}
}

// isHidden tells of the litter that systems leave in folders and containers, and of Binance's check sums.
func isHidden(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, ".") || strings.HasPrefix(name, "__MACOSX/") || strings.HasSuffix(base, ".CHECKSUM")
}
