package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExport: what is exported in each format can be replayed into an empty database, to the same rows and windows; what cannot be
// exported is refused in a sentence.
func TestExport(t *testing.T) {
	t.Parallel()
	from, to, dir := onServer(t), onServer(t), t.TempDir()
	must(t, append(append([]string{"replay"}, from...), writeArchive(t, 400)...)...)
	export := func(args ...string) (string, error) {
		return rcas(t, append(append([]string{"export", "--from", "2021-01-01"}, from...), args...)...)
	}
	for _, set := range []string{"tweets.parquet", "prices.csv.gz"} {
		name := set[:6]
		_, err := export(name, "--out", filepath.Join(dir, set))
		require.NoError(t, err)
	}
	said := must(t, append(append([]string{"replay", "--json"}, to...), filepath.Join(dir, "tweets.parquet"), filepath.Join(dir, "prices.csv.gz"))...)
	require.Equal(t, sqlRows(t, from, contents), sqlRows(t, to, contents), said)

	out, err := export("tweets", "--out", "-", "--format", "ndjson", "--to", "2021-01-02")
	require.NoError(t, err)
	require.Empty(t, out, "nothing was said on that day")
	for want, args := range map[string][]string{
		"doesn't tell the format":  {"tweets", "--out", filepath.Join(dir, "tweets.txt")},
		"rows of tweets are of no": {"tweets", "--out", "-", "--format", "csv", "--width", "1 day"},
		"is no time":               {"tweets", "--out", "-", "--format", "csv", "--to", "yesterday"},
		"nonsense":                 {"nonsense", "--out", "-", "--format", "csv"},
	} {
		_, err := export(args...)
		require.ErrorContains(t, err, want)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "a refusal leaves no file")
}
