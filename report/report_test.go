package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/grafana/grafanatest"
	"rcas/report"
	"rcas/store/storetest"
)

// TestReport asks about a day in which mood and price parted ways, and about one in which nothing was.
func TestReport(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	anchor := time.Now().Truncate(time.Minute)
	grafanatest.Fill(t, s, anchor)
	r, err := report.Ask(t.Context(), s.Pool(), "BTC", anchor.Add(-24*time.Hour), anchor)
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, r.Width)
	require.Equal(t, "Bitcoin", r.Name)
	require.NotEmpty(t, r.Events)
	var posts, judged int64
	for _, b := range r.Buckets {
		posts, judged = posts+b.Posts, judged+b.Judged
	}
	require.Equal(t, posts, r.Whole.Posts)
	require.Equal(t, judged, r.Whole.Judged)
	raw := storetest.Value[float64](t, s, `SELECT avg(score) FROM sentiments WHERE symbol = 'BTC' AND NOT repeat AND coalesce(kind, 'person') = 'person' AND skipped IS NULL
		AND time >= time_bucket('15 minutes', $1::timestamptz) AND time < $2`, anchor.Add(-24*time.Hour), anchor)
	require.InDelta(t, raw, *r.Whole.Mood, 1e-5)

	var page bytes.Buffer
	require.NoError(t, r.Write(&page))
	html := page.String()
	require.Contains(t, html, "<h1>Bitcoin BTC</h1>")
	require.Equal(t, len(r.Events), strings.Count(html, " σ<td"))
	for _, bad := range []string{"NaN", "%!", "&lt;nil&gt;", "Inf"} {
		require.NotContains(t, html, bad)
	}

	r, err = report.Ask(t.Context(), s.Pool(), "XMR", time.Unix(0, 0), time.Unix(86400*3000, 0))
	require.NoError(t, err)
	page.Reset()
	require.NoError(t, r.Write(&page))
	require.Contains(t, page.String(), "Nothing was traded in this time.")
	require.Contains(t, page.String(), "Too few pairs")
	_, err = report.Ask(t.Context(), s.Pool(), "NOPE", anchor.Add(-time.Hour), anchor)
	require.ErrorContains(t, err, "unknown symbol")
}
