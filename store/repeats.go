package store

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// findVoices finds what is stored beside a batch, between $2 and $3: rows of the texts $1, and rows of the authors $4 in the same hours of UTC.
// All are looked for at once: in the order of the index that takes a fraction of a search for each row.
const findVoices = `
SELECT true, text_hash, '', time, source, id, repeat FROM sentiments
WHERE text_hash = ANY($1::bigint[]) AND time BETWEEN $2::timestamptz - INTERVAL '1 hour' AND $3::timestamptz + INTERVAL '1 hour'
UNION ALL
SELECT false, author_hash, symbol, time, source, id, repeat FROM sentiments
WHERE author_hash = ANY($4::integer[]) AND time >= time_bucket('1 hour', $2::timestamptz)
  AND time < time_bucket('1 hour', $3::timestamptz) + INTERVAL '1 hour'`

// maxPosts is how many posts of an author about a coin in an hour of UTC are no repeats for their number.
const maxPosts = 3

// voice is what a post says, or who says it about a coin in an hour of UTC: what more than one of is a repeat.
type voice struct {
	hash         int64 // of the text, or of the author
	symbol       string
	hour         int64
	at           int64 // microseconds, as the database keeps times
	source, id   string
	first, after int  // rows of the batch that this is the voice of; none of what is stored
	repeat       bool // already told
}

func (v *voice) compare(w *voice) int {
	return cmp.Or(v.compareGroup(w), cmp.Compare(v.at, w.at), cmp.Compare(v.source, w.source), cmp.Compare(v.id, w.id))
}

func (v *voice) compareGroup(w *voice) int {
	return cmp.Or(cmp.Compare(v.hash, w.hash), cmp.Compare(v.hour, w.hour), cmp.Compare(v.symbol, w.symbol))
}

// loud knows of authors with three posts about a coin in an hour when the third of them was, so that these, of which some write hundreds, are
// not looked for again and again: what comes later is a repeat, whatever else is stored.
type loud struct {
	mu    sync.Mutex
	third map[loudKey]int64
}

type loudKey struct {
	author int64
	symbol string
	hour   int64
}

// mostLoud bounds the memory that they take, to some megabytes.
const mostLoud = 1 << 16

func (v *voice) loudKey() loudKey { return loudKey{v.hash, v.symbol, v.hour} }

// isRepeat tells of an author's post that is surely one.
func (l *loud) isRepeat(v *voice) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	third, known := l.third[v.loudKey()]
	return known && v.at > third
}

// learn takes in what is stored of authors, whose voices are in their order.
func (l *loud) learn(authors []*voice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var last *voice
	posts := 0
	for _, v := range authors {
		switch {
		case v.first < v.after: // of the batch, which may yet be rolled back
			continue
		case last == nil || v.compareGroup(last) != 0:
			posts = 1
		case v.compare(last) != 0: // not the row of another model
			posts++
		default:
			continue
		}
		if last = v; posts != maxPosts {
			continue
		}
		if l.third == nil || len(l.third) >= mostLoud {
			l.third = make(map[loudKey]int64)
		}
		l.third[v.loudKey()] = v.at
	}
}

// judge tells which rows are repeats, beside each other and what is stored: reposts; the same text as another post of the hour before it;
// and an author's fourth post or later about a coin in an hour of UTC. It returns whether [findRepeats] must look once the rows are there: for
// some of what is stored becomes a repeat by them; or for posts of two sources at the same instant, of which the database's collation tells
// which one comes first.
func (c *sentimentColumns) judge(ctx context.Context, tx pgx.Tx, loud *loud) (unsure bool, err error) {
	texts, authors := c.voices()
	copy(c.repeat, c.repost)
	authors = c.without(authors, loud)
	query, err := tx.Query(ctx, findVoices, c.beside()...)
	if err != nil {
		return false, err
	}
	var v voice
	var isText bool
	var at time.Time
	if _, err := pgx.ForEachRow(query, []any{&isText, &v.hash, &v.symbol, &at, &v.source, &v.id, &v.repeat}, func() error {
		stored := v
		if stored.at = at.UnixMicro(); isText {
			texts = append(texts, &stored)
		} else {
			stored.hour, authors = hourOf(at), append(authors, &stored)
		}
		return nil
	}); err != nil {
		return false, err
	}
	byText := c.mark(texts, func(v, last *voice, _ int) bool {
		return last != nil && v.at-last.at < int64(time.Hour/time.Microsecond)
	})
	byAuthor := c.mark(authors, func(_, _ *voice, place int) bool { return place > maxPosts })
	loud.learn(authors)
	return byText || byAuthor, nil
}

// without marks the rows of loud authors, and leaves the others.
func (c *sentimentColumns) without(authors []*voice, loud *loud) []*voice {
	return slices.DeleteFunc(authors, func(v *voice) bool {
		c.loud[v.first] = loud.isRepeat(v)
		c.repeat[v.first] = c.repeat[v.first] || c.loud[v.first]
		return c.loud[v.first]
	})
}

// beside are the arguments of findVoices and of findRepeats.
func (c *sentimentColumns) beside() []any {
	return []any{pgx.QueryExecModeCacheDescribe, distinct(c.textHash), c.first, c.last, c.authors()}
}

func hourOf(t time.Time) int64 { return t.Truncate(time.Hour).Unix() }

// voices are those of the rows: the texts of the posts; and their authors about each coin, where it is known who they are.
func (c *sentimentColumns) voices() (texts, authors []*voice) {
	texts, authors = make([]*voice, 0, len(c.owner)), make([]*voice, 0, len(c.owner))
	all := make([]voice, 2*len(c.owner))
	for i := range c.owner {
		v := &all[2*i]
		*v = voice{hash: c.textHash[i], at: c.time[i].UnixMicro(), source: c.source[i], id: c.id[i], first: i, after: i + 1}
		if c.place[i] == 0 {
			for v.after < len(c.owner) && c.owner[v.after] == c.owner[i] {
				v.after++
			}
			texts = append(texts, v)
		}
		if c.known[i] {
			author := &all[2*i+1]
			*author = *v
			author.hash, author.symbol, author.hour, author.after = int64(c.authorHash[i]), c.symbol[i], hourOf(c.time[i]), i+1
			authors = append(authors, author)
		}
	}
	return texts, authors
}

// mark puts voices in their order, and marks the rows of those that say again what was said: again is asked of each voice about the last one of
// another post before it, nil where there is none, and about its place. A post of another source at the same instant is neither before nor after
// it.
func (c *sentimentColumns) mark(voices []*voice, again func(v, last *voice, place int) bool) (unsure bool) {
	slices.SortFunc(voices, (*voice).compare)
	for from := 0; from < len(voices); {
		to := from + 1
		for to < len(voices) && voices[to].compareGroup(voices[from]) == 0 {
			to++
		}
		if c.markGroup(voices[from:to], again) {
			unsure = true
		}
		from = to
	}
	return unsure
}

// markGroup is mark of the voices that say the same, in their order.
func (c *sentimentColumns) markGroup(same []*voice, again func(v, last *voice, place int) bool) (unsure bool) {
	var earlier *voice      // of an earlier instant, the last
	var before, instant int // posts of earlier instants; of this instant and source, with the one in hand
	for i, v := range same {
		switch {
		case i == 0:
			instant = 1
		case same[i-1].at < v.at:
			earlier, before, instant = same[i-1], before+countAt(same[:i]), 1
		case same[i-1].source != v.source:
			instant, unsure = 1, true
		case same[i-1].id != v.id:
			instant++
		}
		last := earlier
		if instant > 1 {
			last = v
		}
		if !again(v, last, before+instant) {
			continue
		}
		for row := v.first; row < v.after; row++ {
			c.repeat[row] = true
		}
		unsure = unsure || v.first == v.after && !v.repeat
	}
	return unsure
}

// countAt counts the posts at the last instant of voices.
func countAt(voices []*voice) (n int) {
	last := voices[len(voices)-1]
	for i := len(voices) - 1; i >= 0 && voices[i].at == last.at; i-- {
		if i == 0 || voices[i-1].at != last.at || voices[i-1].source != voices[i].source || voices[i-1].id != voices[i].id {
			n++
		}
	}
	return n
}
