package push

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// errEncoding is of bodies that are compressed in a way that is not known.
var errEncoding = errors.New("the body is compressed in a way that is not known here; send gzip, deflate, zstd or nothing of the kind")

// errUnpacked is of bodies that are small and become large.
var errUnpacked = errors.New("the body is too large when it is unpacked")

// maxWindow bounds what a zstd decoder holds, in bytes; what log shippers send needs less.
const maxWindow = 8 << 20

// body returns what a request holds, unpacked, and at most limit bytes of that. Compression is known by the content, since some senders do
// not tell, and some proxies leave the header where they unpack; deflate, which has no mark of its own, by the header. A form with files, as curl -F sends it, is its files one after the other.
func body(r *http.Request, in io.Reader, limit int64) (io.ReadCloser, error) {
	packed := bufio.NewReader(in)
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	switch encoding {
	case "", "identity", "gzip", "x-gzip", "zstd":
		encoding = sniff(packed)
	}
	unpacked, err := unpack(packed, encoding)
	if err != nil {
		return nil, err
	}
	var text io.Reader = unpacked
	if kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
		text = &parts{form: multipart.NewReader(unpacked, parameters["boundary"])}
	}
	return &bounded{Reader: text, closer: unpacked, left: limit}, nil
}

// sniff tells the compression by how it begins, which no text does.
func sniff(in *bufio.Reader) string {
	head, _ := in.Peek(2)
	switch {
	case string(head) == "\x1f\x8b":
		return "gzip"
	case string(head) == "\x28\xb5":
		return "zstd"
	}
	return ""
}

func unpack(in *bufio.Reader, encoding string) (io.ReadCloser, error) {
	switch encoding {
	case "":
		return io.NopCloser(in), nil
	case "gzip":
		return gzip.NewReader(in)
	case "deflate": // RFC 9110 means zlib's form of it; some senders leave its two bytes out
		if head, _ := in.Peek(2); len(head) == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
			return zlib.NewReader(in)
		}
		return flate.NewReader(in), nil
	case "zstd":
		decoder, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return decoder.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("%w: %.40q", errEncoding, encoding)
}

// bounded ends with an error where more than so many bytes come.
type bounded struct {
	io.Reader
	closer io.Closer
	left   int64
}

func (b *bounded) Read(to []byte) (int, error) {
	if int64(len(to)) > b.left+1 {
		to = to[:b.left+1]
	}
	n, err := b.Reader.Read(to)
	if b.left -= int64(n); b.left < 0 {
		return 0, errUnpacked
	}
	return n, err
}

func (b *bounded) Close() error { return b.closer.Close() }

// parts reads the parts of a form, a line between them.
type parts struct {
	form *multipart.Reader
	part *multipart.Part
}

func (p *parts) Read(to []byte) (int, error) {
	if p.part == nil {
		part, err := p.form.NextRawPart()
		if err != nil {
			return 0, err
		}
		p.part = part
	}
	n, err := p.part.Read(to)
	if err == io.EOF {
		p.part, err = nil, nil
		if n < len(to) {
			to[n] = '\n'
			n++
		}
	}
	return n, err
}
