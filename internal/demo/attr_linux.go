package demo

import "syscall"

// childAttr keeps a Ctrl-C from the child, which the demo stops itself, and
// ends the child when the demo dies.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
