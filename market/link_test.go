package market_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/market"
)

func TestPostURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ source, id, want string }{
		{"twitter", "1234567890", "https://x.com/i/web/status/1234567890"},
		{"twitter", "../login?next=1", ""},
		{"bluesky", "did:plc:abc/app.bsky.feed.post/3kxyz", "https://bsky.app/profile/did:plc:abc/post/3kxyz"},
		{"bluesky", "at://did:plc:abc/app.bsky.feed.post/3kxyz", "https://bsky.app/profile/did:plc:abc/post/3kxyz"},
		{"bluesky", "hmac:0123456789abcdef0123456789abcdef/app.bsky.feed.post/3kxyz", ""},
		{"reddit", "t3_1abc2d", "https://www.reddit.com/comments/1abc2d"},
		{"reddit", "t1_1abc2d", "https://old.reddit.com/api/info?id=t1_1abc2d"},
		{"reddit", "t3_../../", ""},
		{"stocktwits", "42", "https://stocktwits.com/message/42"},
		{"news", "https://paper.example/a?b=c", "https://paper.example/a?b=c"},
		{"news", "javascript:alert(1)", ""},
		{"news", "https://user:secret@paper.example/", ""},
		{"archive", "42", ""},
	} {
		require.Equal(t, c.want, market.PostURL(c.source, c.id), "%s %s", c.source, c.id)
	}
}
