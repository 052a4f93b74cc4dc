package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"rcas/ingestor"
)

// authorsConfig says what stands for authors in the database.
type authorsConfig string

const (
	authorNames  authorsConfig = "names"
	authorHashes authorsConfig = "hashed"
)

func (c authorsConfig) validate() error {
	if c != "" && c != authorNames && c != authorHashes {
		return fmt.Errorf("%q is neither %s nor %s", string(c), authorNames, authorHashes)
	}
	return nil
}

// pseudonyms returns what stands for authors' names, or nil where names do. A database that has had pseudonyms keeps to them, and to their
// key: else one author would be several, and deletions of accounts would miss what is stored.
func (a *app) pseudonyms(ctx context.Context) (*ingestor.Pseudonyms, error) {
	used, err := a.store.AuthorKey(ctx)
	if err != nil {
		return nil, err
	}
	wanted := a.settings.file.Authors
	switch {
	case used == "" && wanted != authorHashes:
		return nil, nil
	case used != "" && wanted == authorNames:
		return nil, errors.New("the database holds authors as hashes; write authors: hashed into the configuration")
	}
	key, err := a.authorKey(used == "")
	if err != nil {
		return nil, err
	}
	p := ingestor.NewPseudonyms(key)
	if used == "" {
		if used, err = a.store.SetAuthorKey(ctx, p.Fingerprint()); err != nil {
			return nil, err
		}
	}
	if used != p.Fingerprint() {
		return nil, fmt.Errorf("the database's authors were hashed with another key than that of RCAS_AUTHORS_KEY or %s; give the key with which it began",
			a.authorKeyFile())
	}
	return p, nil
}

func (a *app) authorKeyFile() string { return filepath.Join(a.settings.dataDir, "authors.key") }

// authorKey is the key of RCAS_AUTHORS_KEY, or of a file in the data directory, which is made where it may be.
func (a *app) authorKey(mayMake bool) ([]byte, error) {
	text := a.settings.env["RCAS_AUTHORS_KEY"]
	if text == "" {
		file := a.authorKeyFile()
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			if !mayMake {
				return nil, fmt.Errorf("the database holds authors as hashes, and their key is missing: set RCAS_AUTHORS_KEY, or put it into %s", file)
			}
			content, err = makeAuthorKey(file)
		}
		if err != nil {
			return nil, fmt.Errorf("read the key of the authors' hashes: %w", err)
		}
		text = string(content)
	}
	key, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) < 32 {
		return nil, errors.New("the key of the authors' hashes must be 64 hexadecimal digits or more, as openssl rand -hex 32 prints them")
	}
	return key, nil
}

// makeAuthorKey writes a key of chance, which two processes that begin at once share.
func makeAuthorKey(file string) ([]byte, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	partial := fmt.Sprintf("%s.%d", file, os.Getpid())
	defer os.Remove(partial)
	if err := os.WriteFile(partial, []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
		return nil, err
	}
	if err := os.Link(partial, file); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(file)
}
