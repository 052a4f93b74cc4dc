package archive

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"
)

// survey finds out when each file begins, which would count what another has counted, and by how much to shift times.
func (a *Archive) survey(ctx context.Context, files []*file) (time.Duration, error) {
	rebase := !a.cfg.Rebase.IsZero()
	if rebase {
		a.total *= 2
	} else if len(files) == 1 {
		return 0, nil
	}
	var last time.Time
	now := time.Now()
	for _, f := range files {
		own := newClaims()
		err := a.read(ctx, f, reading{progress: rebase, claims: own, emit: func(e event) error {
			t := e.time()
			if !credible(t, now) {
				return ctx.Err()
			}
			if f.head.IsZero() || t.Before(f.head) {
				f.head = t
			}
			if t.After(last) {
				last = t
			}
			a.progress(false)
			if !rebase {
				return errStop
			}
			return ctx.Err()
		}})
		if err != nil && !errors.Is(err, errStop) {
			return 0, err
		}
		f.claims = own.all()
	}
	if err := a.refuseOverlaps(ctx, files, rebase); err != nil {
		return 0, err
	}
	if !rebase || last.IsZero() {
		return 0, nil
	}
	shift := a.cfg.Rebase.Sub(last)
	whole := shift.Truncate(time.Minute)
	if whole > shift {
		whole -= time.Minute
	}
	return whole, nil
}

// refuseOverlaps refuses the wider ones of bars that overlap with others of the same market: both would count its volume. read tells that the
// claims are those of whole files.
func (a *Archive) refuseOverlaps(ctx context.Context, files []*file, read bool) error {
	pairs := wider(files)
	if !read {
		whole := map[*file]bool{}
		for _, pair := range pairs {
			for _, f := range pair.files {
				if whole[f] {
					continue
				}
				whole[f] = true
				own := newClaims()
				if err := a.read(ctx, f, reading{claims: own, emit: func(event) error { return ctx.Err() }}); err != nil {
					return err
				}
				f.claims = own.all()
			}
		}
		pairs = wider(files)
	}
	for _, pair := range pairs {
		if pair.wide.overlaps(pair.narrow) && pair.files[0].refused == nil && pair.files[1].refused == nil {
			pair.files[0].refused = overlap(pair.wide, pair.narrow)
		}
	}
	return nil
}

// widths are bars of one market in two files, and the files, that of the wider first.
type widths struct {
	wide, narrow *claim
	files        [2]*file
}

// wider lists all bars of which another file has narrower ones of the same market.
func wider(files []*file) (pairs []widths) {
	type owned struct {
		*claim
		of *file
	}
	markets := map[string][]owned{}
	for _, f := range files {
		for _, c := range f.claims {
			for _, other := range markets[c.market] {
				switch {
				case other.of == f:
				case other.width < c.width:
					pairs = append(pairs, widths{c, other.claim, [2]*file{f, other.of}})
				case other.width > c.width:
					pairs = append(pairs, widths{other.claim, c, [2]*file{other.of, f}})
				}
			}
			markets[c.market] = append(markets[c.market], owned{c, f})
		}
	}
	return pairs
}

// figures remembers the trades of late, to find those of which two files, or two rows, say different things: the database would keep the
// first and take the other for known.
type figures struct{ lately[uint64, figure] }

type figure struct {
	price, volume float64
	from          place
}

// check returns an error for a trade that differs from another of the same venue, coin and id.
func (f *figures) check(e event) error {
	h := fnv.New64a()
	for _, s := range [...]string{e.price.Venue, "\x00", e.price.Symbol, "\x00", e.price.TradeID} {
		h.Write([]byte(s))
	}
	key := h.Sum64()
	one, known := f.get(key)
	if known && (one.price != e.price.Price || one.volume != e.price.Volume) {
		return &unreadable{reasonDiffers, fmt.Errorf("%s has another price or volume for the same bar or trade (%s at %s, %s): if they are of two "+
			"exchanges, replay each with its own --venue", one.from, e.price.Symbol, e.price.Venue, e.price.TradeID)}
	}
	if !known {
		f.put(key, figure{e.price.Price, e.price.Volume, e.from})
	}
	return nil
}

// report hands the report of a file on.
func (a *Archive) report(f *File) {
	if a.cfg.Report == nil {
		return
	}
	a.reporting.Lock()
	defer a.reporting.Unlock()
	a.cfg.Report(f)
}
