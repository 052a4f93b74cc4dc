package scorer

import (
	"hash/fnv"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
)

func TestAFieldOfASCIIHasTheWordsOfAnyField(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	terms := NewTerms()
	const alphabet = "aAbBsSsStTeE0''--#$.,!\x00\x7f"
	for range 20_000 {
		field := make([]byte, 1+rng.IntN(60))
		for i := range field {
			field[i] = alphabet[rng.IntN(len(alphabet))]
		}
		require.Equal(t, terms.ofAny(nil, string(field)), terms.ofASCII(nil, string(field)), "%q", field)
	}
	for _, field := range []string{"'s", "S's", "it's's", "AB's", "a's", "don't", "-x-ray-", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA's"} {
		require.Equal(t, terms.ofAny(nil, field), terms.ofASCII(nil, field), "%q", field)
	}
}

func TestHashesAreFNV(t *testing.T) {
	t.Parallel()
	author := fnv.New32a()
	author.Write([]byte("x\x00alice"))
	require.Equal(t, int32(author.Sum32()), authorHash(&market.Tweet{Source: "x", ID: "1", Author: "alice"}))
	text := fnv.New64a()
	text.Write([]byte("moon soon \x00x\x00\x001"))
	require.Equal(t, int64(text.Sum64()), textHash(&market.Tweet{Source: "x", ID: "1", Text: "Moon, soon 5!"}, nil))
}
