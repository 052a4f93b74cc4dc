package news

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/mmcdole/gofeed"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"rcas/ingestor/feed"
	"rcas/market"
)

// Source is the name of the source in posts.
const Source = "news"

// maxID bounds an identifier, in bytes; a longer one is hashed.
const maxID = 400

// Decode reads a document of RSS, Atom or JSON Feed that stands at the address. dateless counts the articles without a time, which are left
// out. The error is [feed.ErrMalformed].
func Decode(document []byte, address *url.URL) (articles []*market.Tweet, dateless int, err error) {
	parsed, err := gofeed.NewParser().Parse(bytes.NewReader(document))
	if err != nil {
		return nil, 0, fmt.Errorf("%w: it is no RSS, Atom or JSON Feed: %w", feed.ErrMalformed, err)
	}
	for _, item := range parsed.Items {
		if item == nil {
			continue
		}
		at := cmp.Or(item.PublishedParsed, item.UpdatedParsed)
		if at == nil || at.IsZero() {
			dateless++
			continue
		}
		link, id := identify(item, address)
		title := plain(item.Title)
		text := strings.TrimSpace(title + "\n\n" + plain(cmp.Or(item.Description, item.Content)))
		if id == "" || text == "" {
			continue
		}
		articles = append(articles, &market.Tweet{
			Source: Source, ID: id, Time: at.UTC().Truncate(time.Microsecond), Author: strings.TrimPrefix(link.Hostname(), "www."), Text: text,
			Lang: language(parsed.Language),
		})
	}
	return articles, dateless, nil
}

// identify returns where the article is, and its identifier: that address, less what only tells whence a reader came, as an archive of
// articles has it; else the feed's own identifier, which is its own among those of the feed only.
func identify(item *gofeed.Item, address *url.URL) (*url.URL, string) {
	link, err := address.Parse(strings.TrimSpace(item.Link))
	if err == nil && item.Link != "" && link.Host != "" {
		query := link.Query()
		for name := range query {
			if strings.HasPrefix(name, "utm_") {
				query.Del(name)
			}
		}
		link.RawQuery, link.Fragment = query.Encode(), ""
		return link, short(link.String())
	}
	if item.GUID == "" {
		return address, ""
	}
	return address, short(address.Hostname() + "/" + strings.TrimSpace(item.GUID))
}

func short(id string) string {
	if id = strings.Map(printable, strings.ToValidUTF8(id, "")); len(id) <= maxID {
		return id
	}
	return "sha-" + hash(id)
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// language returns the two letters that a language tag begins with, or "".
func language(tag string) string {
	tag, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	if len(tag) != 2 || strings.Trim(tag, "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return tag
}

// breaking elements end a line.
var breaking = map[atom.Atom]bool{
	atom.P: true, atom.Br: true, atom.Div: true, atom.Li: true, atom.Ul: true, atom.Ol: true, atom.Tr: true, atom.Blockquote: true,
	atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.Figure: true, atom.Figcaption: true,
}

// plain returns the words of HTML, without what is no text.
func plain(fragment string) string {
	if !strings.ContainsAny(fragment, "<&") {
		return strings.TrimSpace(fragment)
	}
	var out strings.Builder
	tokens := html.NewTokenizer(strings.NewReader(fragment))
	silent := 0 // elements around that hold no text
	for {
		kind := tokens.Next()
		name, _ := tokens.TagName()
		tag := atom.Lookup(name)
		switch {
		case kind == html.ErrorToken:
			return lines(out.String())
		case kind == html.TextToken && silent == 0:
			out.Write(tokens.Text())
		case tag == atom.Script || tag == atom.Style:
			if kind == html.StartTagToken {
				silent++
			} else if kind == html.EndTagToken && silent > 0 {
				silent--
			}
		case breaking[tag]:
			out.WriteByte('\n')
		}
	}
}

// lines trims each line and leaves out empty ones.
func lines(text string) string {
	var kept []string
	for line := range strings.Lines(html.UnescapeString(text)) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
