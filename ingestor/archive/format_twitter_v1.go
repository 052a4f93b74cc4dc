package archive

import (
	"encoding/json"
	"fmt"

	"rcas/market"
)

var twitterV1 = &format{
	name: "X v1.1 statuses", holds: "posts",
	known:  "JSON objects with `id_str`, or `user` as an object beside `text` or `full_text`; notices with `delete`, `limit`, `scrub_geo`",
	times:  "`created_at`, as `Thu Jan 25 20:45:52 +0000 2018`",
	ids:    "`id_str`, else `id`",
	origin: "twitter",
	object: func(k keySet, o *object) bool {
		return k.any(v1Keys|noticeKeys|deleteKey) || k.any(userKey) && k.any(textKeys) && !k.any(usernameKey)
	},
	decode: decodeV1,
}

// What statuses, and the notices between them, are known by.
var (
	v1Keys      = keys("id_str", "retweeted_status", "extended_tweet")
	deleteKey   = keys("delete")
	noticeKeys  = keys("limit", "scrub_geo", "status_withheld", "user_withheld")
	userKey     = keys("user")
	usernameKey = keys("username")
	textKeys    = keys("text", "full_text")
)

// statusV1 is a status of the v1.1 API.
type statusV1 struct {
	ID            flexible         `json:"id"`
	IDStr         string           `json:"id_str"`
	CreatedAt     flexible         `json:"created_at"`
	Text          *string          `json:"text"`
	Lang          string           `json:"lang"`
	QuoteCount    count            `json:"quote_count"`
	ReplyCount    count            `json:"reply_count"`
	RetweetCount  count            `json:"retweet_count"`
	FavoriteCount count            `json:"favorite_count"`
	User          *userV1          `json:"user"`
	Delete        *json.RawMessage `json:"delete"`
	statusText
	Retweeted *struct {
		Text string `json:"text"`
		statusText
	} `json:"retweeted_status"`
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

type userV1 struct {
	ScreenName string `json:"screen_name"`
	Followers  count  `json:"followers_count"`
}

func decodeV1(o *object, emit func(event) error) error {
	switch {
	case o.keys.any(deleteKey):
		return &unreadable{reason: reasonDelete}
	case o.keys.any(noticeKeys):
		return &unreadable{reason: reasonNotice}
	}
	var p statusV1
	if err := o.into(&p); err != nil {
		return err
	}
	if p.Text == nil && p.whole("") == "" {
		return &unreadable{reasonNoText, fmt.Errorf("status %.40q", p.IDStr)}
	}
	t := &market.Tweet{
		Source: sourceTwitter, ID: first(p.IDStr, string(p.ID)), Lang: language(p.Lang), Text: unescape(p.whole(deref(p.Text))),
		QuoteCount: int64(p.QuoteCount), ReplyCount: int64(p.ReplyCount), RetweetCount: int64(p.RetweetCount),
		FavoriteCount: int64(p.FavoriteCount),
	}
	if p.User != nil {
		t.Author, t.Followers = p.User.ScreenName, int64(p.User.Followers)
	}
	if p.Retweeted != nil {
		// The retweet's own text is "RT @name: " and the original's, cut.
		t.Repost, t.Text = true, unescape(p.Retweeted.whole(p.Retweeted.Text))
	}
	return finish(t, string(p.CreatedAt), o.cfg.zone(), emit)
}
