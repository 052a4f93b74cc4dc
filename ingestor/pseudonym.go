package ingestor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"rcas/market"
)

// Pseudonyms gives authors keyed hashes (HMAC-SHA-256) in the place of their names. One author of one network has one pseudonym, so that
// authors, repeats and deletions of accounts are found as by names; without the key, nobody can tell whose it is by trying names.
type Pseudonyms struct{ key []byte }

// NewPseudonyms takes the key, which should be 32 bytes of chance.
func NewPseudonyms(key []byte) *Pseudonyms { return &Pseudonyms{key: key} }

// pseudonymPrefix tells pseudonyms from names, so that what is read again, from an export, keeps its own.
const pseudonymPrefix = "hmac:"

var isPseudonym = regexp.MustCompile(`^` + pseudonymPrefix + `[0-9a-f]{32}$`)

// Name returns the pseudonym of an author of a network. No name stays none, and a pseudonym what it is.
func (p *Pseudonyms) Name(source, name string) string {
	if name == "" || isPseudonym.MatchString(name) {
		return name
	}
	return pseudonymPrefix + p.sum(source + "\x00" + name)[:32]
}

// ID returns the id under which a post is stored: where it begins with its account, up to a slash (which is how Bluesky names posts), that
// account's pseudonym stands there. The id of a deleted account, which ends with the slash, finds the same posts.
func (p *Pseudonyms) ID(source, id string) string {
	account, rest, ok := strings.Cut(id, "/")
	if !ok {
		return id
	}
	return p.Name(source, account) + "/" + rest
}

// Fingerprint tells one key from another and betrays neither.
func (p *Pseudonyms) Fingerprint() string { return p.sum("rcas key")[:16] }

func (p *Pseudonyms) sum(text string) string {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// hide puts pseudonyms into a post; without p, it does nothing.
func (p *Pseudonyms) hide(t *market.Tweet) {
	if p != nil {
		t.Author, t.ID = p.Name(t.Source, t.Author), p.ID(t.Source, t.ID)
	}
}
