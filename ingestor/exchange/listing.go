package exchange

import (
	"cmp"
	"slices"
)

// Listing is a product that a venue lists.
type Listing struct {
	Product, Base, Quote string
	// Halted is the venue's word for why the product does not trade at the moment; "" where it does.
	Halted string
}

// Choose returns one listing for every coin wanted that is listed against one of the quotes: one that trades before one that does not,
// and the earlier quote before the later. They are sorted by product.
func Choose(listings []Listing, symbols, quotes []string) []Listing {
	best := map[string]Listing{}
	rank := func(l Listing) int {
		n := slices.Index(quotes, l.Quote)
		if l.Halted != "" {
			n += len(quotes)
		}
		return n
	}
	for _, l := range listings {
		if l.Product == "" || !slices.Contains(quotes, l.Quote) || !slices.Contains(symbols, l.Base) {
			continue
		}
		if old, ok := best[l.Base]; !ok || rank(l) < rank(old) {
			best[l.Base] = l
		}
	}
	var chosen []Listing
	for _, l := range best {
		chosen = append(chosen, l)
	}
	slices.SortFunc(chosen, func(a, b Listing) int { return cmp.Compare(a.Product, b.Product) })
	return chosen
}
