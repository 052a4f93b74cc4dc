package archive

import (
	"strings"

	"rcas/market"
)

var redditTable = &format{
	name: "Reddit as a table", holds: "posts",
	known: "columns of time and `body`, `title` or `selftext`, and one of `created_utc`, `subreddit`, `selftext`, `num_comments`, " +
		"`comms_num`, `link_id`, or `body` with `score`",
	times:  "`created_utc`, else the first column that counts seconds or tells its zone",
	ids:    "`name` or `t1_`, `t3_` and `id`; without either made of author, time and text",
	origin: "reddit",
	table: func(h *header) bool {
		return h.any(timeNames...) && h.any("body", "title", "selftext") && isReddit(h)
	},
	open: func(p *pass, h *header) (recordReader, error) {
		return &redditReader{
			p: p, h: h, time: newTimeColumns(h, timeNames...), name: h.of("name", "fullname"), id: h.of("id"),
			author: h.of("author", "username"), body: h.of("body"), title: h.of("title"), selftext: h.of("selftext"), score: h.of("score"),
			comments: h.of("num_comments", "comms_num"), crosspost: h.of("crosspost_parent"),
		}, nil
	},
}

// isReddit tells of columns that only Reddit's things have.
func isReddit(h *header) bool {
	return h.any("created_utc", "subreddit", "selftext", "num_comments", "comms_num", "link_id") || h.has("body", "score")
}

// redditReader reads records of comments or submissions.
type redditReader struct {
	p    *pass
	h    *header
	time timeColumns
	// The columns; -1 for none.
	name, id, author, body, title, selftext, score, comments, crosspost int
}

func (r *redditReader) source() string { return sourceReddit }

func (r *redditReader) finish() error { return nil }

func (r *redditReader) about() string { return "time from " + r.time.tell(r.h) }

func (r *redditReader) read(record []string) error {
	created, err := r.time.of(record, r.p.cfg)
	if err != nil {
		return timeError(err)
	}
	p := redditPost{
		name: field(record, r.name), id: field(record, r.id), author: text(record, r.author), created: createdText(record, &r.time),
		crosspost: field(record, r.crosspost) != "",
	}
	for _, column := range []struct {
		at    int
		value *count
	}{{r.score, &p.score}, {r.comments, &p.comments}} {
		if text := field(record, column.at); text != "" {
			n, err := parseCount(text)
			if err != nil {
				return malformed(err)
			}
			*column.value = n
		}
	}
	title, body := text(record, r.title), text(record, r.body)
	if r.id < 0 && r.name < 0 {
		p.id = hashID(p.author, p.created, body+title)
	}
	var t *market.Tweet
	switch {
	case strings.TrimSpace(title) != "" && (title != "Comment" || body == ""): // some collections call all comments so
		t, err = p.submission(title, first(text(record, r.selftext), body))
	case r.body >= 0 && body != "":
		t, err = p.comment(body)
	case r.selftext >= 0 && text(record, r.selftext) != "":
		t, err = p.submission(text(record, r.selftext), "")
	default:
		err = &unreadable{reason: reasonNoText}
	}
	if err != nil {
		return err
	}
	return r.p.post(t, created)
}

// createdText is the first time in a record, as it stands.
func createdText(record []string, t *timeColumns) string {
	for _, column := range t.columns {
		if s := text(record, column); s != "" {
			return s
		}
	}
	return ""
}
