package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"html"
	"strings"

	"rcas/market"
)

// Prefixes of Reddit's full names of things.
const (
	commentPrefix    = "t1_"
	submissionPrefix = "t3_"
)

// reddit reads a comment or a submission as Pushshift has them.
func (p *post) reddit() (*market.Tweet, error) {
	r := redditPost{
		name: p.Name, id: string(p.ID), author: p.Author, created: p.CreatedUTC, score: p.Score, comments: p.NumComments,
		crosspost: p.Crosspost != "",
	}
	if p.Body != nil {
		return r.comment(*p.Body)
	}
	return r.submission(*p.Title, p.Selftext)
}

// redditPost is what comments and submissions share, in JSON and CSV.
type redditPost struct {
	name, id, author string
	created          flexible
	score, comments  count
	crosspost        bool
}

func (r *redditPost) comment(body string) (*market.Tweet, error) {
	if isRemoved(body) {
		return nil, &unreadable{reason: reasonRemoved}
	}
	return r.tweet(commentPrefix, body)
}

func (r *redditPost) submission(title, selftext string) (*market.Tweet, error) {
	text := title
	switch {
	case isRemoved(title):
		return nil, &unreadable{reason: reasonRemoved}
	case selftext != "" && !isRemoved(selftext):
		text = strings.TrimSpace(title + "\n\n" + selftext)
	}
	return r.tweet(submissionPrefix, text)
}

func (r *redditPost) tweet(prefix, text string) (*market.Tweet, error) {
	t := &market.Tweet{
		Source: sourceReddit, ID: r.fullname(prefix), Author: r.author, Text: html.UnescapeString(text), Repost: r.crosspost,
		FavoriteCount: int64(max(r.score, 0)), ReplyCount: int64(max(r.comments, 0)),
	}
	if isRemoved(t.Author) {
		t.Author = ""
	}
	return finish(t, r.created)
}

// fullname is the name of the thing in all of Reddit; "" where the post has no id.
func (r *redditPost) fullname(prefix string) string {
	switch {
	case strings.HasPrefix(r.name, prefix):
		return r.name
	case r.id == "" || strings.HasPrefix(r.id, prefix):
		return r.id
	}
	return prefix + r.id
}

// hashID stands in where a whole file has no ids, as some collections don't: the same comment gets the same one in every run.
func (r *redditPost) hashID(text string) string {
	sum := sha256.Sum256([]byte(r.author + "\x00" + string(r.created) + "\x00" + text))
	return "sha-" + hex.EncodeToString(sum[:10])
}

func isRemoved(s string) bool { return s == "[deleted]" || s == "[removed]" }
