package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// TestAuthorsHashed replays one archive with names and with hashes: both see the same authors, repeats and moods, and an export that is
// replayed changes nothing.
func TestAuthorsHashed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	var posts strings.Builder
	for i := range 400 { // some say a short thing again and again, some have much to say
		fmt.Fprintf(&posts, `{"id":"%d","source":"twitter","time":"2024-05-04T00:%02d:%02dZ","author":"author%d","lang":"en","text":%q}`+"\n",
			i, i/10%60, i%60, i%23, []string{"bitcoin to the moon", fmt.Sprintf("%s is why i think bitcoin will go up", ownWord(i))}[i%2])
	}
	archive := write("posts.ndjson", posts.String())
	namedDB, hashedDB := storetest.New(t), storetest.New(t)
	named := []string{"--database-url", namedDB.URL(), "--data-dir", filepath.Join(dir, "named")}
	hashed := []string{"--database-url", hashedDB.URL(), "--data-dir", filepath.Join(dir, "hashed")}
	must(t, append([]string{"replay", archive}, named...)...)
	must(t, append([]string{"replay", archive, "--config", write("rcas.yaml", "authors: hashed\n")}, hashed...)...)
	const seen = `SELECT (SELECT count(*) FROM tweets) AS posts, (SELECT count(DISTINCT author) FROM tweets) AS authors,
		(SELECT count(DISTINCT author_hash) FROM sentiments) AS voices,
		(SELECT string_agg(id, ' ' ORDER BY id) FROM sentiments WHERE repeat) AS repeats,
		(SELECT round(sum(sum_score)::numeric, 3)::text FROM mood_1h WHERE NOT repeat) AS mood`
	want := storetest.Rows(t, namedDB, seen)
	require.NotEmpty(t, want[0][3])
	require.Equal(t, want, storetest.Rows(t, hashedDB, seen))
	storetest.RequireNone(t, hashedDB, `SELECT * FROM tweets WHERE author NOT LIKE 'hmac:%' OR id LIKE '%author%'`)

	// Whoever writes without saying so keeps to what the database began with.
	export := write("export.ndjson", strings.TrimSpace(must(t, append([]string{"sql", "--json", "SELECT * FROM tweets"}, hashed...)...)))
	must(t, append([]string{"replay", export, archive}, hashed...)...)
	require.Equal(t, want, storetest.Rows(t, hashedDB, seen))

	key := filepath.Join(dir, "hashed", "authors.key")
	info, err := os.Stat(key)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, err = rcas(t, append([]string{"replay", archive, "--config", write("names.yaml", "authors: names\n")}, hashed...)...)
	require.ErrorContains(t, err, "authors: hashed")
	require.NoError(t, os.Rename(key, key+".kept"))
	_, err = rcas(t, append([]string{"replay", archive}, hashed...)...)
	require.ErrorContains(t, err, "key is missing")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("ab", 32)), 0o600))
	_, err = rcas(t, append([]string{"replay", archive}, hashed...)...)
	require.ErrorContains(t, err, "another key")
	_, err = rcas(t, append([]string{"replay", archive, "--config", write("typo.yaml", "authors: hash\n")}, hashed...)...)
	require.ErrorContains(t, err, `"hash" is neither names nor hashed`)
}
