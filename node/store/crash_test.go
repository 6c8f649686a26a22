package store_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"baraza/internal/kv"
	"baraza/node/store"
)

var crashSeed = flag.Uint64("crash.seed", 1, "seed of the crash tests")

// Each batch of a crash test writes its number under two keys that lie far
// apart, one with padding of random size.
func numbered(n, padding int) *kv.Batch {
	var b kv.Batch
	num := binary.BigEndian.AppendUint64(nil, uint64(n))
	b.Set(append([]byte("first/"), num...), make([]byte, padding))
	b.Set(append([]byte("second/"), num...), num)
	return &b
}

// survivors returns how many numbered batches a store holds, and fails when
// one is there in part or when one is missing before another.
func survivors(t *testing.T, s *store.Store) int {
	t.Helper()
	count := func(prefix string) int {
		n := 0
		err := s.Scan([]byte(prefix), kv.After([]byte(prefix)), func(k, _ []byte) bool {
			if got := int(binary.BigEndian.Uint64(k[len(prefix):])); got != n {
				t.Errorf("batch %d is lost although batch %d, written later, is there", n, got)
				return false
			}
			n++
			return true
		})
		if err != nil {
			t.Error(err)
		}
		return n
	}
	first, second := count("first/"), count("second/")
	if first != second {
		t.Errorf("a batch survived in part: %d first keys, %d second keys", first, second)
	}
	return first
}

// TestCrash cuts the power at random moments of a random history. Every synced
// batch, and all before it, survive; what is lost is a suffix. The site goes
// on from what is left and is cut again.
func TestCrash(t *testing.T) {
	rng := rand.New(rand.NewPCG(*crashSeed, 0))
	t.Logf("replay: go test ./node/store -run TestCrash$ -crash.seed=%d", *crashSeed)
	disk := vfs.NewCrashableMem()
	next, lost, cuts := 0, 0, 0
	for range 40 {
		s := open(t, store.Options{Dir: "s", FS: disk})
		safe := survivors(t, s)
		lost += next - safe
		next = safe
		var after *vfs.MemFS
		for range 1 + rng.IntN(60) {
			sync := rng.IntN(4) == 0
			padding := rng.IntN(200)
			if rng.IntN(20) == 0 {
				padding = rng.IntN(1 << 17) // fills memtables, so flushes run too
			}
			if err := s.Write(numbered(next, padding), sync); err != nil {
				t.Fatal(err)
			}
			next++
			if sync {
				safe = next
			}
		}
		after = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng})
		cuts++
		s.Close() // the machine that lost power; its disk is not used again
		disk = after
		s = open(t, store.Options{Dir: "s", FS: disk})
		if got := survivors(t, s); got < safe {
			t.Fatalf("cut %d: batch %d was synced, but only %d survived", cuts, safe-1, got)
		}
		// What start-up reads must be as durable as what was acknowledged.
		got := survivors(t, s)
		again := disk.CrashClone(vfs.CrashCloneCfg{})
		s.Close()
		disk = again
		s = open(t, store.Options{Dir: "s", FS: disk})
		if now := survivors(t, s); now < got {
			t.Fatalf("cut %d: start-up showed %d batches, a second cut left %d", cuts, got, now)
		}
		s.Close()
	}
	if lost == 0 {
		t.Error("no unsynced batch was ever lost: the test cuts nothing")
	}
	t.Logf("%d cuts, %d batches kept, %d unsynced ones lost", cuts, next, lost)
}

// TestCrashBesideWriters cuts the power while several goroutines write synced
// batches: whatever was acknowledged before the cut survives it.
func TestCrashBesideWriters(t *testing.T) {
	const writers = 4
	rng := rand.New(rand.NewPCG(*crashSeed, 1))
	disk := vfs.NewCrashableMem()
	s := open(t, store.Options{Dir: "s", FS: disk})
	var acknowledged [writers]atomic.Int64
	var group sync.WaitGroup
	stop := make(chan struct{})
	for w := range writers {
		group.Go(func() {
			for n := int64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				var b kv.Batch
				b.Set(fmt.Append(nil, w), binary.BigEndian.AppendUint64(nil, uint64(n)))
				b.Set(fmt.Appendf(nil, "fill/%d/%d", w, n), make([]byte, 2000))
				if err := s.Write(&b, true); err != nil {
					t.Error(err)
					return
				}
				acknowledged[w].Store(n)
			}
		})
	}
	for range 25 {
		var before [writers]int64
		for w := range writers {
			before[w] = acknowledged[w].Load()
		}
		clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		after := open(t, store.Options{Dir: "s", FS: clone})
		for w := range writers {
			got, err := after.Get(fmt.Append(nil, w))
			if err != nil {
				t.Fatal(err)
			}
			if got == nil {
				got = make([]byte, 8)
			}
			if n := int64(binary.BigEndian.Uint64(got)); n < before[w] {
				t.Errorf("writer %d had %d writes acknowledged, %d survived", w, before[w], n)
			}
		}
		after.Close()
	}
	close(stop)
	group.Wait()
	s.Close()
}
