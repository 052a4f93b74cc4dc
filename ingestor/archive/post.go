package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"

	"rcas/market"
)

// Sources that forms of posts stand for.
const (
	sourceTwitter = "twitter"
	sourceReddit  = "reddit"
)

// post is the union of the JSON forms of posts. One decoding tells which form it is and what it says.
type post struct {
	// Several forms.
	ID            flexible `json:"id"`
	CreatedAt     flexible `json:"created_at"`
	Text          *string  `json:"text"`
	Lang          string   `json:"lang"`
	Source        string   `json:"source"`
	Author        string   `json:"author"`
	QuoteCount    count    `json:"quote_count"`
	ReplyCount    count    `json:"reply_count"`
	RetweetCount  count    `json:"retweet_count"`
	FavoriteCount count    `json:"favorite_count"`

	// Twitter v1.1 only.
	IDStr     string `json:"id_str"`
	User      *user  `json:"user"`
	Delete    any    `json:"delete"`
	Limit     any    `json:"limit"`
	ScrubGeo  any    `json:"scrub_geo"`
	Withheld  any    `json:"status_withheld"`
	Withheld2 any    `json:"user_withheld"`
	statusText
	Retweeted *struct {
		Text string `json:"text"`
		statusText
	} `json:"retweeted_status"`

	// X API v2 only.
	Data     json.RawMessage `json:"data"`
	Includes includes        `json:"includes"`
	postV2

	// Reddit only.
	CreatedUTC  flexible `json:"created_utc"`
	Name        string   `json:"name"`
	Body        *string  `json:"body"`
	Title       *string  `json:"title"`
	Selftext    string   `json:"selftext"`
	Score       count    `json:"score"`
	NumComments count    `json:"num_comments"`
	Crosspost   string   `json:"crosspost_parent"`

	// Normalised form only.
	Time          flexible `json:"time"`
	Username      string   `json:"username"`
	Followers     count    `json:"followers"`
	FollowersLong count    `json:"followers_count"`
	LikeCount     count    `json:"like_count"`
	Repost        bool     `json:"repost"`
}

// statusText is where a v1.1 status keeps its whole text, if that is longer than 140 characters.
type statusText struct {
	FullText string `json:"full_text"`
	Extended *struct {
		FullText string `json:"full_text"`
	} `json:"extended_tweet"`
}

func (s *statusText) whole(short string) string {
	switch {
	case s.Extended != nil && s.Extended.FullText != "":
		return s.Extended.FullText
	case s.FullText != "":
		return s.FullText
	}
	return short
}

type user struct {
	IDStr      string `json:"id_str"`
	ScreenName string `json:"screen_name"`
	Followers  count  `json:"followers_count"`
}

// decodeJSON reads a line of a file of posts. A line may hold several in a v2 envelope.
func decodeJSON(line []byte, source string, emit func(event) error) error {
	var p post
	if err := json.Unmarshal(line, &p); err != nil {
		return malformed(err)
	}
	if p.Data != nil {
		return decodeEnvelope(&p, emit)
	}
	var t *market.Tweet
	var err error
	switch {
	case p.Delete != nil:
		return &unreadable{reason: reasonDelete}
	case p.Limit != nil || p.ScrubGeo != nil || p.Withheld != nil || p.Withheld2 != nil:
		return &unreadable{reason: reasonNotice}
	case p.Body != nil || p.Title != nil && p.Text == nil:
		t, err = p.reddit()
	case p.IDStr != "" || p.User != nil:
		t, err = p.statusV1()
	case p.AuthorID != "" || p.Metrics != nil || p.Referenced != nil:
		t, err = p.postV2.tweet(&p, &p.Includes)
	case p.Text == nil && p.FullText == "" && p.ID == "":
		return &unreadable{reasonNoPost, fmt.Errorf("it has neither id nor text")}
	default:
		t, err = p.normalised(source)
	}
	if err != nil {
		return err
	}
	return emit(event{tweet: t})
}

// finish checks what every post must have. The sink judges the values.
func finish(t *market.Tweet, created flexible) (*market.Tweet, error) {
	if t.ID == "" {
		return nil, &unreadable{reason: reasonNoID}
	}
	if created == "" {
		return nil, &unreadable{reasonNoTime, fmt.Errorf("post %.40q", t.ID)}
	}
	at, err := parseTime(string(created))
	if err != nil {
		return nil, malformed(err)
	}
	t.Time = at
	return t, nil
}

func (p *post) statusV1() (*market.Tweet, error) {
	if p.Text == nil && p.whole("") == "" {
		return nil, &unreadable{reasonNoText, fmt.Errorf("status %.40q", p.IDStr)}
	}
	t := &market.Tweet{
		Source: sourceTwitter, ID: p.IDStr, Lang: language(p.Lang), Text: html.UnescapeString(p.whole(deref(p.Text))),
		QuoteCount: int64(p.QuoteCount), ReplyCount: int64(p.ReplyCount), RetweetCount: int64(p.RetweetCount),
		FavoriteCount: int64(p.FavoriteCount),
	}
	if t.ID == "" {
		t.ID = string(p.ID)
	}
	if p.User != nil {
		t.Author, t.Followers = p.User.ScreenName, int64(p.User.Followers)
	}
	if p.Retweeted != nil {
		// The retweet's own text is "RT @name: " and the original's, cut.
		t.Repost, t.Text = true, html.UnescapeString(p.Retweeted.whole(p.Retweeted.Text))
	}
	return finish(t, p.CreatedAt)
}

func (p *post) normalised(source string) (*market.Tweet, error) {
	if p.Text == nil {
		return nil, &unreadable{reasonNoText, fmt.Errorf("post %.40q", p.ID)}
	}
	t := &market.Tweet{
		Source: first(p.Source, source), ID: string(p.ID), Author: first(p.Author, p.Username), Lang: language(p.Lang),
		Text: *p.Text, Repost: p.Repost || strings.HasPrefix(*p.Text, "RT @"),
		Followers: int64(max(p.Followers, p.FollowersLong)), QuoteCount: int64(p.QuoteCount), ReplyCount: int64(p.ReplyCount),
		RetweetCount: int64(p.RetweetCount), FavoriteCount: int64(max(p.FavoriteCount, p.LikeCount)),
	}
	return finish(t, flexible(first(string(p.CreatedAt), string(p.Time))))
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
