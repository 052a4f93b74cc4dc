package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Weights say how much each part counts in mood_index(), by the names of its columns. Parts that are left out stay as the database has them.
type Weights map[string]float64

// indexParts are the parts of mood_index().
var indexParts = []string{"mood", "momentum", "posts", "dominance", "volatility", "price_momentum"}

// Validate refuses parts that there are not and weights that are none.
func (w Weights) Validate() error {
	sum := 0.0
	for _, part := range slices.Sorted(maps.Keys(w)) {
		if !slices.Contains(indexParts, part) {
			return fmt.Errorf("there is no part %q; the parts are %s", part, strings.Join(indexParts, ", "))
		}
		if weight := w[part]; !(weight >= 0 && weight <= 1000) {
			return fmt.Errorf("%s has the weight %v; write a number from 0 to 1000", part, weight)
		}
		sum += w[part]
	}
	if len(w) == len(indexParts) && sum == 0 {
		return errors.New("all parts have the weight 0, so there is no index")
	}
	return nil
}

// SetIndexWeights changes how much the parts count in mood_index().
func (s *Store) SetIndexWeights(ctx context.Context, w Weights) error {
	if err := w.Validate(); err != nil || len(w) == 0 {
		return err
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		for part, weight := range w {
			_, err := tx.Exec(ctx, `UPDATE index_weights SET weight = $2 WHERE part = $1 AND weight <> $2`, part, weight)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return wrap("set the weights of the index", err)
	}
	return nil
}
