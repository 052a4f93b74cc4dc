package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"rcas/market"
)

// Networks that forms of posts stand for.
const (
	sourceTwitter    = "twitter"
	sourceReddit     = "reddit"
	sourceBluesky    = "bluesky"
	sourceStockTwits = "stocktwits"
	sourceTelegram   = "telegram"
	sourceNews       = "news"
)

// decodeJSON reads a JSON object, of which head stood before the list that it stands in. An object may hold several posts, as a page does.
func decodeJSON(raw, head []byte, cfg *Config, p *pass, emit func(event) error) (*format, error) {
	if !json.Valid(raw) {
		var whole json.RawMessage
		raw = withoutNaN(raw)
		if err := json.Unmarshal(raw, &whole); err != nil {
			return nil, malformed(err)
		}
	}
	if isMongo(raw) {
		plain, err := plainMongo(raw)
		if err != nil {
			return nil, err
		}
		raw = plain
	}
	o := newObject(raw, head, cfg, p)
	f, err := objectFormat(o)
	if err != nil {
		return nil, &unreadable{reasonTwoForms, err}
	}
	if f == nil {
		return nil, &unreadable{reasonNoPost, fmt.Errorf("it has neither id nor text")}
	}
	return f, f.decode(o, emit)
}

// noNumbers are what Python writes for numbers that are none. No JSON has them.
var noNumbers = regexp.MustCompile(`"(?:[^"\\\\]|\\\\.)*"|-?\bInfinity\b|\bNaN\b`)

// withoutNaN writes null for NaN and infinities.
func withoutNaN(raw []byte) []byte {
	if !bytes.Contains(raw, []byte("NaN")) && !bytes.Contains(raw, []byte("Infinity")) {
		return raw
	}
	return noNumbers.ReplaceAllFunc(raw, func(found []byte) []byte {
		if found[0] == '"' {
			return found
		}
		return []byte("null")
	})
}

// maxThread is how deep pages may stand in each other. Of answers to answers on Reddit, each takes three.
const maxThread = 40

// nested decodes an object within the object.
func (o *object) nested(raw []byte, emit func(event) error) error {
	inner := newObject(raw, o.head, o.cfg, o.pass)
	if inner.depth = o.depth + 1; inner.depth > maxThread {
		return malformed(errDeep)
	}
	f, err := objectFormat(inner)
	if err != nil {
		return &unreadable{reasonTwoForms, err}
	}
	if f == nil {
		return &unreadable{reasonNoPost, fmt.Errorf("it has neither id nor text")}
	}
	return f.decode(inner, emit)
}

// into decodes the object.
func (o *object) into(v any) error {
	if err := json.Unmarshal(o.raw, v); err != nil {
		return malformed(err)
	}
	return nil
}

// finish checks what every post must have, gives it its time, and emits it. The sink judges the values.
func finish(t *market.Tweet, created string, zone *time.Location, emit func(event) error) error {
	if t.ID == "" {
		return &unreadable{reason: reasonNoID}
	}
	if !wholeID(t.ID) {
		return &unreadable{reasonNoID, roundedID(t.ID)}
	}
	if created == "" {
		return &unreadable{reasonNoTime, fmt.Errorf("post %.40q", t.ID)}
	}
	at, err := parseMoment(created, zone)
	if err != nil {
		return malformed(err)
	}
	t.Time = at.Time
	return emit(event{tweet: t, unsure: !at.sure})
}

// exponentID is a number that has lost its last digits.
var exponentID = regexp.MustCompile(`^[+-]?\d(\.\d+)?[eE][+-]?\d+$`)

// networkName is what networks are called; a client that a post was sent with, as "Twitter for iPhone", is called otherwise.
var networkName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// networks are those that files may name in other letters, or otherwise.
var networks = map[string]string{"x": sourceTwitter, "twitter": sourceTwitter, "reddit": sourceReddit, "bluesky": sourceBluesky, "bsky": sourceBluesky,
	"stocktwits": sourceStockTwits, "telegram": sourceTelegram, "news": sourceNews, "discord": "discord", "mastodon": "mastodon"}

// networkOf is the network that a post's source names; "" where it names none but a client, or nothing.
func networkOf(source string) string {
	if network := networks[strings.ToLower(source)]; network != "" {
		return network
	}
	if isClient(source) {
		return ""
	}
	return source
}

// isClient tells whether what stands under source is the program that the post was sent with, and no network.
func isClient(source string) bool {
	if networks[strings.ToLower(source)] != "" {
		return false
	}
	return source != "" && !networkName.MatchString(source) || strings.HasPrefix(source, "twit") && source != sourceTwitter
}

// removed is what stands where a text was: [deleted], [removed], [deleted by user], [ Removed by Reddit on account of … ].
var removed = regexp.MustCompile(`(?is)^\s*\[\s*(deleted|removed)\b.*\]\s*$`)

func isRemoved(s string) bool { return len(s) < 400 && removed.MatchString(s) }

// hashID stands in where a whole file has no ids, as some collections don't: the same post gets the same one in every run.
func hashID(author, created, text string) string {
	sum := sha256.Sum256([]byte(author + "\x00" + created + "\x00" + text))
	return "sha-" + hex.EncodeToString(sum[:10])
}

// language turns a source's language tag into ISO 639-1, or "" where it names none.
func language(tag string) string {
	tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
	switch tag {
	case "iw":
		return "he"
	case "in":
		return "id"
	case "und", "zxx", "qam", "qct", "qht", "qme", "qst", "art":
		return ""
	}
	return tag
}

// unescape undoes the entities in which X and Reddit give &, < and >.
func unescape(s string) string { return html.UnescapeString(s) }

// flexible is a JSON string or number, as text; null is "".
type flexible string

func (f *flexible) UnmarshalJSON(data []byte) error {
	switch c := data[0]; {
	case c == '"':
		if bytes.IndexByte(data, '\\') < 0 {
			*f = flexible(data[1 : len(data)-1])
			return nil
		}
		return json.Unmarshal(data, (*string)(f))
	case c == 'n':
		return nil
	case c == '-' || c >= '0' && c <= '9':
		*f = flexible(data)
		return nil
	}
	return fmt.Errorf("%.40q is neither a string nor a number", data)
}

// count is a JSON number of things, whole or not, bare or as a string; null is 0.
type count int64

func (c *count) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" || text == "" {
		return nil
	}
	n, err := parseCount(text)
	if err != nil {
		return err
	}
	*c = n
	return nil
}

func parseCount(text string) (count, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return count(n), nil
	}
	f, err := parseDecimal(text)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1<<53 {
		return 0, fmt.Errorf("%.40q is not a count", text)
	}
	return count(f), nil
}

// named is the name of whoever wrote a post: a string, or an object that holds it.
type named struct{ Name string }

func (n *named) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		return json.Unmarshal(data, &n.Name)
	case '{':
		var object struct{ Username, Handle, Name, ScreenName string }
		if err := json.Unmarshal(data, &object); err != nil {
			return err
		}
		n.Name = first(first(object.Username, object.Handle), first(object.ScreenName, object.Name))
	case 'n':
	default:
		return fmt.Errorf("%.40q is no author", data)
	}
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
