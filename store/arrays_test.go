package store_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// TestArraysArriveAsTheyWere sends lists of every type that batches are made of to the database, which knows what they are, and reads them back.
func TestArraysArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	text, f := "ä \"quoted\", {braces} NULL", float32(-0.1)
	for sql, lists := range map[string][]any{
		"text":        {[]string{"", text, "NULL", `\`}, []*string{nil, &text, nil}, []string{}, []*string{}},
		"timestamptz": {[]time.Time{noon.Add(123456 * time.Microsecond), time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC)}, []time.Time{}},
		"boolean":     {[]bool{true, false}},
		"integer":     {[]int32{0, -1, math.MaxInt32, math.MinInt32}},
		"bigint":      {[]int64{0, -1, math.MaxInt64, math.MinInt64}},
		"real":        {[]float32{0, f, math.MaxFloat32}, []*float32{nil, &f}},
		"float8":      {[]float64{0, -0.1, math.Inf(1), math.MaxFloat64}},
	} {
		for _, list := range lists {
			got := reflect.New(reflect.TypeOf(list))
			var n, nulls int
			require.NoError(t, s.Pool().QueryRow(t.Context(), `SELECT $1::`+sql+`[], cardinality($1), (SELECT count(*) FROM unnest($1) AS v WHERE v IS NULL)`,
				pgx.QueryExecModeCacheDescribe, list).Scan(got.Interface(), &n, &nulls), "%s: %v", sql, list)
			back := got.Elem()
			require.Equal(t, reflect.ValueOf(list).Len(), back.Len())
			require.Equal(t, back.Len(), n)
			for i := range n {
				want, had := reflect.ValueOf(list).Index(i).Interface(), back.Index(i).Interface()
				if at, ok := want.(time.Time); ok {
					require.True(t, at.Equal(had.(time.Time)), "%v came back as %v", want, had)
				} else {
					require.Equal(t, want, had)
				}
			}
		}
	}
	var isNull bool
	require.NoError(t, s.Pool().QueryRow(t.Context(), `SELECT $1::text[] IS NULL`, pgx.QueryExecModeCacheDescribe, []string(nil)).Scan(&isNull))
	require.True(t, isNull)
}
