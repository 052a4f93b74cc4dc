//go:build !(linux && amd64)

package main

import (
	"errors"
	"os/exec"
	"time"
)

// canSetClocks tells whether a process of a test can have a clock of its own.
const canSetClocks = false

func startWithClock(*exec.Cmd, time.Duration) (func(time.Duration) error, error) {
	return nil, errors.New("only Linux on amd64 is known well enough to give a process a clock of its own")
}
