package market

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// odd are messages in forms that AppendJSON does not write.
var odd = []string{
	``, `{}`, `null`, `[]`, `{"id":"1"`, `{"id":"1"}x`, `{"id":"1"} `, ` {"id":"1"}`, `{"id" : "1"}`, `{"ID":"1"}`, `{"id":1}`, `{"id":null}`, `{"id":"1",}`,
	`{"id":"1","id":"2"}`, `{"symbols":null}`, `{"symbols":[]}`, `{"symbols":["A",]}`, `{"symbols":["A","B"],"symbols":["C"]}`, `{"symbols":"A"}`,
	`{"text":"a\"\\\/\b\f\n\r\t\u00e4\u2028"}`, `{"text":"\ud83d\ude80"}`, `{"text":"\ud83d"}`, `{"text":"\x"}`, `{"text":"\u12"}`, `{"text":"\u+123"}`,
	"{\"text\":\"a\nb\"}", "{\"text\":\"\xff\"}", `{"text":"` + "\u2028" + `"}`, `{"followers":01}`, `{"followers":-1}`, `{"followers":-0}`, `{"followers":1.0}`,
	`{"followers":1e2}`, `{"followers":9223372036854775808}`, `{"followers":-}`, `{"repost":true}`, `{"repost":false}`, `{"repost":truex}`, `{"repost":1}`,
	`{"time":"2024-03-05T12:00:00Z"}`, `{"time":"2024-03-05T12:00:00.123456789+02:00"}`, `{"time":"2024-03-05T12:00:00,5Z"}`, `{"time":"2024-3-5T12:00:00Z"}`,
	`{"time":"2024-03-05\u005412:00:00Z"}`, `{"time":5}`, `{"time":null}`, `{"unknown":{"a":[1]},"id":"1"}`, `{"price":0.5}`, `{"price":-1.5e-7}`, `{"price":1E+3}`,
	`{"price":.5}`, `{"price":5.}`, `{"price":1e}`, `{"price":00.5}`, `{"price":1e999}`, `{"price":NaN}`, `{"price":0x1}`, `{"price":"1"}`, `{"fill":true}`,
}

// FuzzWire: a message means to the reader of the road what it means to encoding/json, and what is written is read as it was.
func FuzzWire(f *testing.F) {
	for _, message := range odd {
		f.Add([]byte(message))
	}
	whole := Tweet{Source: "x", ID: "1", Author: `a"b\c`, Lang: "en", Text: "<b>&amp; \x00\x1f\n\r\t ä 🚀\u2028", Symbols: []string{"BTC", "ETH"}, Repost: true, Deleted: true,
		Followers: 1, QuoteCount: 2, ReplyCount: 3, RetweetCount: 4, FavoriteCount: -5, Time: time.Unix(1, 2).UTC(), ReceivedAt: time.Unix(3, 0).UTC()}
	f.Add(whole.AppendJSON(nil))
	trade := Price{Venue: "x", Symbol: "BTC", TradeID: "1", Price: 1e-7, Volume: 1e21, Fill: true, Time: time.Unix(1, 2).UTC()}
	f.Add(trade.AppendJSON(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		sameAsJSON(t, data, readTweet)
		sameAsJSON(t, data, readPrice)
	})
}

// sameAsJSON compares what two readers make of a message, and of that message as AppendJSON writes it.
func sameAsJSON[T any, P interface {
	*T
	AppendJSON([]byte) []byte
}](t *testing.T, data []byte, read func([]byte, P) error) {
	var want, got, again T
	wantErr, err := json.Unmarshal(data, &want), read(data, &got)
	require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err), "%q", data)
	require.Equal(t, want, got, "%q", data)
	if err != nil {
		return
	}
	written := P(&want).AppendJSON(nil)
	require.NoError(t, json.Unmarshal(written, &again), "%q", written)
	require.Equal(t, rewritten(t, &want), rewritten(t, &again))
	r := newReader(written)
	require.True(t, bytes.Equal(written, []byte(r.all)))
	require.NoError(t, read(written, &got))
	require.Equal(t, rewritten(t, &want), rewritten(t, &got))
}

// rewritten is what encoding/json writes of a value, in which no list and an empty one are the same.
func rewritten(t *testing.T, v any) string {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(bytes.ReplaceAll(text, []byte(`"symbols":null`), []byte(`"symbols":[]`)))
}

// TestUsualMessagesAreRead: what AppendJSON writes is read without encoding/json, which costs several times as much.
func TestUsualMessagesAreRead(t *testing.T) {
	t.Parallel()
	post := Tweet{Source: "x", ID: "1", Author: "a", Lang: "en", Text: "say \"moon\" & <rest>\n🚀", Symbols: []string{"BTC"}, Followers: 7, Time: time.Unix(1, 2).UTC(),
		ReceivedAt: time.Unix(3, 0).UTC()}
	require.True(t, readUsualTweet(post.AppendJSON(nil), new(Tweet)))
	trade := Price{Venue: "x", Symbol: "BTC", TradeID: "1", Price: 1e-7, Volume: 12.5, Fill: true, Time: time.Unix(1, 2).UTC()}
	require.True(t, readUsualPrice(trade.AppendJSON(nil), new(Price)))
}

func BenchmarkWire(b *testing.B) {
	post := Tweet{Source: "reddit", ID: "c1234567", Author: "user12345", Lang: "en", Symbols: []string{"BTC"}, Time: time.Unix(1589155200, 0).UTC(), FavoriteCount: 12,
		Text:       "to the bitcoin moon and back again with just about as many words as people write in one comment. Their wallet is empty, the exchange is not.",
		ReceivedAt: time.Unix(1589155200, 0).UTC()}
	message := post.AppendJSON(nil)
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			post.AppendJSON(make([]byte, 0, 512))
		}
	})
	b.Run("write by reflection", func(b *testing.B) {
		for b.Loop() {
			_, _ = json.Marshal(&post)
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			_ = readTweet(message, new(Tweet))
		}
	})
	b.Run("read by reflection", func(b *testing.B) {
		for b.Loop() {
			_ = json.Unmarshal(message, new(Tweet))
		}
	})
}
