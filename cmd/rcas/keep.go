package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"rcas/store"
)

// keepConfig says how long raw rows are kept. What is left out stays as the database has it.
type keepConfig struct {
	Trades kept `yaml:"trades"`
	Posts  kept `yaml:"posts"`
}

func (c keepConfig) keep() store.Keep {
	return store.Keep{Trades: time.Duration(c.Trades), Posts: time.Duration(c.Posts)}
}

// kept is a time in days or years ("90d", "2y"), or "forever".
type kept time.Duration

// UnmarshalYAML implements [yaml.Unmarshaler].
func (a *kept) UnmarshalYAML(node *yaml.Node) error {
	if node.Value == "forever" {
		*a = kept(store.Forever)
		return nil
	}
	for unit, days := range map[string]int{"d": 1, "y": 365} {
		number, ok := strings.CutSuffix(node.Value, unit)
		if n, err := strconv.Atoi(number); ok && err == nil && n > 0 && n <= 36500/days {
			*a = kept(time.Duration(n*days) * 24 * time.Hour)
			return nil
		}
	}
	return fmt.Errorf("line %d: %q is not how long something can be kept; write days or years, like 90d or 2y, or forever", node.Line, node.Value)
}

// setRetention makes the database keep rows for as long as the configuration says.
func (a *app) setRetention(ctx context.Context) error {
	return a.store.SetRetention(ctx, a.settings.file.Keep.keep())
}

// checkRetention is setRetention for those who need not own the tables: they are told.
func (a *app) checkRetention(ctx context.Context) error {
	err := a.setRetention(ctx)
	if errors.Is(err, store.ErrNotOwner) {
		a.settings.log.Warn("keep: of the configuration is not what the database does", "error", err)
		return nil
	}
	return err
}
