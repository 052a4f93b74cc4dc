package market

import (
	"net/url"
	"regexp"
	"strings"
)

var (
	digits = regexp.MustCompile(`^[0-9]+$`)
	base36 = regexp.MustCompile(`^[0-9a-z]+$`)
	did    = regexp.MustCompile(`^did:[a-z]+:[a-zA-Z0-9._:%-]+$`)
	rkey   = regexp.MustCompile(`^[a-zA-Z0-9._~:-]+$`)
)

// PostURL is where a post can be read; "" where its network's address cannot be told from its id. What comes from outside becomes no address but
// one of its network's form.
func PostURL(source, id string) string {
	switch source {
	case "twitter":
		if digits.MatchString(id) {
			return "https://x.com/i/web/status/" + id
		}
	case "bluesky":
		repo, key, ok := strings.Cut(strings.TrimPrefix(id, "at://"), "/app.bsky.feed.post/")
		if ok && did.MatchString(repo) && rkey.MatchString(key) { // an author's hash is no address
			return "https://bsky.app/profile/" + repo + "/post/" + key
		}
	case "reddit": // t3_ a submission, t1_ a comment, whose own address needs its submission's
		if key, ok := strings.CutPrefix(id, "t3_"); ok && base36.MatchString(key) {
			return "https://www.reddit.com/comments/" + key
		}
		if key, ok := strings.CutPrefix(id, "t1_"); ok && base36.MatchString(key) {
			return "https://old.reddit.com/api/info?id=" + id
		}
	case "stocktwits":
		if digits.MatchString(id) {
			return "https://stocktwits.com/message/" + id
		}
	case "news":
		if u, err := url.Parse(id); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil {
			return u.String()
		}
	}
	return ""
}
