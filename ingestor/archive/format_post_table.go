package archive

import (
	"fmt"
	"strings"

	"rcas/market"
)

// Names of the columns of posts, most telling first.
var (
	textNames     = []string{"full_text", "text", "tweet", "tweet_text", "raw_content", "content", "message", "body", "post", "post_text"}
	postIDNames   = []string{"id_str", "tweet_id", "tweetid", "status_id", "post_id", "message_id", "id"}
	authorNames   = []string{"username", "user_name", "screen_name", "user_screen_name", "author", "author_username", "user_username", "handle", "user", "name"}
	languageNames = []string{"lang", "language", "tweet_lang"}
	followerNames = []string{"followers", "followers_count", "user_followers", "user_followers_count"}
	likeNames     = []string{"like_count", "likes", "favorite_count", "favorites", "favourites", "likes_count", "nlikes", "favorites_count",
		"public_metrics_like_count"}
	retweetNames   = []string{"retweet_count", "retweets", "retweets_count", "nretweets", "share_count", "public_metrics_retweet_count"}
	replyNames     = []string{"reply_count", "replies", "replies_count", "nreplies", "public_metrics_reply_count"}
	quoteNamesPost = []string{"quote_count", "quotes", "public_metrics_quote_count"}
	repostNames    = []string{"is_retweet", "isretweet", "repost", "is_repost"}
	networkNames   = []string{"source", "network", "platform"}
)

var postTable = &format{
	name: "posts as a table", holds: "posts",
	known: "columns of time and of text (`text`, `full_text`, `tweet`, `content`, `message`, …), and none of Reddit's, of newspapers' or of " +
		"prices",
	times:  "the first column that counts seconds or tells its zone, else the date (`--timezone`)",
	ids:    "`id`, `tweet_id`, `id_str`, …; without any made of author, time and text",
	origin: "`source` where it names a network, else `--source`, else twitter",
	table: func(h *header) bool {
		return h.any(timeNames...) && h.any(textNames...) && !isReddit(h) && !isNews(h) && !isOwn(h) && !h.hasBars() && !h.any(priceNames...)
	},
	open: func(p *pass, h *header) (recordReader, error) {
		r := &postReader{
			p: p, h: h, time: newTimeColumns(h, timeNames...), text: h.of(textNames...), id: h.of(postIDNames...), author: h.of(authorNames...),
			lang: h.of(languageNames...), network: h.of(networkNames...), repost: h.of(repostNames...),
			counts: [5]int{h.of(followerNames...), h.of(likeNames...), h.of(retweetNames...), h.of(replyNames...), h.of(quoteNamesPost...)},
		}
		if p.cfg.Source == "" && r.network < 0 && !h.any("tweet_id", "tweetid", "tweet", "tweet_text", "is_retweet", "retweets", "retweet_count", "retweets_count") {
			p.doubt("nothing tells the network of its posts: they are taken for posts of X; --source names another")
		}
		return r, nil
	},
}

// postReader reads records of posts.
type postReader struct {
	p    *pass
	h    *header
	time timeColumns
	// The columns; -1 for none.
	text, id, author, lang, network, repost int
	ids                                     rounding
	// counts are the columns of followers, likes, retweets, replies and quotes.
	counts [5]int
}

func (r *postReader) source() string { return r.p.cfg.source() }

func (r *postReader) finish() error { return nil }

func (r *postReader) about() string {
	id := "ids made of author, time and text"
	if r.id >= 0 {
		id = "ids from " + r.h.names[r.id]
	}
	return fmt.Sprintf("time from %s; text from %s; %s", r.time.tell(r.h), r.h.names[r.text], id)
}

func (r *postReader) read(record []string) error {
	created, err := r.time.of(record, r.p.cfg)
	if err != nil {
		return timeError(err)
	}
	t := &market.Tweet{
		Source: first(networkOf(field(record, r.network)), r.p.cfg.source()), ID: field(record, r.id), Author: field(record, r.author),
		Lang: language(field(record, r.lang)), Text: text(record, r.text), Repost: strings.EqualFold(field(record, r.repost), "true"),
	}
	if strings.TrimSpace(t.Text) == "" {
		return &unreadable{reasonNoText, fmt.Errorf("post %.40q", t.ID)}
	}
	if isRemoved(t.Text) {
		return &unreadable{reason: reasonRemoved}
	}
	if t.Source == sourceTwitter {
		t.Text = unescape(t.Text)
	}
	t.Repost = t.Repost || strings.HasPrefix(t.Text, "RT @")
	if err := r.count(record, t); err != nil {
		return err
	}
	if r.ids.rounded(t.ID) {
		return &unreadable{reasonNoID, roundedID(t.ID)}
	}
	if r.id < 0 {
		t.ID = hashID(t.Author, createdText(record, &r.time), t.Text)
	}
	return r.p.post(t, created)
}

// count reads the counts of a post.
func (r *postReader) count(record []string, t *market.Tweet) error {
	for i, value := range []*int64{&t.Followers, &t.FavoriteCount, &t.RetweetCount, &t.ReplyCount, &t.QuoteCount} {
		if text := field(record, r.counts[i]); text != "" && !strings.EqualFold(text, "nan") {
			n, err := parseCount(strings.ReplaceAll(text, ",", ""))
			if err != nil {
				return malformed(fmt.Errorf("%s: %w", r.h.names[r.counts[i]], err))
			}
			*value = int64(n)
		}
	}
	return nil
}
