package ingestor

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWhoseClockIsWrong tells feeds, some of them by 20 s ahead, and a host to a clock, and reads whom it blames.
func TestWhoseClockIsWrong(t *testing.T) {
	t.Parallel()
	const machine, venue = "this machine's clock seems wrong", "the clock of the feed runs ahead"
	for name, test := range map[string]struct {
		ahead, right []string
		date         time.Duration // by how much a host's Date is ahead
		hosts        int
		want         string
	}{
		"all feeds":                    {ahead: []string{"a", "b"}, want: machine},
		"the only feed":                {ahead: []string{"a"}, want: machine},
		"one of three":                 {ahead: []string{"a"}, right: []string{"b", "c"}, want: venue},
		"one, and hosts say otherwise": {ahead: []string{"a"}, hosts: 2, want: venue},
		"one, and hosts agree":         {ahead: []string{"a"}, right: []string{"b"}, hosts: 2, date: 20 * time.Second, want: machine},
		"none":                         {right: []string{"a", "b"}, hosts: 2},
		"nobody but hosts, fast":       {right: []string{"a"}, hosts: 2, date: -time.Minute, want: machine},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				c := NewClock(slog.New(slog.NewTextHandler(&log, nil)), nil)
				tell := func(ahead time.Duration, feeds []string) {
					for _, source := range feeds {
						now := time.Now()
						if ahead > 10*time.Second {
							c.early(source, now.Add(ahead), now)
						} else {
							c.onTime(source, now.Add(ahead), now)
						}
					}
				}
				for range 60 {
					tell(20*time.Second, test.ahead)
					tell(-100*time.Millisecond, test.right)
					for host := range test.hosts {
						c.date(string(rune('A'+host)), time.Now().Add(test.date), time.Now())
					}
					time.Sleep(time.Second)
				}
				if test.want == "" {
					require.Empty(t, log.String())
					return
				}
				require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
				require.Contains(t, log.String(), test.want)
				for range 20 { // right again
					tell(0, test.ahead)
					tell(0, test.right)
					for host := range test.hosts {
						c.date(string(rune('A'+host)), time.Now(), time.Now())
					}
					time.Sleep(time.Second)
				}
				require.Equal(t, 2, strings.Count(log.String(), "level=WARN"), log.String())
				require.Contains(t, log.String(), "over: ")
			})
		})
	}
}

// TestOneOddMessageBlamesNobody: a single message from the future is its sender's fault.
func TestOneOddMessageBlamesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := NewClock(slog.New(slog.NewTextHandler(&log, nil)), nil)
		for i := range 600 {
			now := time.Now()
			c.onTime("a", now, now)
			if i%60 == 0 {
				c.early("a", now.AddDate(70, 0, 0), now)
			}
			time.Sleep(time.Second)
		}
		require.Empty(t, log.String())
	})
}

type answer http.Header

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header(a), Body: http.NoBody}, nil
}

// TestTransportHearsDates, but not those of caches.
func TestTransportHearsDates(t *testing.T) {
	t.Parallel()
	date := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	ask := func(header http.Header) (time.Duration, bool) {
		c := NewClock(nil, nil)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://host.example/", nil)
		require.NoError(t, err)
		response, err := c.Transport(answer(header)).RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return c.Offset()
	}
	behind, ok := ask(http.Header{"Date": {date}})
	require.True(t, ok)
	require.InDelta(t, time.Minute, behind, float64(10*time.Second))
	_, ok = ask(http.Header{"Date": {date}, "Age": {"300"}})
	require.False(t, ok)
	_, ok = ask(http.Header{})
	require.False(t, ok)
}
