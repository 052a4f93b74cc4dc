package archive

import (
	"fmt"
	"time"

	"rcas/market"
)

// event is one post or one trade.
type event struct {
	tweet *market.Tweet
	price *market.Price
	// unsure tells that its time has no zone, and was taken for one of the configured zone.
	unsure bool
	// from is where it was read.
	from place
}

// place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

func (e event) time() time.Time {
	if e.tweet != nil {
		return e.tweet.Time
	}
	return e.price.Time
}

// shift moves the event in time.
func (e event) shift(by time.Duration) {
	if e.tweet != nil {
		e.tweet.Time = e.tweet.Time.Add(by)
	} else {
		e.price.Time = e.price.Time.Add(by)
	}
}

// size is about how much memory the event holds.
func (e event) size() int {
	if e.tweet != nil {
		return 256 + len(e.tweet.Text)
	}
	return 256
}

// unreadable says why a line became no event. The reason is a word or two to count by, err tells the case.
type unreadable struct {
	reason string
	err    error
}

func (u *unreadable) Error() string {
	if u.err == nil {
		return u.reason
	}
	return u.reason + ": " + u.err.Error()
}

func (u *unreadable) Unwrap() error { return u.err }

// Reasons under which lines are counted as dropped, besides those of the sink.
const (
	reasonMalformed = "malformed"     // no JSON object, wrong types, wrong number of columns, no number or time where one belongs
	reasonTooLong   = "line too long" // more than 16 MiB in a file
	reasonDelete    = "delete"        // a delete notice of a Twitter archive
	reasonNotice    = "notice"        // another notice of a Twitter archive: limit, scrub_geo, …
	reasonRemoved   = "removed"       // a Reddit post whose text is gone
	reasonNoPost    = "no post"       // a JSON object that is nothing known
	reasonNoID      = "no id"
	reasonNoTime    = "no time"
	reasonNoText    = "no text"
	reasonBadBar    = "bad bar"          // a price that is none, or a low above the open
	reasonNoDollar  = "no dollar"        // a market against something else than the dollar
	reasonNoTrade   = "no trade"         // a bar of a time without a trade, or a trade of nothing
	reasonTwoForms  = "two forms"        // an object that could be of either of two formats
	reasonStored    = "stored otherwise" // a bar or trade of a time of which other bars, or trades, are stored under the same name
	reasonDiffers   = "differs"          // a bar or trade of which another file has other figures
)

func malformed(err error) error { return &unreadable{reasonMalformed, err} }
