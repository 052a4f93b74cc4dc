package bluesky_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/bluesky"
	"rcas/ingestor/feed"
)

// samples are messages of both versions, made up.
var samples = []string{
	`{"did":"did:plc:a","time_us":1783175888090631,"kind":"commit","commit":{"rev":"3mptbypcq372f","operation":"create",` +
		`"collection":"app.bsky.feed.post","rkey":"r1","record":{"$type":"app.bsky.feed.post",` +
		`"createdAt":"2026-07-04T14:38:06.240Z","langs":["en-GB"],"text":"$BTC & co"},"cid":"bafy"}}`,
	`{"did":"did:plc:a","time_us":1783175888090632,"cursor":77,"kind":"commit","commit":{"rev":"3mptbypcq372f",` +
		`"operation":"create","collection":"app.bsky.feed.post","rkey":"r2","record":{"text":"from the future",` +
		`"createdAt":"2031-01-01T00:00:00Z"}}}`,
	`{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":12,"did":"did:plc:b",` +
		`"time":"2026-07-04T14:38:08.390226Z","rev":"nonsense","operation":"create","collection":"app.bsky.feed.post",` +
		`"rkey":"r3","record":{"text":"hi","createdAt":"yesterday","langs":["cmn"]}}}`,
	`{"did":"did:plc:a","time_us":1783175888377628,"kind":"commit","commit":{"rev":"3mptbypuw3t2q","operation":"delete",` +
		`"collection":"app.bsky.feed.post","rkey":"r1"}}`,
	`{"did":"did:plc:a","time_us":1783175888384849,"kind":"identity","identity":{"did":"did:plc:a","seq":31527015470}}`,
	`{"did":"did:plc:a","time_us":1783175888390226,"kind":"account","account":{"active":false,"status":"deleted"}}`,
	`{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#account","seq":13,"did":"did:plc:b",` +
		`"time":"2026-07-04T14:38:09Z","account":{"active":false,"status":"takendown"}}}`,
	`{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#info","name":"OutdatedCursor"}}`,
	`{"did":"did:plc:a","time_us":1783175888085434,"kind":"commit","commit":{"rev":"3m","operation":"create",` +
		`"collection":"app.bsky.feed.like","rkey":"r9","record":{}}}`,
	`{"did":"did:plc:a","time_us":1783175888085434,"kind":"commit","commit":{"rev":"3m","operation":"update",` +
		`"collection":"app.bsky.feed.post","rkey":"r1","record":{}}}`,
}

func TestDecode(t *testing.T) {
	t.Parallel()
	var events []bluesky.Event
	for _, sample := range samples {
		event, err := bluesky.Decode([]byte(sample))
		require.NoError(t, err, sample)
		events = append(events, event)
	}
	p := events[0].Post
	require.Equal(t, "did:plc:a/app.bsky.feed.post/r1", p.ID)
	require.Equal(t, "en", p.Lang)
	require.Equal(t, "$BTC & co", p.Text)
	require.Equal(t, time.Date(2026, 7, 4, 14, 38, 6, 240e6, time.UTC), p.Time)

	seen := time.UnixMicro(1783175888090632).UTC()
	require.EqualValues(t, 77, events[1].Seq)
	require.Equal(t, seen, events[1].Time)
	require.WithinDuration(t, seen, events[1].Post.Time, 2*time.Second, "a claim of the future gives way to the revision's time")
	require.NotEqual(t, seen, events[1].Post.Time)

	require.Equal(t, events[2].Time, events[2].Post.Time, "and that, where it is none, to the host's")
	require.Empty(t, events[2].Post.Lang)
	require.Equal(t, p.ID, events[3].Deleted)
	require.Equal(t, bluesky.Event{Time: events[4].Time}, events[4])
	require.Equal(t, "did:plc:a", events[5].Gone)
	require.Equal(t, "did:plc:b", events[6].Gone)
	require.Equal(t, "OutdatedCursor", events[7].Info)
	require.Nil(t, events[8].Post)
	require.True(t, events[9].Updated)
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "[]", "{", `{"kind":"commit"}`, `{"did":"d","time_us":1,"kind":"commit"}`, `{"$type":"message","payload":{}}`,
		`{"did":"d","time_us":1,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post","rkey":"r","record":5}}`,
	} {
		_, err := bluesky.Decode([]byte(text))
		require.ErrorIs(t, err, feed.ErrMalformed, text)
	}
	_, err := bluesky.Decode([]byte(`{"$type":"error","error":"ConsumerTooSlow","message":"far behind"}`))
	var last *bluesky.ServerError
	require.ErrorAs(t, err, &last)
	require.Equal(t, "ConsumerTooSlow", last.Name)
}

func FuzzDecode(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte(sample))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		event, err := bluesky.Decode(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatal("read what is no JSON")
		}
		if event.Post != nil {
			require.NotEmpty(t, event.Post.ID)
			require.False(t, event.Post.Time.IsZero())
		}
	})
}
