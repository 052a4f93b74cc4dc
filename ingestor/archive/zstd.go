package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxWindow is the largest window of a zstd file that is read as a stream, whose memory it takes: that of zstd --long, and the largest
	// that zstd itself reads without being told to.
	maxWindow = 128 << 20
	// maxLongContent is how much a file with a larger window may hold: then that is all the memory it takes. Pushshift's files are made
	// with windows of 2 GiB, however small they are.
	maxLongContent = 64 << 20
)

// errLongWindow is why a file with a large window is refused, and what to do.
var errLongWindow = fmt.Errorf("it is a zstd file with a window of more than %d MiB, which would take as much memory: replay what zstd makes "+
	"of it, as with zstd -dc --long=31 FILE | rcas replay -, or pack it anew, as with zstd -dc --long=31 FILE | zstd -o NEW.zst", maxWindow>>20)

// unpackZstd returns what undoes the compression of a zstd file that begins with head.
func unpackZstd(head []byte, in io.Reader) (io.ReadCloser, error) {
	if window(head) > maxWindow {
		return unpackLong(in)
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, zstdError(err)
	}
	return &zstdReader{z}, nil
}

// window returns how much of what was unpacked a zstd file asks to be remembered; 0 where the head doesn't tell.
func window(head []byte) uint64 {
	var h zstd.Header
	for isZstd(head) {
		if err := h.Decode(head); err != nil {
			return 0
		}
		if !h.Skippable {
			return h.WindowSize
		}
		if int(h.SkippableSize)+8 >= len(head) {
			return 0
		}
		head = head[h.SkippableSize+8:]
	}
	return 0
}

// unpackLong unpacks a file with a large window as a whole, if it is small.
func unpackLong(in io.Reader) (io.ReadCloser, error) {
	packed, err := io.ReadAll(io.LimitReader(in, maxLongContent+1))
	if len(packed) > maxLongContent {
		return nil, errLongWindow
	}
	z, newErr := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(2<<30))
	if newErr != nil {
		return nil, newErr
	}
	defer z.Close()
	content, decodeErr := z.DecodeAll(packed, make([]byte, 0, maxLongContent)) // which is the window, too
	if decodeErr != nil && len(content) == 0 || errors.Is(decodeErr, zstd.ErrDecoderSizeExceeded) {
		return nil, zstdError(decodeErr)
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(content), &failing{errors.Join(err, decodeErr)})), nil
}

// zstdReader says what the error of a window in a later frame means.
type zstdReader struct{ *zstd.Decoder }

func (r *zstdReader) Read(b []byte) (int, error) {
	n, err := r.Decoder.Read(b)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = zstdError(err)
	}
	return n, err
}

func (r *zstdReader) Close() error {
	r.Decoder.Close()
	return nil
}

func zstdError(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return errLongWindow
	}
	return fmt.Errorf("damaged zstd file: %w", noEOF(err))
}

// failing returns its error, or the end of the file.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, noEOF(f.err)
	}
	return 0, io.EOF
}
