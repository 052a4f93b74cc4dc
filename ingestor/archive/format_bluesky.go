package archive

import (
	"encoding/json"
	"fmt"
	"strings"

	"rcas/market"
)

var blueskyView = &format{
	name: "Bluesky's views of posts", holds: "posts",
	known: "objects with `uri` and `record`, alone or as the list under `posts` (getPosts, searchPosts), or under `feed` with `post` " +
		"around them (getAuthorFeed)",
	times:  "`record.createdAt`, RFC 3339",
	ids:    "the account, collection and key in `uri`",
	origin: "bluesky",
	object: func(k keySet, o *object) bool { return k.all(viewKeys) || k.any(postKey) && !k.any(textKeys) },
	decode: func(o *object, emit func(event) error) error {
		var item struct {
			blueskyPost
			Post   *blueskyPost `json:"post"`
			Reason *struct {
				Type string `json:"$type"`
			} `json:"reason"`
		}
		if err := o.into(&item); err != nil {
			return err
		}
		p := &item.blueskyPost
		if item.Post != nil {
			p = item.Post
		}
		if item.Reason != nil && strings.HasSuffix(item.Reason.Type, "#reasonRepost") {
			return &unreadable{reasonNotice, fmt.Errorf("a repost of %.80q, which has no time of its own", p.URI)}
		}
		t := p.Record.tweet(strings.TrimPrefix(p.URI, "at://"), first(p.Author.DID, p.Author.Handle))
		t.ReplyCount, t.RetweetCount, t.FavoriteCount, t.QuoteCount =
			int64(p.Replies), int64(p.Reposts), int64(p.Likes), int64(p.Quotes)
		return finish(t, p.Record.CreatedAt, o.cfg.zone(), emit)
	},
}

var blueskyEvent = &format{
	name: "Bluesky's Jetstream", holds: "posts",
	known:  "objects with `did`, `time_us` and `commit`, of which the commits that create posts are read",
	times:  "`commit.record.createdAt`, RFC 3339",
	ids:    "`did`, and collection and key of the commit",
	origin: "bluesky",
	object: func(k keySet, o *object) bool { return k.all(jetstreamKeys) },
	decode: func(o *object, emit func(event) error) error {
		var e struct {
			DID    string `json:"did"`
			Commit struct {
				Operation, Collection, Rkey string
				Record                      json.RawMessage `json:"record"`
			} `json:"commit"`
		}
		if err := o.into(&e); err != nil {
			return err
		}
		if e.Commit.Collection != "app.bsky.feed.post" || e.Commit.Operation != "create" {
			return &unreadable{reasonNotice, fmt.Errorf("%.20q of %.60q", e.Commit.Operation, e.Commit.Collection)}
		}
		var r blueskyRecord
		if err := json.Unmarshal(e.Commit.Record, &r); err != nil {
			return malformed(err)
		}
		return finish(r.tweet(e.DID+"/"+e.Commit.Collection+"/"+e.Commit.Rkey, e.DID), r.CreatedAt, o.cfg.zone(), emit)
	},
}

// What Bluesky's objects are known by.
var (
	viewKeys      = keys("uri", "record")
	recordKeys    = keys("record", "commit")
	postKey       = keys("post")
	jetstreamKeys = keys("did", "time_us", "commit")
)

// blueskyPost is app.bsky.feed.defs#postView.
type blueskyPost struct {
	URI    string `json:"uri"`
	Author struct {
		DID    string `json:"did"`
		Handle string `json:"handle"`
	} `json:"author"`
	Record  blueskyRecord `json:"record"`
	Replies count         `json:"replyCount"`
	Reposts count         `json:"repostCount"`
	Likes   count         `json:"likeCount"`
	Quotes  count         `json:"quoteCount"`
}

// blueskyRecord is app.bsky.feed.post.
type blueskyRecord struct {
	Text      string   `json:"text"`
	CreatedAt string   `json:"createdAt"`
	Langs     []string `json:"langs"`
}

func (r *blueskyRecord) tweet(id, author string) *market.Tweet {
	t := &market.Tweet{Source: sourceBluesky, ID: id, Author: author, Text: r.Text}
	if len(r.Langs) > 0 { // the first, as the live feed has it
		t.Lang = language(r.Langs[0])
	}
	return t
}
