package market

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// The JSON of posts and trades is written once and read twice for each of them, which reflection makes one of the larger costs of the road. So
// what follows knows their fields. It reads the form that it writes: compact, names as they are declared. Anything else, errors too, it
// leaves to encoding/json, so that both mean the same by every message.

// AppendJSON appends the post's JSON.
func (t *Tweet) AppendJSON(b []byte) []byte {
	b = appendString(append(b, `{"source":`...), t.Source)
	b = appendString(append(b, `,"id":`...), t.ID)
	b = appendTime(append(b, `,"time":`...), t.Time)
	b = appendOptional(b, `,"author":`, t.Author)
	b = appendOptional(b, `,"lang":`, t.Lang)
	b = appendString(append(b, `,"text":`...), t.Text)
	b = append(b, `,"symbols":[`...)
	for i, symbol := range t.Symbols {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, symbol)
	}
	b = append(b, ']')
	if t.Repost {
		b = append(b, `,"repost":true`...)
	}
	if t.Deleted {
		b = append(b, `,"deleted":true`...)
	}
	b = appendCount(b, `,"followers":`, t.Followers)
	b = appendCount(b, `,"quote_count":`, t.QuoteCount)
	b = appendCount(b, `,"reply_count":`, t.ReplyCount)
	b = appendCount(b, `,"retweet_count":`, t.RetweetCount)
	b = appendCount(b, `,"favorite_count":`, t.FavoriteCount)
	return append(appendTime(append(b, `,"received_at":`...), t.ReceivedAt), '}')
}

// AppendJSON appends the trade's JSON. Price and volume must be finite, as [Price.Validate] has it.
func (p *Price) AppendJSON(b []byte) []byte {
	b = appendString(append(b, `{"venue":`...), p.Venue)
	b = appendString(append(b, `,"symbol":`...), p.Symbol)
	b = appendString(append(b, `,"trade_id":`...), p.TradeID)
	b = appendTime(append(b, `,"time":`...), p.Time)
	b = strconv.AppendFloat(append(b, `,"price":`...), p.Price, 'g', -1, 64)
	b = strconv.AppendFloat(append(b, `,"volume":`...), p.Volume, 'g', -1, 64)
	b = appendTime(append(b, `,"received_at":`...), p.ReceivedAt)
	if p.Fill {
		b = append(b, `,"fill":true`...)
	}
	return append(b, '}')
}

func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(append(b, name...), value)
}

func appendCount(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), n, 10)
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c < ' ' || c == '"' || c == '\\':
			b = append(append(b, s[from:i]...), escape(c)...)
			i++
			from = i
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += size
		}
	}
	return append(append(b, s[from:]...), '"')
}

func escape(c byte) string {
	switch c {
	case '"':
		return `\"`
	case '\\':
		return `\\`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	const hex = "0123456789abcdef"
	return string([]byte{'\\', 'u', '0', '0', hex[c>>4], hex[c&15]})
}

// readTweet is json.Unmarshal.
func readTweet(data []byte, t *Tweet) error {
	if readUsualTweet(data, t) {
		return nil
	}
	*t = Tweet{}
	return json.Unmarshal(data, t)
}

// readUsualTweet tells whether the message has the usual form. If not, it leaves t half filled.
func readUsualTweet(data []byte, t *Tweet) bool {
	r := newReader(data)
	return r.object(func(name string) {
		switch name {
		case "source":
			t.Source = r.string()
		case "id":
			t.ID = r.string()
		case "time":
			t.Time = r.time()
		case "author":
			t.Author = r.string()
		case "lang":
			t.Lang = r.string()
		case "text":
			t.Text = r.string()
		case "symbols":
			t.Symbols = r.strings()
		case "repost":
			t.Repost = r.bool()
		case "deleted":
			t.Deleted = r.bool()
		case "followers":
			t.Followers = r.int()
		case "quote_count":
			t.QuoteCount = r.int()
		case "reply_count":
			t.ReplyCount = r.int()
		case "retweet_count":
			t.RetweetCount = r.int()
		case "favorite_count":
			t.FavoriteCount = r.int()
		case "received_at":
			t.ReceivedAt = r.time()
		default:
			r.unusual = true
		}
	})
}

// readPrice is json.Unmarshal.
func readPrice(data []byte, p *Price) error {
	if readUsualPrice(data, p) {
		return nil
	}
	*p = Price{}
	return json.Unmarshal(data, p)
}

// readUsualPrice tells whether the message has the usual form. If not, it leaves p half filled.
func readUsualPrice(data []byte, p *Price) bool {
	r := newReader(data)
	return r.object(func(name string) {
		switch name {
		case "venue":
			p.Venue = r.string()
		case "symbol":
			p.Symbol = r.string()
		case "trade_id":
			p.TradeID = r.string()
		case "time":
			p.Time = r.time()
		case "price":
			p.Price = r.float()
		case "volume":
			p.Volume = r.float()
		case "received_at":
			p.ReceivedAt = r.time()
		case "fill":
			p.Fill = r.bool()
		default:
			r.unusual = true
		}
	})
}

// reader reads a message from front to back. At the first thing that is not as AppendJSON writes it, it notes that and reads nothing more.
type reader struct {
	all     string // a copy of the message, of which what is read is made
	at      int
	unusual bool
}

func newReader(data []byte) *reader {
	r := &reader{unusual: !utf8.Valid(data)}
	if !r.unusual {
		r.all = string(data)
	}
	return r
}

// object reads the whole message, calling value for each name, and tells whether all was as usual.
func (r *reader) object(value func(name string)) bool {
	r.expect('{')
	for more := true; more && !r.unusual; {
		name := r.string()
		r.expect(':')
		if r.unusual {
			return false
		}
		value(name)
		if more = r.is(','); !more {
			r.expect('}')
		}
	}
	return !r.unusual && r.at == len(r.all)
}

func (r *reader) is(c byte) bool {
	if r.unusual || r.at >= len(r.all) || r.all[r.at] != c {
		return false
	}
	r.at++
	return true
}

func (r *reader) expect(c byte) {
	if !r.is(c) {
		r.unusual = true
	}
}

func (r *reader) string() string {
	r.expect('"')
	for i := r.at; i < len(r.all) && !r.unusual; i++ {
		switch c := r.all[i]; {
		case c == '"':
			s := r.all[r.at:i]
			r.at = i + 1
			return s
		case c == '\\':
			return r.escaped(i)
		case c < ' ':
			r.unusual = true
		}
	}
	r.unusual = true
	return ""
}

// escaped reads on in a string of which the first escape is at i.
func (r *reader) escaped(i int) string {
	b := append(make([]byte, 0, min(len(r.all)-r.at, 2*(i-r.at)+64)), r.all[r.at:i]...)
	for from := i; i < len(r.all); {
		c := r.all[i]
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, r.all[from:i]...)
		if c == '"' {
			r.at = i + 1
			return unsafe.String(unsafe.SliceData(b), len(b)) // which nobody else holds
		}
		var size int
		if b, size = unescape(b, r.all[i:]); size == 0 {
			break
		}
		i += size
		from = i
	}
	r.unusual = true
	return ""
}

// unescape appends what the escape at the beginning of s stands for, and returns the escape's length; 0 for one that is none, or one of two
// halves of a rune.
func unescape(b []byte, s string) ([]byte, int) {
	if len(s) < 2 || s[0] != '\\' {
		return b, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		return append(b, "\"\\/\b\f\n\r\t"[i]), 2
	}
	if s[1] != 'u' || len(s) < 6 {
		return b, 0
	}
	code, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil || code >= 0xD800 && code < 0xE000 {
		return b, 0
	}
	return utf8.AppendRune(b, rune(code)), 6
}

func (r *reader) strings() []string {
	r.expect('[')
	list := make([]string, 0, 2)
	if r.is(']') {
		return list
	}
	for more := true; more && !r.unusual; more = r.is(',') {
		list = append(list, r.string())
	}
	r.expect(']')
	return list
}

func (r *reader) time() (t time.Time) {
	from := r.at
	s := r.string()
	r.unusual = r.unusual || len(s) != r.at-from-len(`""`)                                // encoding/json reads no escapes here
	if !r.unusual && t.UnmarshalText(unsafe.Slice(unsafe.StringData(s), len(s))) != nil { // which only reads it
		r.unusual = true
	}
	return t
}

func (r *reader) bool() bool {
	rest := r.all[r.at:]
	switch {
	case r.unusual:
	case strings.HasPrefix(rest, "true"):
		r.at += len("true")
		return true
	case strings.HasPrefix(rest, "false"):
		r.at += len("false")
	default:
		r.unusual = true
	}
	return false
}

// digits reads digits; none is unusual.
func (r *reader) digits() {
	from := r.at
	for r.at < len(r.all) && r.all[r.at] >= '0' && r.all[r.at] <= '9' {
		r.at++
	}
	r.unusual = r.unusual || r.at == from
}

func (r *reader) int() int64 {
	from := r.at
	r.is('-')
	if !r.is('0') {
		r.digits()
	}
	n, err := strconv.ParseInt(r.all[from:r.at], 10, 64)
	r.unusual = r.unusual || err != nil
	return n
}

func (r *reader) float() float64 {
	from := r.at
	r.is('-')
	if !r.is('0') {
		r.digits()
	}
	if r.is('.') {
		r.digits()
	}
	if r.is('e') || r.is('E') {
		_ = r.is('+') || r.is('-')
		r.digits()
	}
	n, err := strconv.ParseFloat(r.all[from:r.at], 64)
	r.unusual = r.unusual || err != nil
	return n
}
