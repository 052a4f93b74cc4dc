package tokenizer

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The reference is built from libraries of different Unicode versions (8 to 17). The tables below are where they differ from
// this program's version; a test compares every code point.
var (
	notControl = codePoints("890-891 8E2 110CD 13430-1343F")

	notPunctuation = codePoints("61D 9FD A76 C77 C84 1B7D-1B7E 2E43-2E4F 2E52-2E5D 10EAD 10F55-10F59 10F86-10F89 1144B-1144F " +
		"1145A-1145B 1145D 11660-1166C 116B9 1183B 11944-11946 119E2 11A3F-11A46 11A9A-11A9C 11A9E-11AA2 11B00-11B09 " +
		"11C41-11C45 11C70-11C71 11EF7-11EF8 11F43-11F4F 11FFF 12FF1-12FF2 16E97-16E9A 16FE2 1E95E-1E95F")

	notNonspacing = codePoints("7FD 898-89F 8CA-8E1 9FE AFA-AFF B55 C04 C3C D00 D3B-D3C D81 EBA ECE 180F 1885-1886 1ABF-1ACE " +
		"1DF6-1DFB A82C A8C5 A8FF A9BD 10D24-10D27 10EAB-10EAC 10EFD-10EFF 10F46-10F50 10F82-10F85 11070 11073-11074 110C2 111C9 " +
		"111CF 1123E 11241 1133B 11438-1143F 11442-11444 11446 1145E 1182F-11837 11839-1183A 1193B-1193C 1193E 11943 119D4-119D7 " +
		"119DA-119DB 119E0 11A01-11A0A 11A33-11A38 11A3B-11A3E 11A47 11A51-11A56 11A59-11A5B 11A8A-11A96 11A98-11A99 11C30-11C36 " +
		"11C38-11C3D 11C3F 11C92-11CA7 11CAA-11CB0 11CB2-11CB3 11CB5-11CB6 11D31-11D36 11D3A 11D3C-11D3D 11D3F-11D45 11D47 " +
		"11D90-11D91 11D95 11D97 11EF3-11EF4 11F00-11F01 11F36-11F3A 11F40 11F42 13440 13447-13455 16F4F 16FE4 1CF00-1CF2D " +
		"1CF30-1CF46 1E000-1E006 1E008-1E018 1E01B-1E021 1E023-1E024 1E026-1E02A 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF " +
		"1E4EC-1E4EF 1E944-1E94A")

	notMark = codePoints("7FD 898-89F 8CA-8D3 9FE AFA-AFF B55 C04 C3C CF3 D00 D3B-D3C D81 EBA ECE 1715 180F 1ABF-1ACE 1CF7 " +
		"1DF6-1DFA A82C A8FF 10D24-10D27 10EAB-10EAC 10EFD-10EFF 10F46-10F50 10F82-10F85 11070 11073-11074 110C2 11145-11146 " +
		"111C9 111CE-111CF 11241 1133B 1145E 1182C-1183A 11930-11935 11937-11938 1193B-1193E 11940 11942-11943 119D1-119D7 " +
		"119DA-119E0 119E4 11A01-11A0A 11A33-11A39 11A3B-11A3E 11A47 11A51-11A5B 11A8A-11A99 11D31-11D36 11D3A 11D3C-11D3D " +
		"11D3F-11D45 11D47 11D8A-11D8E 11D90-11D91 11D93-11D97 11EF3-11EF6 11F00-11F01 11F03 11F34-11F3A 11F3E-11F42 13440 " +
		"13447-13455 16F4F 16F7F-16F87 16FE4 16FF0-16FF1 1CF00-1CF2D 1CF30-1CF46 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF")

	moreLetters = codePoints("1C89-1C8A A7CB-A7CD A7DA-A7DC 105C0-105F3 10D4A-10D65 10D6F-10D85 10EC2-10EC4 11380-11389 1138B " +
		"1138E 11390-113B5 113B7 113D1 113D3 11BC0-11BE0 13460-143FA 16100-1611D 16D40-16D6C 18CFF 1E5D0-1E5ED 1E5F0 2EBF0-2EE5D")

	moreDigits = codePoints("10D40-10D49 116D0-116E3 11BF0-11BF9 16130-16139 16D70-16D79 1CCF0-1CCF9 1E5F1-1E5FA")

	moreNumeric = codePoints("10D40-10D49 116D0-116E3 11BF0-11BF9 11DE0-11DE9 16130-16139 16D70-16D79 16FF4-16FF6 1CCF0-1CCF9 " +
		"1E5F1-1E5FA")

	smallNumbers = codePoints("B2-B3 B9 BC-BE")

	moreMarks = codePoints("897 10D69-10D6D 10EFC 113B8-113C0 113C2 113C5 113C7-113CA 113CC-113D0 113D2 113E1-113E2 11F5A " +
		"1611E-1612F 1E5EE-1E5EF")

	notDecomposed = codePoints("32FF A7F2-A7F4 AB69 10781-10785 10787-107B0 107B2-107BA 11938 1E030-1E06D 1F16C 1FBF0-1FBF9")
)

// codePoints reads a list of code points and ranges in hexadecimal digits.
func codePoints(list string) *unicode.RangeTable {
	table := &unicode.RangeTable{}
	for field := range strings.FieldsSeq(list) {
		low, high, isRange := strings.Cut(field, "-")
		if !isRange {
			high = low
		}
		lo, _ := strconv.ParseUint(low, 16, 32)
		hi, _ := strconv.ParseUint(high, 16, 32)
		table.R32 = append(table.R32, unicode.Range32{Lo: uint32(lo), Hi: uint32(hi), Stride: 1})
	}
	return table
}

// isControl is true for what BERT's cleaning removes.
func isControl(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	case 0, utf8.RuneError:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) && !unicode.Is(notControl, r)
}

// isChinese is true for the blocks of Chinese characters, Hangul and the kana not among them. One bound (2B920) is a slip of
// the original, which every vocabulary was made with.
func isChinese(r rune) bool {
	return r >= 0x3400 && (0x4E00 <= r && r <= 0x9FFF || r <= 0x4DBF || 0x20000 <= r && r <= 0x2A6DF ||
		0x2A700 <= r && r <= 0x2B73F || 0x2B740 <= r && r <= 0x2B81F || 0x2B920 <= r && r <= 0x2CEAF ||
		0xF900 <= r && r <= 0xFAFF || 0x2F800 <= r && r <= 0x2FA1F)
}

// isPunctuation is true for what BERT splits at; all of ASCII's symbols are among it.
func isPunctuation(r rune) bool {
	if r < utf8.RuneSelf {
		return '!' <= r && r <= '~' && !('0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
	}
	return unicode.Is(unicode.P, r) && !unicode.Is(notPunctuation, r) || r == 0x166D || r == 0x111C9
}

func isNonspacingMark(r rune) bool {
	return r >= 0x300 && (unicode.Is(unicode.Mn, r) && !unicode.Is(notNonspacing, r) || r == 0x1734)
}

func isMark(r rune) bool {
	return r >= 0x300 && (unicode.Is(unicode.M, r) && !unicode.Is(notMark, r) || r == 0x1CF2 || r == 0x1CF3)
}

// isLetter, isNumber and isWord are \p{L}, \p{N} and \w of the reference's regular expressions; isNumeric is its Digits.
func isLetter(r rune) bool  { return unicode.IsLetter(r) || r >= 0x1C89 && unicode.Is(moreLetters, r) }
func isNumber(r rune) bool  { return unicode.IsNumber(r) || r >= 0x10D40 && unicode.Is(moreDigits, r) }
func isNumeric(r rune) bool { return unicode.IsNumber(r) || r >= 0x10D40 && unicode.Is(moreNumeric, r) }

func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
	}
	return isLetter(r) || unicode.In(r, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic,
		unicode.Join_Control, moreMarks, moreDigits)
}

// lowerRune is the lower case of one character, but for U+0130, which has two.
func lowerRune(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	case r == 'İ':
		return r
	case r == 0x1C89, r == 0xA7CC, r == 0xA7CE, r == 0xA7D2, r == 0xA7D4, r == 0xA7DA:
		return r + 1
	case r == 0xA7CB:
		return 0x264
	case r == 0xA7DC:
		return 0x19B
	case 0x10D50 <= r && r <= 0x10D65:
		return r + 0x20
	case 0x16EA0 <= r && r <= 0x16EB8:
		return r + 0x1B
	}
	return unicode.ToLower(r)
}

// decompose is NFD or NFKD. Package norm keeps text safe for streams by cutting runs of over thirty marks; the reference
// does not, so only its tables serve here.
func decompose(text string, form norm.Form) string {
	if form.IsNormalString(text) {
		return text
	}
	return string(ordered(text, form))
}

// ordered decomposes the text and brings each run of combining marks into canonical order.
func ordered(text string, form norm.Form) []rune {
	runes := make([]rune, 0, len(text)+8)
	var buffer [64]byte
	for _, r := range text {
		if r < utf8.RuneSelf || unicode.Is(notDecomposed, r) {
			runes = append(runes, r)
			continue
		}
		single := utf8.AppendRune(buffer[:0], r)
		for part := form.Append(buffer[8:8], single...); len(part) > 0; {
			r, width := utf8.DecodeRune(part)
			runes = append(runes, r)
			part = part[width:]
		}
	}
	for start := 0; start < len(runes); start++ {
		end := start
		for end < len(runes) && combiningClass(runes[end]) > 0 {
			end++
		}
		if end-start > 1 {
			slices.SortStableFunc(runes[start:end], func(a, b rune) int { return int(combiningClass(a)) - int(combiningClass(b)) })
		}
		start = end
	}
	return runes
}

func combiningClass(r rune) uint8 {
	if r < 0x300 || unicode.Is(notMark, r) {
		return 0
	}
	var buffer [utf8.UTFMax]byte
	return norm.NFD.Properties(utf8.AppendRune(buffer[:0], r)).CCC()
}

// compose is NFC or NFKC, with the decomposition that comes first, NFD or NFKD.
func compose(text string, form, decomposition norm.Form) string {
	if form.IsNormalString(text) {
		return text
	}
	runes := ordered(text, decomposition)
	out := runes[:0]
	starter := -1
	var last uint8 // class of the last character after the starter that stayed
	for _, r := range runes {
		class := combiningClass(r)
		if starter >= 0 && (starter == len(out)-1 || last < class && last > 0) {
			if both, found := pair(out[starter], r); found {
				out[starter] = both
				continue
			}
		}
		if class == 0 {
			starter = len(out)
		}
		last = class
		out = append(out, r)
	}
	return string(out)
}

// pair is the character that canonically composes two.
func pair(a, b rune) (rune, bool) {
	if b < 0x300 {
		return 0, false
	}
	both := norm.NFC.String(string(a) + string(b))
	r, width := utf8.DecodeRuneInString(both)
	return r, width == len(both) && !unicode.Is(notDecomposed, r)
}
