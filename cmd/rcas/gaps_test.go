package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// TestGapsOfNothing: where nothing is stored, or not of the time that is asked about, nobody is told that nothing is missing.
func TestGapsOfNothing(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	where := []string{"--database-url", db.URL(), "--data-dir", t.TempDir()}
	gaps := func(args ...string) string { return must(t, append(append([]string{"gaps"}, where...), args...)...) }
	require.Contains(t, gaps(), "there is nothing yet")
	storetest.Exec(t, db, `INSERT INTO assets (symbol, name) VALUES ('BTC', 'Bitcoin')`)
	storetest.Exec(t, db, `INSERT INTO prices SELECT '2021-05-04'::timestamptz + i * INTERVAL '1 minute', 'BTC', 'v', i::text, 1, 1, now() FROM generate_series(0, 59) AS i`)
	require.Contains(t, gaps("--from", "2021-05-05", "--to", "2021-05-06"), "there is nothing at all from 2021-05-05T00:00:00Z to 2021-05-06T00:00:00Z")
	require.Equal(t, "nothing is missing\n", gaps("--from", "2021-05-04T00:00:00Z", "--to", "2021-05-04T01:00:00Z"))
	require.Equal(t, "[]\n", gaps("--from", "2021-05-05", "--to", "2021-05-06", "--json"))
}
