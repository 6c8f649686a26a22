//go:build unix

package store

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// holder names the process that has the directory locked: " (process 123)",
// or "" when that cannot be told. Call it only when this process does not hold
// the lock: closing the file would give it up.
func holder(dir string) string {
	f, err := os.Open(filepath.Join(dir, "LOCK"))
	if err != nil {
		return ""
	}
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock); err != nil || lock.Type == syscall.F_UNLCK || lock.Pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d)", lock.Pid)
}
