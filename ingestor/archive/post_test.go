package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
)

func decodeAll(line, source string) (tweets []market.Tweet, err error) {
	_, err = decodeJSON([]byte(line), nil, &Config{Source: source}, nil, func(e event) error {
		tweets = append(tweets, *e.tweet)
		return nil
	})
	return tweets, err
}

func TestDecodePosts(t *testing.T) {
	t.Parallel()
	noon := time.Date(2018, 1, 25, 20, 45, 52, 0, time.UTC)
	for name, test := range map[string]struct {
		line string
		want market.Tweet
	}{
		"v1.1": {
			`{"created_at":"Thu Jan 25 20:45:52 +0000 2018","id":956,"id_str":"956","text":"tulips &amp; coins","source":"<a>web</a>",
			"user":{"id":7,"id_str":"7","screen_name":"anna","followers_count":12,"lang":"de"},"quote_count":1,"reply_count":2,
			"retweet_count":3,"favorite_count":4,"lang":"en","entities":{"hashtags":[]},"timestamp_ms":"1516913152657"}`,
			market.Tweet{Source: "twitter", ID: "956", Time: noon, Author: "anna", Lang: "en", Text: "tulips & coins", Followers: 12,
				QuoteCount: 1, ReplyCount: 2, RetweetCount: 3, FavoriteCount: 4},
		},
		"v1.1 extended": {
			`{"created_at":"Thu Jan 25 20:45:52 +0000 2018","id_str":"1","text":"cut…","truncated":true,
			"extended_tweet":{"full_text":"cut no more"},"user":{"screen_name":"anna"},"lang":"und"}`,
			market.Tweet{Source: "twitter", ID: "1", Time: noon, Author: "anna", Text: "cut no more"},
		},
		"v1.1 full text, quoting": {
			`{"created_at":"Thu Jan 25 20:45:52 +0000 2018","id":2,"full_text":"my word","is_quote_status":true,"user":{"screen_name":"anna"},
			"quoted_status":{"id_str":"1","full_text":"another's word","user":{"screen_name":"bert"}},"lang":"in"}`,
			market.Tweet{Source: "twitter", ID: "2", Time: noon, Author: "anna", Lang: "id", Text: "my word"},
		},
		"v1.1 retweet": {
			`{"created_at":"Thu Jan 25 20:45:52 +0000 2018","id_str":"3","text":"RT @bert: a long …","user":{"screen_name":"anna"},
			"retweeted_status":{"id_str":"1","text":"a long …","extended_tweet":{"full_text":"a long story"},"user":{"screen_name":"bert"}}}`,
			market.Tweet{Source: "twitter", ID: "3", Time: noon, Author: "anna", Text: "a long story", Repost: true},
		},
		"v2": {
			`{"id":"4","created_at":"2018-01-25T20:45:52.000Z","text":"a &gt; b","author_id":"7","lang":"en","edit_history_tweet_ids":["4"],
			"public_metrics":{"retweet_count":1,"reply_count":2,"like_count":3,"quote_count":4}}`,
			market.Tweet{Source: "twitter", ID: "4", Time: noon, Author: "7", Lang: "en", Text: "a > b", RetweetCount: 1, ReplyCount: 2,
				FavoriteCount: 3, QuoteCount: 4},
		},
		"v2 envelope": {
			`{"data":{"id":"5","created_at":"2018-01-25T20:45:52Z","text":"hi","author_id":"7"},
			"includes":{"users":[{"id":"6","username":"bert"},{"id":"7","username":"anna","public_metrics":{"followers_count":99}}]},
			"matching_rules":[{"id":"1","tag":"BTC"}]}`,
			market.Tweet{Source: "twitter", ID: "5", Time: noon, Author: "anna", Text: "hi", Followers: 99},
		},
		"v2 repost": {
			`{"data":{"id":"6","created_at":"2018-01-25T20:45:52Z","text":"RT @bert: cut…","author_id":"7",
			"referenced_tweets":[{"type":"retweeted","id":"1"}]},"includes":{"tweets":[{"id":"1","text":"cut no more"}]}}`,
			market.Tweet{Source: "twitter", ID: "6", Time: noon, Author: "7", Text: "cut no more", Repost: true},
		},
		"v2 long": {
			`{"id":"7","created_at":"2018-01-25T20:45:52Z","text":"cut…","author_id":"7","note_tweet":{"text":"cut no more"}}`,
			market.Tweet{Source: "twitter", ID: "7", Time: noon, Author: "7", Text: "cut no more"},
		},
		"normalised": {
			`{"id":"8","created_at":"2018-01-25T20:45:52.000Z","text":"a &amp; b","username":"anna","retweet_count":1,"like_count":2}`,
			market.Tweet{Source: "other", ID: "8", Time: noon, Author: "anna", Text: "a &amp; b", RetweetCount: 1, FavoriteCount: 2},
		},
		"normalised, all fields": {
			`{"id":9,"time":1516913152,"text":"x","source":"bluesky","author":"anna","lang":"EN-us","followers":"5","favorite_count":2,
			"reply_count":1.0,"quote_count":null,"repost":true,"symbols":["BTC"],"more":{"a":[1]}}`,
			market.Tweet{Source: "bluesky", ID: "9", Time: noon, Author: "anna", Lang: "en", Text: "x", Followers: 5, FavoriteCount: 2,
				ReplyCount: 1, Repost: true},
		},
		"normalised, retweeted by hand": {
			`{"id":"10","time":"1516913152000","text":"RT @bert: x"}`,
			market.Tweet{Source: "other", ID: "10", Time: noon, Text: "RT @bert: x", Repost: true},
		},
		"Reddit comment": {
			`{"id":"abc","author":"anna","body":"a &amp; b","created_utc":1516913152,"score":-3,"subreddit":"Bitcoin","link_id":"t3_x",
			"edited":false}`,
			market.Tweet{Source: "reddit", ID: "t1_abc", Time: noon, Author: "anna", Text: "a & b"},
		},
		"Reddit comment with full name": {
			`{"id":"abc","name":"t1_abc","author":"[deleted]","body":"still here","created_utc":"1516913152","score":3}`,
			market.Tweet{Source: "reddit", ID: "t1_abc", Time: noon, Text: "still here", FavoriteCount: 3},
		},
		"Reddit submission": {
			`{"id":"def","author":"anna","title":"Why?","selftext":"Just asking.","created_utc":1516913152.0,"score":7,"num_comments":2}`,
			market.Tweet{Source: "reddit", ID: "t3_def", Time: noon, Author: "anna", Text: "Why?\n\nJust asking.", FavoriteCount: 7,
				ReplyCount: 2},
		},
		"Reddit link, crossposted": {
			`{"id":"t3_def","author":"anna","title":"Look","selftext":"[removed]","created_utc":1516913152,"crosspost_parent":"t3_x"}`,
			market.Tweet{Source: "reddit", ID: "t3_def", Time: noon, Author: "anna", Text: "Look", Repost: true},
		},
		"invalid UTF-8": {
			"{\"id\":\"11\",\"time\":1516913152,\"text\":\"a\xff\\u0000\\ud800b\"}",
			market.Tweet{Source: "other", ID: "11", Time: noon, Text: "a\uFFFD\x00\uFFFDb"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeAll(test.line, "other")
			require.NoError(t, err)
			require.Equal(t, []market.Tweet{test.want}, got)
		})
	}
}

func TestDecodePostsRefuses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{`:                                                       reasonMalformed,
		`{"id":"1","text":"a"} {}`:                                reasonMalformed,
		`{"id":"1","text":5,"time":1}`:                            reasonMalformed,
		`{"id":["1"],"text":"a","time":1}`:                        reasonMalformed,
		`{"id":true,"text":"a","time":1}`:                         reasonMalformed,
		`{"id":"1","text":"a","time":{}}`:                         reasonMalformed,
		`{"id":"1","text":"a","time":"an"}`:                       reasonMalformed,
		`{"id":"1","text":"a","time":1,"like_count":"many"}`:      reasonMalformed,
		`{"id":"1","text":"a","time":1,"like_count":1e300}`:       reasonMalformed,
		`{"id":"1","user":"anna","text":"a"}`:                     reasonMalformed,
		`{"id":"1","text":"a"}`:                                   reasonNoTime,
		`{"id":"1","text":"a","time":null}`:                       reasonNoTime,
		`{"text":"a","time":1}`:                                   reasonNoID,
		`{"id":"","text":"a","time":1}`:                           reasonNoID,
		`{"id":"1","time":1}`:                                     reasonNoText,
		`{"id":"1","text":null,"time":1}`:                         reasonNoText,
		`{"id_str":"1","user":{}}`:                                reasonNoText,
		`{}`:                                                      reasonNoPost,
		`null`:                                                    reasonNoPost,
		`{"kind":"commit"}`:                                       reasonNoPost,
		`{"delete":{"status":{"id_str":"1","user_id_str":"2"}}}`:  reasonDelete,
		`{"limit":{"track":5}}`:                                   reasonNotice,
		`{"scrub_geo":{}}`:                                        reasonNotice,
		`{"data":5}`:                                              reasonMalformed,
		`{"data":{"id":"1","created_at":"2018-01-25T20:45:52Z"}}`: reasonNoText,
		`{"id":"a","body":"[removed]","created_utc":1}`:           reasonRemoved,
		`{"id":"a","body":"[deleted]","created_utc":1}`:           reasonRemoved,
		`{"id":"a","body":"x"}`:                                   reasonNoTime,
		`{"body":"x","created_utc":1}`:                            reasonNoID,
		`{"id":"a","title":"[deleted]","created_utc":1}`:          reasonRemoved,
		`{"id":"1","text":"a","time":99999999999999999999}`:       reasonMalformed,
		strings.Repeat(`{"data":`, 20_000):                        reasonMalformed,
		`{"id":"1","text":"a","time":1,"more":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`: reasonMalformed,
	} {
		got, err := decodeAll(line, "other")
		require.Empty(t, got, "%.80s", line)
		var u *unreadable
		require.ErrorAs(t, err, &u, "%.80s", line)
		require.Equal(t, want, u.reason, "%.80s", line)
	}
}

// A page of a search is read post by post.
func TestDecodeEnvelopeOfMany(t *testing.T) {
	t.Parallel()
	page := `{"data":[{"id":"1","created_at":"2018-01-25T20:45:52Z","text":"a"},{"id":"2","created_at":"2018-01-25T20:45:52Z","text":5},
		{"id":"3","text":"b"},{"id":"4","created_at":"2018-01-25T20:45:52Z","text":"c"}],"meta":{"result_count":4}}`
	got, err := decodeAll(page, "other")
	require.Len(t, got, 2)
	require.Equal(t, "4", got[1].ID)
	require.Error(t, err)

	path := write(t, "page.json", strings.ReplaceAll(page, "\n", " "))
	_, stats := replay(t, Config{Paths: []string{path}})
	require.EqualValues(t, 1, stats.Drops[reasonMalformed].Count)
	require.EqualValues(t, 1, stats.Drops[reasonNoTime].Count)
}

// What RCAS writes as a tweet, it reads as the same tweet.
func TestNormalisedRoundTrip(t *testing.T) {
	t.Parallel()
	want := market.Tweet{
		Source: "bluesky", ID: "a/b/c", Time: time.Date(2024, 5, 1, 12, 0, 0, 123456000, time.UTC), Author: "anna", Lang: "de",
		Text: "\"quoted\"\n🚀", Repost: true, Followers: 1, QuoteCount: 2, ReplyCount: 3, RetweetCount: 4, FavoriteCount: 5,
	}
	line, err := json.Marshal(want)
	require.NoError(t, err)
	got, err := decodeAll(string(line), "other")
	require.NoError(t, err)
	require.Equal(t, []market.Tweet{want}, got)
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2024-05-01T12:00:00Z":           "2024-05-01T12:00:00Z",
		"2024-05-01T14:00:00.5+02:00":    "2024-05-01T12:00:00.5Z",
		"2024-05-01 12:00:00":            "2024-05-01T12:00:00Z",
		"2024-05-01 12:00:00.25":         "2024-05-01T12:00:00.25Z",
		"2024-05-01 14:00:00+02:00":      "2024-05-01T12:00:00Z",
		"2024-05-01 12:00:00 UTC":        "2024-05-01T12:00:00Z",
		"2024-05-01 12:00":               "2024-05-01T12:00:00Z",
		"2024-05-01":                     "2024-05-01T00:00:00Z",
		" 1714564800 ":                   "2024-05-01T12:00:00Z",
		"1714564800.1234":                "2024-05-01T12:00:00.1234Z",
		"1.7145648E+09":                  "2024-05-01T12:00:00Z",
		"1714564800123":                  "2024-05-01T12:00:00.123Z",
		"1714564800123456":               "2024-05-01T12:00:00.123456Z",
		"1714564800123456789":            "2024-05-01T12:00:00.123456789Z",
		"Wed May 01 12:00:00 +0000 2024": "2024-05-01T12:00:00Z",
		"-86400":                         "1969-12-31T00:00:00Z",
	} {
		got, err := parseTime(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got.Format(time.RFC3339Nano), text)
	}
	for _, text := range []string{"", " ", "now", "12", "NaN", "1e400", "5.x1", "2024-13-01T00:00:00Z", "2024-05-01T25:00:00Z", "-", ".1.2",
		"99999999999999999999", "12:30", "1-2"} {
		got, err := parseTime(text)
		if text == "12" {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, errNoTime, "%q gave %v", text, got)
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{"id":"8","created_at":"2018-01-25T20:45:52.000Z","text":"a","username":"anna","retweet_count":1,"like_count":"2"}`,
		`{"created_at":"Thu Jan 25 20:45:52 +0000 2018","id_str":"1","text":"a","user":{"screen_name":"a"},"retweeted_status":{"text":"b"}}`,
		`{"data":[{"id":"5","created_at":"2018-01-25T20:45:52Z","text":"hi","author_id":"7"}],"includes":{"users":[{"id":"7"}]}}`,
		`{"id":"abc","author":"anna","body":"b","created_utc":1516913152.5,"score":-3}`, `{"delete":{}}`, `{"data":null}`,
	} {
		f.Add(seed)
	}
	stop := errors.New("stop")
	f.Fuzz(func(t *testing.T, line string) {
		tweets, err := decodeAll(line, "other")
		for _, tweet := range tweets {
			require.NotEmpty(t, tweet.ID)
			require.NotEmpty(t, tweet.Source)
			require.False(t, tweet.Time.IsZero() && tweet.Time.Location() != time.UTC)
		}
		if len(tweets) == 0 {
			require.Error(t, err)
			return
		}
		_, err = decodeJSON([]byte(line), nil, &Config{Source: "other"}, nil, func(event) error { return stop })
		require.ErrorIs(t, err, stop, "what emit returns comes out")
	})
}

func BenchmarkDecodeNormalised(b *testing.B) {
	line := []byte(`{"id":"900000000000000001","created_at":"2017-12-25T20:16:28.387Z","text":"Why would anybody want to sell their ` +
		`coins now, when the next station is the moon? https://example.com/a/b","username":"somebody77","retweet_count":0,"like_count":0}`)
	benchmarkDecode(b, line)
}

func BenchmarkDecodeV1(b *testing.B) {
	line := `{"created_at":"Thu Jan 25 20:45:52 +0000 2018","id":956,"id_str":"956","text":"tulips &amp; coins to the moon","source":"<a>web</a>",
		"user":{"id":7,"id_str":"7","screen_name":"anna","followers_count":12,"description":"%s"},"quote_count":1,"reply_count":2,
		"retweet_count":3,"favorite_count":4,"lang":"en","entities":{"hashtags":[%s]},"timestamp_ms":"1516913152657"}`
	line = fmt.Sprintf(line, strings.Repeat("words ", 30), strings.TrimSuffix(strings.Repeat(`{"text":"coin","indices":[1,5]},`, 60), ","))
	benchmarkDecode(b, []byte(line))
}

func benchmarkDecode(b *testing.B, line []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for range b.N {
		if _, err := decodeJSON(line, nil, &Config{}, nil, func(event) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
}

// parseTime is parseMoment for who needs the time only, in UTC where the text tells no zone.
func parseTime(s string) (time.Time, error) {
	m, err := parseMoment(s, time.UTC)
	return m.Time, err
}
