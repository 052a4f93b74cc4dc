package archive

import (
	"fmt"
	"strings"

	"rcas/market"
)

var rcasPost = &format{
	name: "RCAS's own posts", holds: "posts",
	known: "JSON objects with `id` and `text` that are none of the others: what `rcas sql --json` prints of the table tweets, what " +
		"`/posts/` takes",
	times:   "`created_at`, `time` or `date`",
	ids:     "`id`",
	origin:  "`source`, else `--source`, else twitter",
	general: true,
	object: func(k keySet, o *object) bool {
		if k.any(titleKeys) && o.pass != nil && o.cfg.Source == "" {
			return false // an article, or a story: no post of X
		}
		return k.any(textKeys|contentKeys) || k.any(idKey) && !k.any(priceKeys|jetstreamKeys|viewKeys)
	},
	decode: func(o *object, emit func(event) error) error {
		var p struct {
			ID            flexible `json:"id"`
			CreatedAt     flexible `json:"created_at"`
			Time          flexible `json:"time"`
			Date          flexible `json:"date"`
			Text          *string  `json:"text"`
			FullText      *string  `json:"full_text"`
			RawContent    *string  `json:"rawContent"`
			Content       *string  `json:"content"`
			Lang          string   `json:"lang"`
			Source        string   `json:"source"`
			Author        named    `json:"author"`
			Username      string   `json:"username"`
			User          named    `json:"user"`
			Followers     count    `json:"followers"`
			FollowersLong count    `json:"followers_count"`
			QuoteCount    count    `json:"quote_count"`
			ReplyCount    count    `json:"reply_count"`
			RetweetCount  count    `json:"retweet_count"`
			FavoriteCount count    `json:"favorite_count"`
			LikeCount     count    `json:"like_count"`
			Repost        *bool    `json:"repost"`
		}
		if err := o.into(&p); err != nil {
			return err
		}
		if p.Text == nil {
			if p.Text = p.FullText; p.Text == nil {
				p.Text = p.RawContent
			}
		}
		if p.Text == nil { // snscrape's, of before 2023
			p.Text = p.Content
		}
		if p.Text == nil {
			return &unreadable{reasonNoText, fmt.Errorf("post %.40q", p.ID)}
		}
		t := &market.Tweet{
			Source: p.Source, ID: string(p.ID), Author: first(p.Author.Name, first(p.Username, p.User.Name)), Lang: language(p.Lang),
			Text: *p.Text, Repost: strings.HasPrefix(*p.Text, "RT @"),
			Followers: int64(max(p.Followers, p.FollowersLong)), QuoteCount: int64(p.QuoteCount), ReplyCount: int64(p.ReplyCount),
			RetweetCount: int64(p.RetweetCount), FavoriteCount: int64(max(p.FavoriteCount, p.LikeCount)),
		}
		if p.Repost != nil {
			t.Repost = *p.Repost
		}
		if p.Time == "" {
			t.Source = networkOf(t.Source)
		}
		t.Source = first(t.Source, o.cfg.source())
		return finish(t, first(string(p.CreatedAt), first(string(p.Time), string(p.Date))), o.cfg.zone(), emit)
	},
}

// What is told by which keys that objects of several formats have.
var (
	idKey       = keys("id")
	titleKeys   = keys("title", "headline")
	contentKeys = keys("rawContent")
	priceKeys   = keys("price", "open", "close")
)
