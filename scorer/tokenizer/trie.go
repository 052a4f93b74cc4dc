package tokenizer

// trie maps strings to numbers and finds the entries that a text begins with. All edges lie in one table, so that a step costs
// about one probe and a vocabulary of 250,000 pieces some 20 MB. The zero trie is empty.
type trie struct {
	edges  table[int32] // from node<<8 | byte to the next node
	values []int32      // by node: value plus one, zero for none
}

// insert sets a string's value, which is at least zero; a later value replaces an earlier one.
func (t *trie) insert(s string, value int32) {
	if t.values == nil {
		t.values = append(t.values, 0)
	}
	node := int32(0)
	for i := range len(s) {
		next := t.step(node, s[i])
		if next < 0 {
			next = int32(len(t.values))
			t.values = append(t.values, 0)
			t.edges.put(uint64(node)<<8|uint64(s[i]), next)
		}
		node = next
	}
	t.values[node] = value + 1
}

// find returns the value of a string.
func (t *trie) find(s string) (value int32, found bool) {
	node := t.walk(s)
	if node < 0 || int(node) >= len(t.values) || t.values[node] == 0 {
		return 0, false
	}
	return t.values[node] - 1, true
}

// walk returns the node that s leads to from the root, or -1.
func (t *trie) walk(s string) int32 {
	node := int32(0)
	for i := 0; i < len(s) && node >= 0; i++ {
		node = t.step(node, s[i])
	}
	return node
}

// longest returns the value and length of the longest entry that the text begins with; length zero for none.
func (t *trie) longest(text string) (value int32, length int) { return t.longestFrom(0, text) }

func (t *trie) longestFrom(node int32, text string) (value int32, length int) {
	for i := range len(text) {
		if node = t.step(node, text[i]); node < 0 {
			break
		}
		if v := t.values[node]; v > 0 {
			value, length = v-1, i+1
		}
	}
	return value, length
}

// step follows one byte from a node; -1 where there is no such edge.
func (t *trie) step(node int32, b byte) int32 {
	if next, found := t.edges.get(uint64(node)<<8 | uint64(b)); found {
		return next
	}
	return -1
}

// table is a hash table of numbers with open addressing. The zero table is empty.
type table[V int32 | merge] struct {
	keys   []uint64 // plus one; zero is a free slot
	values []V
	used   int
}

func (t *table[V]) get(key uint64) (value V, found bool) {
	if t.used == 0 {
		return value, false
	}
	mask := uint64(len(t.keys) - 1)
	for slot := hash(key) & mask; ; slot = (slot + 1) & mask {
		switch t.keys[slot] {
		case key + 1:
			return t.values[slot], true
		case 0:
			return value, false
		}
	}
}

// put sets a key's value; a later value replaces an earlier one.
func (t *table[V]) put(key uint64, value V) {
	if 4*(t.used+1) > 3*len(t.keys) {
		old := *t
		size := max(16, 2*len(old.keys))
		*t = table[V]{keys: make([]uint64, size), values: make([]V, size)}
		for i, key := range old.keys {
			if key != 0 {
				t.put(key-1, old.values[i])
			}
		}
	}
	mask := uint64(len(t.keys) - 1)
	slot := hash(key) & mask
	for t.keys[slot] != 0 && t.keys[slot] != key+1 {
		slot = (slot + 1) & mask
	}
	if t.keys[slot] == 0 {
		t.used++
	}
	t.keys[slot], t.values[slot] = key+1, value
}

// hash spreads keys over a table (Fibonacci hashing: 2^64 over the golden ratio).
func hash(key uint64) uint64 { return key * 0x9E3779B97F4A7C15 >> 20 }
