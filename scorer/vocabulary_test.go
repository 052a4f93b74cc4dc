package scorer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// vocabularyFiles are the files of a vocabulary.
func vocabularyFiles(words, pairs string) fstest.MapFS {
	return fstest.MapFS{wordsFile: {Data: []byte(words)}, pairsFile: {Data: []byte(pairs)}}
}

func TestAVocabularyKnowsItsWordsAndNoOthers(t *testing.T) {
	t.Parallel()
	v, err := readVocabulary(vocabularyFiles("good\nbad\nbad~\n#btc\n🚀\n<coin>\n", "good bad\n<coin> good\ngood good\n"))
	require.NoError(t, err)
	for word, want := range map[string]int32{"good": 2, "bad": 3, "bad~": 4, "#btc": 5, "🚀": 6, "<coin>": 7, "good~": 2, "#btc~": 5, "ugly": 1, "goo": 1,
		"ood": 1, "d": 1, "goodbad": 1, "good\nbad": 1, "ugly~": 1, "~": 1, "": 1} {
		require.Equal(t, want, v.id([]byte(word)), word)
	}
	for pair, want := range map[[2]int32]int32{{2, 3}: 8, {7, 2}: 9, {2, 2}: 10, {3, 2}: 0, {1, 1}: 0, {2, 1}: 0, {7, 7}: 0} {
		require.Equal(t, want, v.pair(pair[0], pair[1]), pair)
	}
	empty, err := readVocabulary(vocabularyFiles("", ""))
	require.NoError(t, err)
	require.EqualValues(t, unknownID, empty.id([]byte("good")))
	require.Zero(t, empty.pair(unknownID, unknownID))
}

// Words share slots, beginnings and ends, and pairs share words: what a map says is right.
func TestALargeVocabularyIsAsAMap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	ids, pairs := map[string]int32{}, map[[2]int32]int32{}
	var words, lines strings.Builder
	var list []string
	for len(list) < 1200 { // of the 1,554 of up to four letters
		word := []byte{}
		for range 1 + random.IntN(4) {
			word = append(word, "abcde~"[random.IntN(6)])
		}
		if _, found := ids[string(word)]; !found {
			ids[string(word)] = int32(firstWordID + len(list))
			list = append(list, string(word))
			fmt.Fprintln(&words, list[len(list)-1])
		}
	}
	for range 3000 {
		a, b := int32(random.IntN(len(list))), int32(random.IntN(50))
		if _, found := pairs[[2]int32{a + firstWordID, b + firstWordID}]; !found {
			pairs[[2]int32{a + firstWordID, b + firstWordID}] = int32(firstWordID + len(list) + len(pairs))
			fmt.Fprintln(&lines, list[a], list[b])
		}
	}
	v, err := readVocabulary(vocabularyFiles(words.String(), lines.String()))
	require.NoError(t, err)
	for word, id := range ids {
		require.Equal(t, id, v.id([]byte(word)))
	}
	for a := range int32(len(list)) {
		for b := range int32(60) {
			require.Equal(t, pairs[[2]int32{a + firstWordID, b + firstWordID}], v.pair(a+firstWordID, b+firstWordID))
		}
	}
}

func TestADamagedVocabularyIsRefused(t *testing.T) {
	t.Parallel()
	without := func(name string) fstest.MapFS {
		files := vocabularyFiles("good\nbad\n", "good bad\n")
		delete(files, name)
		return files
	}
	for name, test := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"no words":            {without(wordsFile), "holds no words.txt: a model of this form keeps its vocabulary in words.txt and pairs.txt"},
		"no pairs":            {without(pairsFile), "holds no pairs.txt"},
		"a word twice":        {vocabularyFiles("good\nbad\ngood\n", ""), `line 3 of words.txt is "good"; each line must be another word`},
		"an empty line":       {vocabularyFiles("good\n\nbad\n", ""), "line 2 of words.txt"},
		"two words in a line": {vocabularyFiles("good bad\n", ""), "line 1 of words.txt"},
		"words cut off":       {vocabularyFiles("good\nba", ""), "words.txt does not end with a line"},
		"pairs cut off":       {vocabularyFiles("good\nbad\n", "good bad\nbad g"), "pairs.txt does not end with a line"},
		"a pair of strangers": {vocabularyFiles("good\nbad\n", "good bad\nbad ugly\n"), "line 2 of pairs.txt"},
		"a pair of one":       {vocabularyFiles("good\nbad\n", "good\n"), "line 1 of pairs.txt"},
		"a pair twice":        {vocabularyFiles("good\nbad\n", "good bad\nbad bad\ngood bad\n"), "line 3 of pairs.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readVocabulary(test.files)
			require.ErrorContains(t, err, test.want)
		})
	}
}
