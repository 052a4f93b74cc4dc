//go:build !linux

package embedded

import "syscall"

// diesWithParent leaves it to the process to notice the end of its standard input, which it does between statements.
func diesWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
