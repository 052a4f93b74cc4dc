package exchange

import "slices"

// Listing is a product that a venue trades.
type Listing struct {
	Product, Base, Quote string
}

// Choose returns, by product, the symbol of every coin wanted that is listed against one of the quotes: one product a coin,
// the earlier quote before the later.
func Choose(listings []Listing, symbols, quotes []string) map[string]string {
	best := map[string]Listing{}
	for _, l := range listings {
		rank := slices.Index(quotes, l.Quote)
		if rank < 0 || l.Product == "" || !slices.Contains(symbols, l.Base) {
			continue
		}
		if old, ok := best[l.Base]; !ok || rank < slices.Index(quotes, old.Quote) {
			best[l.Base] = l
		}
	}
	products := map[string]string{}
	for symbol, l := range best {
		products[l.Product] = symbol
	}
	return products
}
