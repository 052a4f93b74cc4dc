package archive

import (
	"strings"

	"rcas/market"
)

var newsTable = &format{
	name: "newspaper articles", holds: "posts",
	known:  "columns of time and `title` or `headline`, and none of Reddit's. Read with `--source news` (or another name), and refused without",
	times:  "the first column of a time (`--timezone`)",
	ids:    "`url` or `id`, else made of title and time",
	origin: "`--source`",
	table: func(h *header) bool {
		return h.any(timeNames...) && isNews(h) && !isReddit(h) && !h.hasBars()
	},
	open: func(p *pass, h *header) (recordReader, error) {
		if p.cfg.Source == "" {
			return nil, refuse("it is a table of articles with titles, as newspapers' are, and no posts of a network that RCAS knows: give " +
				"--source news to read it as such")
		}
		return &newsReader{
			p: p, h: h, time: newTimeColumns(h, timeNames...), title: h.of("title", "headline"),
			body: h.of("summary", "description", "content", "text", "body", "article"), id: h.of("url", "link", "id"),
			author: h.of("publication", "publisher", "source", "author"),
		}, nil
	},
}

// isNews tells of columns that articles have.
func isNews(h *header) bool { return h.any("title", "headline") }

// newsReader reads records of articles.
type newsReader struct {
	p                       *pass
	h                       *header
	time                    timeColumns
	title, body, id, author int
}

func (r *newsReader) source() string { return r.p.cfg.source() }

func (r *newsReader) finish() error { return nil }

func (r *newsReader) about() string {
	return "time from " + r.time.tell(r.h) + "; text from " + r.h.names[r.title]
}

func (r *newsReader) read(record []string) error {
	created, err := r.time.of(record, r.p.cfg)
	if err != nil {
		return timeError(err)
	}
	title := strings.TrimSpace(text(record, r.title))
	if title == "" {
		return &unreadable{reason: reasonNoText}
	}
	t := &market.Tweet{
		Source: r.p.cfg.source(), ID: field(record, r.id), Author: field(record, r.author),
		Text: strings.TrimSpace(unescape(title + "\n\n" + text(record, r.body))),
	}
	if t.ID == "" || len(t.ID) > 500 {
		t.ID = hashID(t.Author, createdText(record, &r.time), title)
	}
	return r.p.post(t, created)
}
