package store_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"baraza/internal/kv"
	"baraza/node/store"
)

// Pebble takes its memtables, and one that it keeps for the next, out of the
// cache. After writes of several memtables there must be room for the filters
// and blocks that reading needs again and again. Seen to fail with a cache of
// two memtables (99,595 misses instead of 1,899).
func TestCacheBesideMemtables(t *testing.T) {
	const (
		rows   = 250_000 // 25 MB
		reads  = 20_000
		misses = 5_000 // every block once, and what compactions make anew
	)
	s := open(t, store.Options{Dir: "s", FS: vfs.NewMem()})
	defer s.Close()
	value := make([]byte, 64)
	var b kv.Batch
	for i := range rows {
		b.Set(fmt.Appendf(nil, "row %08d with a long key", i*7919%rows), value)
		if len(b.Ops) == 5000 {
			if err := s.Write(&b, false); err != nil {
				t.Fatal(err)
			}
			b.Reset()
		}
	}
	before := s.CacheMisses()
	for i := range reads {
		key := fmt.Appendf(nil, "row %08d with a long key", i/2)
		if i%2 == 0 {
			key = append(key, '?')
		}
		found := false
		if err := s.GetMany([][]byte{key}, func(_ int, v []byte) { found = v != nil }); err != nil || found != (i%2 == 1) {
			t.Fatal(i, found, err)
		}
	}
	if n := s.CacheMisses() - before; n > misses {
		t.Errorf("%d reads missed the cache %d times", reads, n)
	}
}
