package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"rcas/market"
)

var redditObject = &format{
	name: "Reddit comments and submissions", holds: "posts",
	known:  "JSON objects with `created_utc`, or with `body` or `title` beside `subreddit`, as Pushshift and Arctic Shift have them",
	times:  "`created_utc`, seconds",
	ids:    "`name`, else `t1_` or `t3_` and `id`",
	origin: "reddit",
	object: func(k keySet, o *object) bool {
		if k.any(userKey | recordKeys | dataKey) {
			return false
		}
		return k.any(redditKeys) || k.any(bodyKey) && !k.any(textKeys|createdKey)
	},
	decode: func(o *object, emit func(event) error) error {
		var p struct {
			ID          flexible `json:"id"`
			Author      named    `json:"author"`
			CreatedUTC  flexible `json:"created_utc"`
			Created     flexible `json:"created"`
			Name        string   `json:"name"`
			Body        *string  `json:"body"`
			Title       *string  `json:"title"`
			Selftext    string   `json:"selftext"`
			Score       count    `json:"score"`
			NumComments count    `json:"num_comments"`
			Crosspost   string   `json:"crosspost_parent"`
			// Replies is a listing of the answers, or "".
			Replies json.RawMessage `json:"replies"`
		}
		if err := o.into(&p); err != nil {
			return err
		}
		r := redditPost{
			name: p.Name, id: string(p.ID), author: p.Author.Name, created: first(string(p.CreatedUTC), string(p.Created)), score: p.Score,
			comments: p.NumComments, crosspost: p.Crosspost != "",
		}
		var t *market.Tweet
		var err error
		switch {
		case p.Title != nil:
			t, err = r.submission(*p.Title, first(p.Selftext, deref(p.Body)))
		case p.Body != nil:
			t, err = r.comment(*p.Body)
		default:
			err = &unreadable{reason: reasonNoText}
		}
		if err == nil {
			err = finish(t, r.created, o.cfg.zone(), emit)
		}
		if len(p.Replies) > 0 && p.Replies[0] == '{' && (err == nil || isUnreadable(err)) {
			repliesErr := o.nested(p.Replies, emit)
			if repliesErr != nil && !isUnreadable(repliesErr) {
				return repliesErr
			}
			err = errors.Join(err, repliesErr)
		}
		return err
	},
}

var redditPage = &format{
	name: "pages of Reddit and its archives", holds: "posts",
	known:  "`{\"data\":[…]}` with `created_utc` in its objects, and Reddit's own listings, `{\"kind\":\"Listing\",\"data\":{\"children\":[…]}}`",
	times:  "as above",
	ids:    "as above",
	origin: "reddit",
	object: func(k keySet, o *object) bool { return k.any(dataKey) && isRedditPage(o) },
	decode: func(o *object, emit func(event) error) error {
		if o.member("kind") == "more" {
			return &unreadable{reasonNotice, errors.New("comments that the page only counts")}
		}
		var page struct {
			Data json.RawMessage `json:"data"`
		}
		if err := o.into(&page); err != nil {
			return err
		}
		var things []json.RawMessage
		switch data := bytes.TrimSpace(page.Data); {
		case data[0] == '[':
			if err := json.Unmarshal(data, &things); err != nil {
				return malformed(err)
			}
		default:
			var listing struct {
				Children []json.RawMessage `json:"children"`
			}
			if err := json.Unmarshal(data, &listing); err != nil {
				return malformed(err)
			}
			if things = listing.Children; things == nil { // one thing: {"kind":"t1","data":{…}}
				things = []json.RawMessage{page.Data}
			}
		}
		var bad []error
		for _, thing := range things {
			err := o.nested(thing, emit)
			if err != nil && !isUnreadable(err) {
				return err
			}
			bad = append(bad, err)
		}
		return errors.Join(bad...)
	},
}

// isRedditPage tells whether a page is one of Reddit's things. No other network has the key.
func isRedditPage(o *object) bool {
	return bytes.Contains(o.raw, []byte(`"created_utc"`)) || o.member("kind") == "more" || o.member("kind") == "Listing"
}

// What things of Reddit are known by.
var (
	redditKeys = keys("created_utc", "subreddit", "selftext", "num_comments", "link_id")
	bodyKey    = keys("body")
	createdKey = keys("created_at")
)

// Prefixes of Reddit's full names of things.
const (
	commentPrefix    = "t1_"
	submissionPrefix = "t3_"
)

// redditPost is what comments and submissions share, in JSON and in tables.
type redditPost struct {
	name, id, author, created string
	score, comments           count
	crosspost                 bool
}

func (r *redditPost) comment(body string) (*market.Tweet, error) {
	if isRemoved(body) {
		return nil, &unreadable{reason: reasonRemoved}
	}
	return r.tweet(commentPrefix, body), nil
}

func (r *redditPost) submission(title, selftext string) (*market.Tweet, error) {
	text := title
	switch {
	case isRemoved(title):
		return nil, &unreadable{reason: reasonRemoved}
	case selftext != "" && !isRemoved(selftext):
		text = strings.TrimSpace(title + "\n\n" + selftext)
	}
	return r.tweet(submissionPrefix, text), nil
}

func (r *redditPost) tweet(prefix, text string) *market.Tweet {
	t := &market.Tweet{
		Source: sourceReddit, ID: r.fullname(prefix), Author: r.author, Text: unescape(text), Repost: r.crosspost,
		FavoriteCount: int64(max(r.score, 0)), ReplyCount: int64(max(r.comments, 0)),
	}
	if isRemoved(t.Author) {
		t.Author = ""
	}
	return t
}

// fullname is the name of the thing in all of Reddit; "" where the post has no id.
func (r *redditPost) fullname(prefix string) string {
	switch {
	case strings.HasPrefix(r.name, prefix):
		return r.name
	case r.id == "" || strings.HasPrefix(r.id, prefix) || strings.HasPrefix(r.id, "sha-"):
		return r.id
	}
	return prefix + r.id
}
