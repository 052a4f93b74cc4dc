package ingestor

import (
	"context"

	"rcas/market"
	"rcas/store"
)

// Source reads one feed and hands what it reads to a [Sink]. A source only publishes: it never sees the database's tables.
type Source interface {
	// Name is the value of the posts' source or the trades' venue: twitter, bluesky, coinbase, ….
	Name() string
	// Run reads until ctx ends (returns nil), the feed is exhausted (returns nil), or nothing more can be done (returns
	// why). Lost connections are the source's own business: it reconnects.
	Run(ctx context.Context, sink Sink) error
}

// Reporter is a source that can tell how it is doing.
type Reporter interface {
	Report() store.FeedState
}

// Sink takes what sources read: it cleans, validates, maps posts to coins, detects the language where the source names none,
// counts what it drops, and publishes the rest. Safe for concurrent use.
//
// Its methods return an error only when RCAS itself cannot go on (the stream is gone, ctx ended); bad data is dropped and
// counted inside.
type Sink interface {
	// Tweet publishes a post, asynchronously.
	Tweet(ctx context.Context, t *market.Tweet) error
	// Price publishes a trade, asynchronously.
	Price(ctx context.Context, p *market.Price) error
	// Delete asks that the text and author of a post be forgotten; its counts stay. An identifier that ends in a slash asks it of
	// all posts whose identifiers begin with it: those of an account that is gone, where a network names posts so.
	Delete(ctx context.Context, source, id string) error
	// Drop counts one message of the source that could not become a post or a trade, by a short reason: "malformed", ….
	Drop(source, reason string)
	// Count adds n to a counter of the source that is no drop: "reconnect", "gap", "repaired", ….
	Count(source, event string, n int64)
	// Flush waits until the stream has confirmed all that was handed over before.
	Flush(ctx context.Context) error
	// Sync is Flush, and waits until a power cut of the stream's machine would lose nothing of it either. A cursor may be saved after
	// it, and whoever sent something told that it is safe.
	Sync(ctx context.Context) error
}

// DropFuture is the reason for which a sink drops what lies more than [market.MaxFuture] ahead of this machine's clock. It may be that
// clock that is wrong: a source that can ask again does not book such a thing as read.
const DropFuture = "future"

// WithDrops returns a context that asks the sink to tell of each post and trade handed over with it that it drops. A source that
// owes whoever sent them an answer uses it, and one that asks again for what came too early.
func WithDrops(ctx context.Context, tell func(reason string)) context.Context {
	return context.WithValue(ctx, dropsKey{}, tell)
}

type dropsKey struct{}

// TellDrop tells who asked by [WithDrops]; sinks call it.
func TellDrop(ctx context.Context, reason string) {
	if tell, ok := ctx.Value(dropsKey{}).(func(string)); ok {
		tell(reason)
	}
}

// Cursors keeps how far a source has read, in the database, across restarts.
type Cursors interface {
	// LoadCursor returns the saved cursor, or "" when there is none.
	LoadCursor(ctx context.Context, source string) (string, error)
	// SaveCursor stores the cursor; call it after [Sink.Sync] only.
	SaveCursor(ctx context.Context, source, cursor string) error
}
