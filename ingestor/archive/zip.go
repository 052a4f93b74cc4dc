package archive

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
)

// zipMember is a local file header of a zip file (APPNOTE 4.3.7).
type zipMember struct {
	name             string
	flags, method    uint16
	crc              uint32
	size, compressed int64
}

const (
	zipStored   = 0
	zipDeflated = 8

	zipEncrypted  = 1 << 0
	zipDescriptor = 1 << 3 // sizes and check sum follow the member

	zipLocalHeader    = 0x04034B50
	zipDataDescriptor = 0x08074B50
	zip64Extra        = 0x0001
	zipUnknown32      = 0xFFFFFFFF
)

// readZip reads a zip file from front to back, without its directory at the end: so it works inside of other containers,
// and a truncated file gives what it has.
func (p *pass) readZip(name string, in *bufio.Reader, depth int) error {
	for {
		member, err := nextMember(in)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("damaged zip file: %w", err)
		}
		if err := p.readMember(name, member, in, depth); err != nil {
			return err
		}
	}
}

// readMember reads what the member holds, and moves behind it.
func (p *pass) readMember(name string, m *zipMember, in *bufio.Reader, depth int) error {
	var content io.Reader
	switch {
	case m.flags&zipEncrypted != 0:
		return fmt.Errorf("%s is encrypted: unpack it first", m.name)
	case m.method == zipDeflated:
		z := flate.NewReader(in)
		defer z.Close()
		content = z
	case m.method == zipStored && m.flags&zipDescriptor == 0:
		content = &exactReader{in: in, left: m.size}
	default:
		return fmt.Errorf("%s is packed by method %d, which is not supported: unpack it first", m.name, m.method)
	}
	body := newSumReader(content)
	if !strings.HasSuffix(m.name, "/") && !isHidden(m.name) {
		if err := p.read(name+"/"+m.name, m.name, body, depth+1); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return fmt.Errorf("damaged zip file: %s: %w", m.name, noEOF(err))
	}
	if err := m.readDescriptor(in, body.n); err != nil {
		return fmt.Errorf("damaged zip file: %s: %w", m.name, noEOF(err))
	}
	if m.crc != body.crc.Sum32() || m.size != body.n {
		return fmt.Errorf("damaged zip file: %s: its check sum or size is wrong", m.name)
	}
	return nil
}

// noEOF makes the end of the file in the middle of a member the error that it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// nextMember reads a local header; io.EOF where the directory begins.
func nextMember(in *bufio.Reader) (*zipMember, error) {
	signature, err := in.Peek(4)
	if err != nil {
		return nil, noEOF(err)
	}
	switch binary.LittleEndian.Uint32(signature) {
	case zipLocalHeader:
	case 0x02014B50, 0x06054B50, 0x06064B50, 0x08064B50: // headers of the directory, its ends, extra data
		return nil, io.EOF
	default:
		return nil, errors.New("no member begins where one should")
	}
	var fixed [30]byte
	if _, err := io.ReadFull(in, fixed[:]); err != nil {
		return nil, noEOF(err)
	}
	le := binary.LittleEndian
	rest := make([]byte, int(le.Uint16(fixed[26:]))+int(le.Uint16(fixed[28:])))
	if _, err := io.ReadFull(in, rest); err != nil {
		return nil, noEOF(err)
	}
	nameLength := le.Uint16(fixed[26:])
	m := &zipMember{
		name: string(rest[:nameLength]), flags: le.Uint16(fixed[6:]), method: le.Uint16(fixed[8:]), crc: le.Uint32(fixed[14:]),
		compressed: int64(le.Uint32(fixed[18:])), size: int64(le.Uint32(fixed[22:])),
	}
	m.readExtra(rest[nameLength:])
	return m, nil
}

// readExtra takes sizes beyond 4 GiB from the Zip64 field.
func (m *zipMember) readExtra(extra []byte) {
	le := binary.LittleEndian
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			return
		}
		if id == zip64Extra && n >= 16 && m.size == zipUnknown32 {
			m.size, m.compressed = int64(le.Uint64(extra)), int64(le.Uint64(extra[8:]))
			return
		}
		extra = extra[n:]
	}
}

// readDescriptor reads the check sum and size that follow a member whose header lacks them. Signature and width are optional: the
// size, which is known by now, tells which form it is.
func (m *zipMember) readDescriptor(in *bufio.Reader, size int64) error {
	if m.flags&zipDescriptor == 0 {
		return nil
	}
	le := binary.LittleEndian
	head, err := in.Peek(24)
	if len(head) < 12 {
		return noEOF(err)
	}
	skip := 0
	if le.Uint32(head) == zipDataDescriptor {
		skip = 4
	}
	if len(head) < skip+12 {
		return io.ErrUnexpectedEOF
	}
	m.crc, m.size = le.Uint32(head[skip:]), int64(le.Uint32(head[skip+8:]))
	width := 12
	if len(head) >= skip+20 && (m.size != size&zipUnknown32 || le.Uint32(head[skip+8:]) == 0 && size > 0) {
		m.size, width = int64(le.Uint64(head[skip+12:])), 20
	}
	_, err = in.Discard(skip + width)
	return err
}

// exactReader reads so many bytes, and takes it for damage if there are fewer.
type exactReader struct {
	in   io.Reader
	left int64
}

func (r *exactReader) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	n, err := r.in.Read(b[:min(int64(len(b)), r.left)])
	r.left -= int64(n)
	return n, noEOF(err)
}

// sumReader computes the check sum and size of what is read through it.
type sumReader struct {
	in  io.Reader
	crc hash.Hash32
	n   int64
}

func newSumReader(in io.Reader) *sumReader { return &sumReader{in: in, crc: crc32.NewIEEE()} }

func (r *sumReader) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	r.n += int64(n)
	_, _ = r.crc.Write(b[:n])
	return n, err
}
