package bench

import "syscall"

// childAttr makes a child die with the thread that started it, and keeps a
// Ctrl-C meant for us away from it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
