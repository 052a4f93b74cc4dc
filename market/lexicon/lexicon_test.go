package lexicon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/market/lexicon"
)

func TestLexiconGivesWordsTheirLastValue(t *testing.T) {
	t.Parallel()
	l, want := lexicon.New(), map[string]uint32{}
	require.Zero(t, l.Get(nil))
	for i := range uint32(5000) {
		word := strings.Repeat("long", int(i%7)) + fmt.Sprint(i%4000) + strings.Repeat("tail", int(i%5)) // some of which have one hash
		require.Equal(t, want[word], l.Get([]byte(word)), word)
		l.Set(word, i)
		want[word] = i
	}
	l.Set("", 7)
	require.EqualValues(t, 7, l.Get(nil))
	for word, value := range want {
		require.Equal(t, value, l.Get([]byte(word)), word)
		require.Zero(t, l.Get([]byte(word+"?")), word)
	}
}
