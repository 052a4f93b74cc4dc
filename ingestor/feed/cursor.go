package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"rcas/ingestor"
)

// LoadCursor reads how far a source had read, JSON, into position, and tells whether there was something to read. A cursor that is
// not readable is none: the source says so and begins as if it were new.
func LoadCursor(ctx context.Context, cursors ingestor.Cursors, name string, position any, log *slog.Logger) (bool, error) {
	if cursors == nil {
		return false, nil
	}
	cursor, err := cursors.LoadCursor(ctx, name)
	if err != nil {
		return false, fmt.Errorf("load the cursor of %s: %w", name, err)
	}
	if cursor == "" {
		return false, nil
	}
	if err := json.Unmarshal([]byte(cursor), position); err != nil {
		log.Warn("the saved position is not readable; reading on from now", "source", name, "cursor", cursor, "err", err)
		return false, nil
	}
	return true, nil
}

// UnlessEnded returns the error that kept a source from beginning, unless ctx has ended: that is no error of a run.
func UnlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// KeepCursor saves how far a source has read: every so often, and once more when ctx ends; then it returns. A cursor taken from
// current is saved only once what came before it survives a power cut. Without cursors it returns at once. A save that fails
// is logged and tried again at its next time: the price is a longer rewind.
func KeepCursor(
	ctx context.Context, cursors ingestor.Cursors, sink ingestor.Sink, name string, every time.Duration,
	current func() string, log *slog.Logger,
) {
	if cursors == nil {
		return
	}
	saved := ""
	save := func(ctx context.Context) {
		cursor := current()
		if cursor == "" || cursor == saved {
			return
		}
		err := sink.Sync(ctx)
		if err == nil {
			err = cursors.SaveCursor(ctx, name, cursor)
		}
		if err != nil {
			log.Warn("the cursor could not be saved", "source", name, "err", err)
			return
		}
		saved = cursor
	}
	for Sleep(ctx, every) == nil {
		save(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	save(last)
}
