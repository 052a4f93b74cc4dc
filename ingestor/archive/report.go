package archive

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rcas/market"
)

// File is what a file, or one inside of a container, is taken for, and what was found in it.
type File struct {
	Name string `json:"file"`
	// Formats are those of the table of formats that its rows have, in the order in which they were found; none where it is refused.
	Formats []string `json:"formats,omitempty"`
	// Columns says which columns are taken for what, and in which unit.
	Columns string `json:"columns,omitempty"`
	// Coins are those of its prices, at most [MaxCoins] of them, and Networks and venues whose its rows are.
	Coins  []string `json:"coins,omitempty"`
	Owners []string `json:"owners,omitempty"`
	// First and Last are the earliest and the latest time; nil where there is no row.
	First *time.Time `json:"first,omitempty"`
	Last  *time.Time `json:"last,omitempty"`
	// Rows are its posts, bars and trades; Dropped counts what became none, by reason, and Examples are the first cases.
	Rows     int64            `json:"rows"`
	Dropped  map[string]int64 `json:"dropped,omitempty"`
	Examples []string         `json:"examples,omitempty"`
	// Doubts are sentences about what was decided although the file doesn't tell it beyond doubt.
	Doubts []string `json:"doubts,omitempty"`
	// Problem is why it was refused, or could not be read to its end.
	Problem string `json:"problem,omitempty"`
}

// MaxCoins is how many coins of a file are named.
const MaxCoins = 50

func (f *File) note(list *[]string, what string) {
	if len(*list) < MaxCoins && !slices.Contains(*list, what) {
		*list = append(*list, what)
	}
}

func (f *File) saw(owner string, at time.Time) {
	f.note(&f.Owners, owner)
	if f.First == nil || at.Before(*f.First) {
		f.First = &at
	}
	if f.Last == nil || at.After(*f.Last) {
		f.Last = &at
	}
}

// begin opens the report of a file.
func (p *pass) begin(name string) {
	p.tally.count(func(s *Stats) { s.Files++ })
	p.file = &File{Name: name}
	p.comma, p.at = commaIsGroup, place{file: name}
}

// found notes a format of the file's rows.
func (p *pass) found(f *format) { p.file.note(&p.file.Formats, f.name) }

// columns notes what the columns are taken for.
func (p *pass) columns(about string) {
	if !strings.Contains(p.file.Columns, about) && len(p.file.Columns) < 1000 {
		p.file.Columns = strings.TrimPrefix(p.file.Columns+" / "+about, " / ")
	}
}

// doubt notes what was decided although the file doesn't tell it. The first such sentence of a replay is logged, and each is counted.
func (p *pass) doubt(what string) {
	if !slices.Contains(p.file.Doubts, what) {
		p.file.Doubts = append(p.file.Doubts, what)
		p.tally.doubt(p.file.Name, what)
	}
}

// zoneTold notes a time without a zone.
func (p *pass) zoneTold(sure bool) {
	if !sure && !p.zoneless && p.cfg.Timezone == nil {
		p.file.note(&p.file.Doubts, noteNoZone)
	}
}

// noteNoZone is no reason for a warning: most files that tell no zone are in UTC.
const noteNoZone = "its times tell no zone: they are taken for UTC; --timezone names another"

// price and bar note prices that were read.
func (p *pass) price(t *market.Price) {
	p.file.Rows++
	p.file.note(&p.file.Coins, t.Symbol)
	p.file.saw(t.Venue, t.Time)
}

func (p *pass) bar(b *bar) {
	p.file.Rows++
	p.file.note(&p.file.Coins, b.symbol)
	p.file.saw(b.venue, b.start)
	p.file.saw(b.venue, b.start.Add(b.width))
}

// post gives a post of a table its time and passes it on.
func (p *pass) post(t *market.Tweet, at moment) error {
	if t.ID == "" {
		return &unreadable{reason: reasonNoID}
	}
	if !wholeID(t.ID) {
		return &unreadable{reasonNoID, roundedID(t.ID)}
	}
	t.Time = at.Time
	return p.emit(event{tweet: t, unsure: !at.sure})
}

// drop counts a row that became nothing.
func (p *pass) drop(source, name string, line int, err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			p.drop(source, name, line, one)
		}
		return
	}
	reason := reasonOf(err)
	if p.file.Dropped == nil {
		p.file.Dropped = map[string]int64{}
	}
	if p.file.Dropped[reason]++; p.file.Dropped[reason] == 1 {
		p.file.Examples = append(p.file.Examples, fmt.Sprintf("line %d: %s", line, err))
	}
	p.tally.drop(source, name, line, err)
}

// end closes the report of a file.
func (p *pass) end(err error) {
	if p.file == nil {
		return
	}
	if err != nil {
		p.file.Problem = err.Error()
	}
	file := p.file
	p.file = nil
	if p.report != nil {
		file.Dropped = maps.Clone(file.Dropped)
		p.report(file)
	}
}

// number reads a number as files have it: with a dollar in front, thousands apart by commas, blanks or apostrophes, or with a comma for the point.
func (p *pass) number(s string) (float64, error) {
	s = strings.TrimPrefix(s, "$")
	if strings.ContainsAny(s, " '\u00A0\u202F\u2019") {
		s = strings.NewReplacer(" ", "", "'", "", "\u00A0", "", "\u202F", "", "\u2019", "").Replace(s)
	}
	switch {
	case p.comma == commaIsPoint && isDotted(s):
		return parseNumber(strings.NewReplacer(".", "", ",", ".").Replace(s)) // 58.250 and 58.250,5
	case !strings.Contains(s, ","):
		return parseNumber(s)
	case decimalComma(s), p.comma == commaIsPoint && strings.Count(s, ",") == 1 && !strings.Contains(s, "."):
		return parseNumber(strings.NewReplacer(".", "", ",", ".").Replace(s))
	case p.comma == commaIsEither && strings.Count(s, ",") == 1 && !strings.Contains(s, "."):
		return 0, fmt.Errorf("%s may be %s or %s", strconv.Quote(s), strings.Replace(s, ",", "", 1), strings.Replace(s, ",", ".", 1))
	case isGrouped(s):
		return parseNumber(strings.ReplaceAll(s, ",", ""))
	}
	return parseNumber(s)
}

// What a comma in the numbers of a table may be.
type comma uint8

const (
	commaIsGroup  comma = iota // it stands between thousands, unless the number itself tells otherwise
	commaIsEither              // the table is not separated by commas
	commaIsPoint               // some number of the table has one that stands between no thousands
)

// decimalComma tells whether the comma of a number can be nothing but the point: 0,512 and 1,5 and 58.250,50.
func decimalComma(s string) bool {
	whole, fraction, found := strings.Cut(strings.TrimPrefix(s, "-"), ",")
	if !found || !isWhole(fraction) {
		return false
	}
	if strings.Contains(whole, ".") {
		return isDotted(whole)
	}
	return isWhole(whole) && (len(fraction) != 3 || len(whole) > 3 || whole[0] == '0')
}

// isDotted tells whether points stand between thousands: 58.250 or 1.045.087,5.
func isDotted(s string) bool {
	swapped := strings.NewReplacer(".", ",", ",", ".").Replace(s)
	return isGrouped(swapped) && !strings.HasPrefix(strings.TrimPrefix(swapped, "-"), "0")
}

// isGrouped tells whether commas stand between thousands: 58,250 or 1,045,087.5.
func isGrouped(s string) bool {
	whole, _, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	groups := strings.Split(whole, ",")
	for i, group := range groups {
		if i == 0 && (group == "" || len(group) > 3) || i > 0 && len(group) != 3 || !isNumber(group) {
			return false
		}
	}
	return len(groups) > 1
}
