package main

import (
	"context"
	"errors"
	"sync"

	"rcas/store"
)

// cursors are those of the sources that this process reads. A source knows how far it is while it runs; should the database be put back to an
// earlier time meanwhile, the source would write that over the cursor put back, and what was read between would be read by nobody again. So a
// cursor replaces only the one that was loaded or saved before; where another one stands, the source ends, and is started again from that.
type cursors struct {
	*store.Store
	mu      sync.Mutex
	running map[string]*runningCursor // by source
}

type runningCursor struct {
	sync.Mutex
	last string // that was loaded or saved
	end  context.CancelCauseFunc
}

// run runs a source, which ends with [store.ErrWentBack] when its cursor is no longer the one that it saved.
func (c *cursors) run(ctx context.Context, source string, work func(context.Context) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	c.set(source, &runningCursor{end: end})
	defer c.set(source, nil)
	if err := work(ctx); err != nil {
		return err
	}
	if err := context.Cause(ctx); errors.Is(err, store.ErrWentBack) {
		return err
	}
	return nil
}

func (c *cursors) set(source string, r *runningCursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		c.running = map[string]*runningCursor{}
	}
	c.running[source] = r
}

// of is the cursor of a source that runs here; nil for any other.
func (c *cursors) of(source string) *runningCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running[source]
}

// LoadCursor returns how far a source has been read, or "".
func (c *cursors) LoadCursor(ctx context.Context, source string) (string, error) {
	r := c.of(source)
	if r == nil {
		return c.Store.LoadCursor(ctx, source)
	}
	r.Lock()
	defer r.Unlock()
	cursor, err := c.Store.LoadCursor(ctx, source)
	if err == nil {
		r.last = cursor
	}
	return cursor, err
}

// SaveCursor stores how far a source has been read, and ends a source whose cursor was changed by somebody else.
func (c *cursors) SaveCursor(ctx context.Context, source, cursor string) error {
	r := c.of(source)
	if r == nil {
		return c.Store.SaveCursor(ctx, source, cursor)
	}
	r.Lock()
	defer r.Unlock()
	err := c.SaveCursorAfter(ctx, source, r.last, cursor)
	switch {
	case err == nil:
		r.last = cursor
	case errors.Is(err, store.ErrWentBack):
		r.end(err)
	}
	return err
}
