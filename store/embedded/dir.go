package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	dataName     = "pgdata" // PostgreSQL's files within a Server's directory
	lockName     = "lock"
	templateName = "template" // an empty database's files within the installation

	// lockPatience is how long a lock is waited for: a process that has just been killed may still hold it.
	lockPatience = 2 * time.Second
	lockInterval = 20 * time.Millisecond
)

// ErrLocked is wrapped by the error of [Start] when another process uses the directory.
var ErrLocked = errors.New("in use by another RCAS")

// lockDir takes the lock of a Server's directory. Two databases on one directory corrupt it in silence.
func lockDir(ctx context.Context, dir string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	file, err := lockFile(ctx, filepath.Join(dir, lockName))
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("the directory %s is %w: stop that one, or choose another directory", dir, ErrLocked)
	}
	return file, err
}

// lockFile takes an exclusive lock, which lasts until every copy of the returned file's descriptor is closed.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, ctx.Err()), file.Close())
		case <-time.After(lockInterval):
		}
	}
}

// copyOnce makes dir a copy of template unless it exists; dir is there whole or not at all.
func copyOnce(dir, template string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.CopyFS(partial, os.DirFS(template)); err != nil {
		return fmt.Errorf("copying %s: %w", template, err)
	}
	return os.Rename(partial, dir)
}
