package ingestor_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/ingestor"
	"rcas/market"
	"rcas/store/storetest"
)

// Deletions of a post and of an account find what is stored under pseudonyms, and no name is stored.
func TestPseudonymsAreFoundByDeletions(t *testing.T) {
	t.Parallel()
	s, db := openStream(t), storetest.New(t)
	p := ingestor.NewPseudonyms(bytes.Repeat([]byte{7}, 32))
	door := newDoor(t, s, func(cfg *ingestor.DoorConfig) { cfg.Pseudonyms = p })
	post := func(author, key string) {
		require.NoError(t, door.Tweet(t.Context(), &market.Tweet{Source: "bluesky", ID: author + "/app.bsky.feed.post/" + key, Time: noon,
			Author: author, Text: "bitcoin " + key}))
	}
	for _, key := range []string{"one", "two"} {
		post("did:plc:ann", key)
		post("did:plc:bob", key)
	}
	require.NoError(t, door.Delete(t.Context(), "bluesky", "did:plc:ann/app.bsky.feed.post/one"))
	require.NoError(t, door.Delete(t.Context(), "bluesky", "did:plc:bob/"))
	require.NoError(t, door.Flush(t.Context()))
	written(t, s, db)
	ann := p.Name("bluesky", "did:plc:ann")
	require.Equal(t, [][]any{{ann, ann + "/app.bsky.feed.post/two", "bitcoin two"}},
		storetest.Rows(t, db, `SELECT author, id, text FROM tweets WHERE deleted_at IS NULL`))
	storetest.RequireNone(t, db, `SELECT * FROM tweets WHERE (id || author) ~ 'did:'`)
	storetest.RequireNone(t, db, `SELECT * FROM deletions WHERE id ~ 'did:'`)
	require.EqualValues(t, 4, storetest.Value[int64](t, db, `SELECT count(*) FROM tweets`))
}

func TestPseudonyms(t *testing.T) {
	t.Parallel()
	p, other := ingestor.NewPseudonyms(make([]byte, 32)), ingestor.NewPseudonyms(bytes.Repeat([]byte{1}, 32))
	ann := p.Name("twitter", "ann")
	require.Len(t, ann, len("hmac:")+32)
	require.Equal(t, ann, p.Name("twitter", "ann"))
	require.Equal(t, ann, p.Name("twitter", ann), "an export that is read again keeps its pseudonyms")
	require.NotEqual(t, ann, p.Name("reddit", "ann"), "people of one name on two networks are two")
	require.NotEqual(t, ann, other.Name("twitter", "ann"))
	require.Empty(t, p.Name("twitter", ""))
	require.Equal(t, "1234", p.ID("twitter", "1234"))
	require.Equal(t, p.Name("bluesky", "did:plc:a")+"/", p.ID("bluesky", "did:plc:a/"))
	require.NotEqual(t, p.Fingerprint(), other.Fingerprint())
}
