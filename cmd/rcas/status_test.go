package main

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
	"rcas/stream"
)

// TestStatusOfWhatIsThere takes away one part after the other: the rest is told, quickly, and the exit code says that not all is well.
func TestStatusOfWhatIsThere(t *testing.T) {
	t.Parallel()
	database := storetest.New(t)
	storetest.Exec(t, database, `INSERT INTO pipeline_counts (component, source, event, n) VALUES ('ingest', 'kraken', 'dropped:future', 7),
		('writer', 'kraken', 'stored', 2)`)
	storetest.Exec(t, database, `INSERT INTO pipeline_counts (time, component, source, event, n) VALUES (now() - INTERVAL '3 days', 'ingest', 'kraken', 'dropped:future', 99)`)
	nats, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(nats.Close)
	const nowhere = "postgres://u:secret@127.0.0.1:1/x"
	ask := func(databaseURL, natsURL string) (st status, err error) {
		started := time.Now()
		out, err := rcas(t, "status", "--json", "--database-url", databaseURL, "--nats-url", natsURL, "--data-dir", t.TempDir(), "--metrics-address", "127.0.0.1:1")
		require.Less(t, time.Since(started), 40*time.Second)
		require.NotContains(t, out, "secret")
		require.NoError(t, json.Unmarshal([]byte(out), &st), out)
		return st, err
	}
	st, err := ask(database.URL(), nats.URL())
	require.NoError(t, err)
	require.Empty(t, st.Errors)
	require.Contains(t, st.Servers, "TimescaleDB 2.")
	require.Len(t, st.Backlogs, 3)
	require.Contains(t, st.Counts, countStatus{"ingest", "kraken", "dropped:future", 7}, "of a day, not of all time")
	require.Equal(t, "kraken", st.Feeds[0].Source)
	require.Positive(t, st.Disk.Free)
	require.Positive(t, st.Size.Bytes)
	require.Nil(t, st.Size.Growth, "measured for less than a day")

	storetest.Exec(t, database, `INSERT INTO database_sizes VALUES (now() - INTERVAL '2 days', pg_database_size(current_database()) - 2000000)`)
	st, err = ask(database.URL(), nats.URL())
	require.NoError(t, err)
	require.InDelta(t, 1e6, *st.Size.Growth, 5e5, "bytes a day")
	require.Nil(t, st.Size.DaysLeft, "that disk is a server's own")

	st, err = ask(nowhere, nats.URL())
	require.ErrorContains(t, err, "not all of the status could be found out: database: reach the database")
	require.NotContains(t, err.Error(), "stream:")
	require.Len(t, st.Backlogs, 3)

	st, err = ask(database.URL(), "nats://127.0.0.1:1")
	require.ErrorContains(t, err, "stream: connect to NATS")
	require.Contains(t, st.Counts, countStatus{"ingest", "kraken", "dropped:future", 7})
	require.NotContains(t, st.Errors, "database")

	st, err = ask(nowhere, "nats://127.0.0.1:1")
	require.ErrorContains(t, err, "database: ")
	require.Len(t, st.Errors, 2)

	readOnly, err := url.Parse(database.URL())
	require.NoError(t, err)
	query := readOnly.Query()
	query.Set("default_transaction_read_only", "on")
	readOnly.RawQuery = query.Encode()
	st, err = ask(readOnly.String(), nats.URL())
	require.ErrorContains(t, err, "database: the database is read-only")
	require.Contains(t, st.Tables, "tweets", "it answers, and takes nothing")

	out, err := rcas(t, "status", "--database-url", nowhere, "--nats-url", nats.URL(), "--data-dir", t.TempDir())
	require.Error(t, err)
	require.Contains(t, out, "127.0.0.1:1/x: reach the database")
	require.Contains(t, out, "TWEETS scorer")
}

// TestAskingMakesNoSchema: whoever asks may have named another database than was meant. Commands that fill it make the schema.
func TestAskingMakesNoSchema(t *testing.T) {
	t.Parallel()
	database := storetest.Unmigrated(t)
	server := []string{"--database-url", database.URL(), "--data-dir", t.TempDir(), "--metrics-address", "127.0.0.1:1"}
	for _, command := range [][]string{{"status"}, {"sql", "SELECT 1"}, {"gaps"}} {
		out, err := rcas(t, append(command, server...)...)
		require.ErrorContains(t, err, "rcas migrate up makes the schema", out)
	}
	out, err := rcas(t, append([]string{"doctor", "--source", "push"}, server...)...)
	require.Error(t, err)
	require.Contains(t, out, "rcas migrate up makes the schema")
	require.NotContains(t, out, "42P01")
	require.True(t, database.Empty(t.Context()))
	must(t, append([]string{"replay", writeArchive(t, 8)[0]}, server...)...)
	must(t, append([]string{"status"}, server...)...)
}
