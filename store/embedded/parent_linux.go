package embedded

import "syscall"

// diesWithParent has the kernel kill a process when its parent is gone, even in the midst of a statement.
func diesWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
