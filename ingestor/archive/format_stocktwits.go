package archive

import (
	"rcas/market"
)

var stockTwits = &format{
	name: "StockTwits' API", holds: "posts",
	known:  "objects with `body`, `created_at` and `user`, alone or as the list under `messages`",
	times:  "`created_at`, RFC 3339",
	ids:    "`id`",
	origin: "stocktwits",
	object: func(k keySet, o *object) bool { return k.all(stockTwitsKeys) && !k.any(redditKeys) },
	decode: func(o *object, emit func(event) error) error {
		var m struct {
			ID        flexible `json:"id"`
			Body      string   `json:"body"`
			CreatedAt string   `json:"created_at"`
			User      struct {
				Username  string `json:"username"`
				Followers count  `json:"followers"`
			} `json:"user"`
			Likes struct {
				Total count `json:"total"`
			} `json:"likes"`
			Reshares struct {
				Count count `json:"reshared_count"`
			} `json:"reshares"`
			Conversation struct {
				Replies count `json:"replies"`
			} `json:"conversation"`
		}
		if err := o.into(&m); err != nil {
			return err
		}
		t := &market.Tweet{
			Source: sourceStockTwits, ID: string(m.ID), Author: m.User.Username, Text: unescape(m.Body), Followers: int64(m.User.Followers),
			FavoriteCount: int64(m.Likes.Total), RetweetCount: int64(m.Reshares.Count), ReplyCount: int64(m.Conversation.Replies),
		}
		return finish(t, m.CreatedAt, o.cfg.zone(), emit)
	},
}

var stockTwitsKeys = keys("body", "created_at", "user")
