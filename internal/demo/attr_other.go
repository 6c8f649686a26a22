//go:build !linux

package demo

import "syscall"

// childAttr keeps a Ctrl-C from the child, which the demo stops itself.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
