//go:build unix

package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// LockFile is the name of the lock file in a site's data directory.
const LockFile = "baraza.lock"

// Lock is the hold of one process on a data directory. It ends with the
// process, however that ends.
type Lock struct{ f *os.File }

// Acquire takes the hold, or says which process has it.
func Acquire(dir string) (*Lock, error) {
	path := filepath.Join(dir, LockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		holder := "another baraza process"
		if b, err := io.ReadAll(io.LimitReader(f, 32)); err == nil && len(b) > 0 {
			holder = "the baraza process " + strings.TrimSpace(string(b))
		}
		return nil, fmt.Errorf("%s is in use by %s: stop that one first, or use another --data directory", dir, holder)
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Release gives the hold up. The file stays: removing it would let two
// processes hold two files of one name.
func (l *Lock) Release() error { return l.f.Close() }
