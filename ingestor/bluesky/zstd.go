package bluesky

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/klauspost/compress/zstd"

	"rcas/ingestor/feed"
)

// maxInflated bounds a decompressed message, in bytes.
const maxInflated = feed.MaxMessage

// inflater decompresses messages and keeps the dictionaries of the hosts that serve one.
type inflater struct {
	fetched map[string][]byte // by host; nil where there is none to be had
	decoder *zstd.Decoder
	loaded  []byte // the decoder's dictionary
}

// dictionary returns the dictionary to ask the host's compression with, or nil for none.
func (r *reader) dictionary(ctx context.Context, host string) []byte {
	switch {
	case r.cfg.Plain:
		return nil
	case !isV2(host):
		return r.cfg.Dictionary
	}
	if dictionary, ok := r.inflate.fetched[host]; ok {
		return dictionary
	}
	dictionary, err := fetchDictionary(ctx, r.cfg.HTTP, host)
	if err != nil {
		r.log.Warn("the host's zstd dictionary is not to be had, reading uncompressed", "err", err)
		dictionary = nil
	}
	if r.inflate.fetched == nil {
		r.inflate.fetched = map[string][]byte{}
	}
	if ctx.Err() == nil {
		r.inflate.fetched[host] = dictionary
	}
	return dictionary
}

// forget makes the next connection to the host fetch its dictionary anew.
func (i *inflater) forget(host string) { delete(i.fetched, host) }

// decode decompresses one message.
func (i *inflater) decode(dictionary, message []byte) ([]byte, error) {
	if i.decoder == nil || !bytes.Equal(i.loaded, dictionary) {
		i.close()
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderDicts(dictionary), zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxMemory(maxInflated))
		if err != nil {
			return nil, err
		}
		i.decoder, i.loaded = decoder, dictionary
	}
	return i.decoder.DecodeAll(message, nil)
}

func (i *inflater) close() {
	if i.decoder != nil {
		i.decoder.Close()
		i.decoder = nil
	}
}

// fetchDictionary asks the host for its current dictionary: network.bsky.jetstream.getZstdDictionary.
func fetchDictionary(ctx context.Context, client *http.Client, host string) ([]byte, error) {
	u, err := url.Parse(host)
	if err != nil {
		return nil, err
	}
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	u.Path = strings.Replace(u.Path, "subscribeEvents", "getZstdDictionary", 1)
	u.RawQuery = ""
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	rest := feed.Client{HTTP: client}
	dictionary, _, err := rest.Raw(request)
	if err != nil {
		return nil, err
	}
	if dictionaryID(dictionary) == 0 {
		return nil, fmt.Errorf("%w: not a zstd dictionary", feed.ErrMalformed)
	}
	if _, err := zstd.InspectDictionary(dictionary); err != nil {
		return nil, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	return dictionary, nil
}

// dictionaryID reads the identifier from a dictionary's header (RFC 8878, section 5), zero where it is none.
func dictionaryID(dictionary []byte) uint32 {
	if len(dictionary) < 8 || binary.LittleEndian.Uint32(dictionary) != 0xEC30A437 {
		return 0
	}
	return binary.LittleEndian.Uint32(dictionary[4:])
}
