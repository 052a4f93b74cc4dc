package stream

import (
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
)

// setTornAside renames the states of consumers that a power cut has left half-written: NATS would leave such a consumer out and let nobody make
// it again. Without a state it begins with the oldest message that the stream holds, which is read twice at worst.
func setTornAside(dir string, log *slog.Logger) error {
	states, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "obs", "*", "o.dat"))
	if err != nil {
		return err
	}
	for _, path := range states {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if wholeState(content) {
			continue
		}
		log.Warn("the state of a consumer is damaged and set aside; what the stream holds is read again", "file", path)
		if err := os.Rename(path, path+".torn"); err != nil {
			return err
		}
	}
	return nil
}

// wholeState tells whether a consumer's state can be read to its end, as NATS 2.15 writes it: a magic number, a version (2), the numbers up to
// which messages were acknowledged and delivered, those under way, each with its time, and those redelivered.
func wholeState(b []byte) bool {
	const magic, version = 22, 2
	if len(b) < 2 || b[0] != magic {
		return false
	}
	if b[1] != version {
		return true // NATS knows
	}
	b = b[2:]
	whole := true
	next := func() uint64 { // signed numbers are as long
		v, n := binary.Uvarint(b)
		if n <= 0 {
			whole = false
			return 0
		}
		b = b[n:]
		return v
	}
	for range 4 {
		next()
	}
	if pending := next(); pending > 0 {
		next()
		for ; pending > 0 && whole; pending-- {
			next()
			next()
			next()
		}
	}
	for redelivered := next(); redelivered > 0 && whole; redelivered-- {
		next()
		next()
	}
	return whole
}
