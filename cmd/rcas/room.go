package main

import (
	"fmt"
	"sync"
	"time"
)

// leastFree is the room below which sources wait: compression and the database's own work need some too.
const leastFree = 1 << 30

// roomAge is for how long an answer about the disk is good.
const roomAge = 2 * time.Second

// room returns what tells whether the disk has room for more, where the database or the stream lie on a disk of this machine.
func (a *app) room() func() error {
	if !a.store.Embedded() && !a.stream.Serving() {
		return nil
	}
	return roomOn(a.settings.dataDir, leastFree, diskSpace)
}

func roomOn(dir string, least uint64, space func(string) (free, total uint64, err error)) func() error {
	var mu sync.Mutex
	var asked time.Time
	var answer error
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(asked) < roomAge {
			return answer
		}
		asked, answer = time.Now(), nil
		free, _, err := space(dir)
		if err == nil && free < least { // what cannot be asked for keeps nobody waiting
			answer = fmt.Errorf("the disk of %s has %s left, and the database needs some to go on; make room, or keep less (keep: in the configuration)",
				dir, bytesOf(free))
		}
		return answer
	}
}
