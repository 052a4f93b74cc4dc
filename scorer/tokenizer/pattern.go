package tokenizer

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/rangetable"
)

// A pattern is a regular expression of tokenizer.json. The reference runs Oniguruma, which knows more than Go's package does:
// what cannot mean the same here is refused. One lookahead is so common in tokenizers that it is rebuilt: a pattern may end
// with the alternative \s+(?!\S), white space without the last character where a word follows.
type pattern struct {
	re *regexp.Regexp
	// spaces is the group that stands for \s+(?!\S); zero for none.
	spaces int
	// single is set where a lone space before a word matches too, by the last alternative \s+.
	single bool
}

const spacesAhead = `\s+(?!\S)`

// compilePattern reads a pattern as tokenizer.json holds it: {"String": "…"} or {"Regex": "…"}.
func compilePattern(spec patternSpec) (pattern, error) {
	if spec.String != nil {
		if *spec.String == "" {
			return pattern{}, errors.New("the pattern is empty")
		}
		return pattern{re: regexp.MustCompile(regexp.QuoteMeta(*spec.String))}, nil
	}
	if spec.Regex == nil {
		return pattern{}, errors.New("the pattern is neither a String nor a Regex")
	}
	source := *spec.Regex
	var p pattern
	if rest, found := strings.CutSuffix(source, spacesAhead+`|\s+`); found {
		p.single, source = true, rest+spacesAhead
	}
	rest, ahead := strings.CutSuffix(source, spacesAhead)
	if ahead {
		source = strings.TrimSuffix(rest, "|")
	}
	translated, err := translate(source)
	if err == nil && ahead {
		translated = strings.TrimPrefix(translated+`|(?P<spaces>[`+class(unicode.White_Space, false)+`]+)`, "|")
	}
	if err == nil {
		p.re, err = regexp.Compile(translated)
	}
	if err == nil && p.re.MatchString("") {
		err = errors.New("it matches no text at all")
	}
	if err != nil {
		return pattern{}, fmt.Errorf("the regular expression %q cannot be run: %w", *spec.Regex, err)
	}
	p.spaces = max(0, p.re.SubexpIndex("spaces"))
	return p, nil
}

// next finds the first match at or after a byte of the text.
func (p pattern) next(text string, from int) (start, stop int, found bool) {
	for from < len(text) {
		match := p.re.FindStringSubmatchIndex(text[from:])
		if match == nil {
			return 0, 0, false
		}
		start, stop = from+match[0], from+match[1]
		if p.spaces == 0 || match[2*p.spaces] < 0 || stop == len(text) {
			return start, stop, true
		}
		_, last := utf8.DecodeLastRuneInString(text[start:stop])
		if last < stop-start {
			return start, stop - last, true
		}
		if p.single {
			return start, stop, true
		}
		from = stop
	}
	return 0, 0, false
}

// translate writes an expression of Oniguruma (Ruby's syntax) as one of package regexp.
func translate(source string) (string, error) {
	var out strings.Builder
	inClass, quantified := false, false
	for i := 0; i < len(source); i++ {
		rest := source[i:]
		switch c := source[i]; {
		case c == '\\':
			text, length, err := translateEscape(rest, inClass)
			if err != nil {
				return "", err
			}
			out.WriteString(text)
			i += length - 1
			quantified = false
			continue
		case inClass && (c == '[' || strings.HasPrefix(rest, "&&")):
			return "", errors.New("a class within a class is not supported")
		case c == '[', c == ']':
			inClass = c == '['
		case inClass:
		case c == '^' || c == '$':
			return "", fmt.Errorf("the anchor %c is not supported", c)
		case strings.HasPrefix(rest, "{,"):
			return "", errors.New("a quantifier without a lower bound is not supported")
		case strings.HasPrefix(rest, "(?") && !strings.HasPrefix(rest, "(?:") && !strings.HasPrefix(rest, "(?i:"):
			return "", fmt.Errorf("the group %.4s is not supported", rest)
		case c == '+' && quantified:
			return "", errors.New("a possessive quantifier is not supported")
		}
		quantified = !inClass && strings.IndexByte("?*+}", source[i]) >= 0
		out.WriteByte(source[i])
	}
	return out.String(), nil
}

// translateEscape translates what begins with a backslash and tells how long it is.
func translateEscape(source string, inClass bool) (text string, length int, err error) {
	if len(source) < 2 {
		return "", 0, errors.New("it ends with a backslash")
	}
	c := source[1]
	switch {
	case strings.IndexByte("nrtfv", c) >= 0:
		return source[:2], 2, nil
	case c >= utf8.RuneSelf || c != '_' && !isWord(rune(c)):
		return source[:2], 2, nil
	}
	name, length := strings.ToLower(source[1:2]), 2
	negated := c < 'a'
	if name == "p" {
		end := strings.IndexByte(source, '}')
		if end < 0 || source[2] != '{' {
			return "", 0, errors.New(`\p is not followed by {…}`)
		}
		name, length = source[3:end], end+1
		if strings.HasPrefix(name, "^") {
			name, negated = name[1:], !negated
		}
	}
	table := characters(name, inClass)
	if table == nil {
		return "", 0, fmt.Errorf("%s is not supported", source[:length])
	}
	text = class(table, negated)
	if !inClass {
		text = "[" + text + "]"
	}
	return text, length, nil
}

// characters finds the characters of an escape (s, w, d) or of a general category or script (L, Nd, Han). In Oniguruma a \w
// outside of brackets also holds Latin-1's small numbers.
func characters(name string, inClass bool) *unicode.RangeTable {
	switch name {
	case "s":
		return unicode.White_Space
	case "w":
		tables := []*unicode.RangeTable{unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic,
			moreLetters, moreMarks, moreDigits}
		if !inClass {
			tables = append(tables, smallNumbers)
		}
		return rangetable.Merge(tables...)
	case "d":
		return rangetable.Merge(unicode.Nd, moreDigits)
	case "L":
		return rangetable.Merge(unicode.L, moreLetters)
	case "N":
		return rangetable.Merge(unicode.N, moreDigits)
	case "M":
		return rangetable.Merge(unicode.M, moreMarks)
	}
	if table := unicode.Categories[name]; table != nil {
		return table
	}
	return unicode.Scripts[name]
}

// class lists the characters of a table, or all others, as the inside of a bracket expression.
func class(table *unicode.RangeTable, negated bool) string {
	var out strings.Builder
	list := func(from, to rune) {
		if from <= to {
			fmt.Fprintf(&out, `\x{%X}-\x{%X}`, from, to)
		}
	}
	from, to := rune(0), rune(-1) // the run of characters at hand
	rangetable.Visit(table, func(r rune) {
		if r == to+1 {
			to = r
			return
		}
		if negated {
			list(to+1, r-1)
		} else {
			list(from, to)
		}
		from, to = r, r
	})
	if negated {
		list(to+1, unicode.MaxRune)
	} else {
		list(from, to)
	}
	return out.String()
}
