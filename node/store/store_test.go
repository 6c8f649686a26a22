package store_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"baraza/internal/kv"
	"baraza/internal/kv/kvtest"
	"baraza/node/store"
)

func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t testing.TB, s *store.Store, sync bool, pairs ...string) {
	t.Helper()
	var b kv.Batch
	for i := 0; i < len(pairs); i += 2 {
		b.Set([]byte(pairs[i]), []byte(pairs[i+1]))
	}
	if err := s.Write(&b, sync); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		kvtest.Run(t, func(t *testing.T) kv.Store { return open(t, store.Options{Dir: "s", FS: vfs.NewMem()}) })
	})
	t.Run("disk", func(t *testing.T) {
		kvtest.Run(t, func(t *testing.T) kv.Store { return open(t, store.Options{Dir: t.TempDir()}) })
	})
}

func TestReopenKeepsEverything(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "store")
	s := open(t, store.Options{Dir: dir})
	write(t, s, false, "a", "1", "b", "2") // a clean close loses nothing
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Options{Dir: dir})
	defer s.Close()
	if got, err := s.Get([]byte("b")); err != nil || string(got) != "2" {
		t.Fatalf("after reopening Get = %q, %v", got, err)
	}
	if n, err := s.DiskBytes(); err != nil || n == 0 {
		t.Errorf("DiskBytes = %d, %v", n, err)
	}
}

// wantOneLine checks that an error is one line that has all the words.
func wantOneLine(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has several lines: %v", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error %q does not say %q", err, word)
		}
	}
}

func TestLockedDirectory(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_DIR"); dir != "" {
		_, err := store.Open(store.Options{Dir: dir})
		fmt.Println(err)
		return
	}
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	_, err := store.Open(store.Options{Dir: dir})
	wantOneLine(t, err, dir, "this process")

	other := exec.Command(os.Args[0], "-test.run=^TestLockedDirectory$")
	other.Env = append(os.Environ(), "STORE_TEST_DIR="+dir)
	out, err := other.Output()
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	wantOneLine(t, errors.New(line), dir, "another baraza process", fmt.Sprintf("(process %d)", os.Getpid()), "stop that one")

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Options{Dir: dir})
	s.Close()
}

func TestDamagedAndForeignDirectories(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(store.Options{Dir: file})
	wantOneLine(t, err, file, "cannot open")

	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	write(t, s, true, "a", "1")
	s.Close()
	manifests, _ := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	for _, m := range manifests {
		if err := os.Remove(m); err != nil {
			t.Fatal(err)
		}
	}
	_, err = store.Open(store.Options{Dir: dir})
	wantOneLine(t, err, dir)
}

// TestCloseWaits: Close beside calls neither panics nor cuts one short.
func TestCloseWaits(t *testing.T) {
	for range 20 {
		s := open(t, store.Options{Dir: "s", FS: vfs.NewMem()})
		write(t, s, false, "a", "1")
		var group sync.WaitGroup
		start := make(chan struct{})
		for i := range 4 {
			group.Go(func() {
				<-start
				for {
					var b kv.Batch
					b.Set(fmt.Append(nil, i), nil)
					if s.Write(&b, true) != nil {
						return
					}
					snap := s.Snapshot()
					err := snap.Scan(nil, nil, func(_, _ []byte) bool { return true })
					snap.Close()
					if err != nil {
						return
					}
				}
			})
		}
		close(start)
		// Snapshots that are open now make Close report them; it must not panic.
		if err := s.Close(); err != nil && !strings.Contains(err.Error(), "snapshot") {
			t.Error(err)
		}
		group.Wait()
	}
}

// TestDiskRefusesWrites: when the log cannot be written the store says so
// through Fatal, once it is sure, and no write is acknowledged.
func TestDiskRefusesWrites(t *testing.T) {
	var broken errorfs.Toggle
	broken.Injector = errorfs.ErrInjected.If(errorfs.And(errorfs.Writes, errorfs.PathMatch("s/*.log")))
	fatal := make(chan error, 1)
	s := open(t, store.Options{Dir: "s", FS: errorfs.Wrap(vfs.NewMem(), &broken), Fatal: func(err error) {
		select {
		case fatal <- err:
		default:
		}
		select {} // must not return
	}})
	write(t, s, true, "a", "1")
	broken.On()
	go func() {
		var b kv.Batch
		b.Set([]byte("b"), []byte("2"))
		if err := s.Write(&b, true); err == nil {
			t.Error("a write that is on no disk was acknowledged")
		}
	}()
	wantOneLine(t, <-fatal, "store in s", "disk")
}

func BenchmarkWriteSync(b *testing.B) {
	for _, writers := range []int{1, 8} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, store.Options{Dir: b.TempDir()})
			defer s.Close()
			value := make([]byte, 200)
			b.SetParallelism((writers + 1) / 2)
			b.RunParallel(func(pb *testing.PB) {
				for n := 0; pb.Next(); n++ {
					var batch kv.Batch
					for i := range 4 {
						batch.Set(fmt.Appendf(nil, "%p/%d/%d", pb, n, i), value)
					}
					if err := s.Write(&batch, true); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
