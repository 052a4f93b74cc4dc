//go:build unix

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// diskSpace tells how many bytes are free, for this user, on the disk that holds a directory, and how many it has.
func diskSpace(dir string) (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(existing(dir), &s); err != nil {
		return 0, 0, fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil //nolint:unconvert // the types differ between systems
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
