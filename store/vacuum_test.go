package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// TestVacuum replaces the rows of a table again and again, as refreshes do with windows.
func TestVacuum(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	if !s.Serving() {
		analyzed, err := s.Vacuum(t.Context())
		require.NoError(t, err)
		require.Zero(t, analyzed, "a server vacuums by itself")
		return
	}
	storetest.Exec(t, s, `CREATE TABLE replaced (n integer, text text)`)
	const size = `SELECT pg_relation_size('replaced')`
	var first int64
	for round := range 6 {
		storetest.Exec(t, s, `DELETE FROM replaced`)
		storetest.Exec(t, s, `INSERT INTO replaced SELECT i, repeat('x', 90) FROM generate_series(1, 10000) AS i`)
		if round == 0 {
			first = storetest.Value[int64](t, s, size)
		}
		_, err := s.Vacuum(t.Context())
		require.NoError(t, err)
	}
	require.Less(t, storetest.Value[int64](t, s, size), 5*first/2, "the room of deleted rows is used again")
	require.EqualValues(t, 10_000, storetest.Value[float32](t, s, `SELECT reltuples FROM pg_class WHERE relname = 'replaced'`),
		"the planner knows")
	analyzed, err := s.Vacuum(t.Context())
	require.NoError(t, err)
	require.Zero(t, analyzed, "nothing has grown since")
}
