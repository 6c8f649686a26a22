package replica

import (
	"bytes"
	"slices"
	"testing"

	"baraza/clock"
	"baraza/internal/kv"
)

// TestRecentEntriesAreTheStores: what the log reads from memory is what the store
// has, and nothing is read that the log does not hold.
func TestRecentEntriesAreTheStores(t *testing.T) {
	store := kv.NewMem()
	log := &Log{store: store, self: clock.SiteID{9}}
	if err := log.load(); err != nil {
		t.Fatal(err)
	}
	origins := []clock.SiteID{{1}, {2}, {3}}
	for n := range 100 {
		origin := origins[n%3]
		first := log.seq(origin) + 1
		var entries [][]byte
		for i := range 1 + n%6 {
			entries = append(entries, bytes.Repeat([]byte{byte(n), byte(i)}, 1+n*(n%2)*100))
		}
		if err := log.Append(origin, first, entries); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			clear(e) // a message's buffer is used again
		}
		again := &Log{store: store, self: log.self}
		if err := again.load(); err != nil {
			t.Fatal(err)
		}
		for _, o := range origins {
			last := max(log.seq(o), 1)
			_, got, err := log.Read(o, last-1, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			_, want, err := again.Read(o, last-1, 1<<20)
			if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("entry %d of %s is %x in memory, %x in the store, %v", last, o.Short(), got, want, err)
			}
		}
	}
	if n := len(log.recent.list); n == 0 || n > recentEntries {
		t.Errorf("%d entries are kept, at most %d should", n, recentEntries)
	}
	if _, err := log.drop(log.Vector().Clone(), 1000); err != nil {
		t.Fatal(err)
	}
	for _, o := range origins {
		if first, got, err := log.Read(o, log.seq(o)-1, 1<<20); err != nil || len(got) > 0 || first != log.seq(o)+1 {
			t.Errorf("a dropped entry of %s is read: %d, %x, %v", o.Short(), first, got, err)
		}
	}
}

// TestTakenEntriesAreTheStores: entries that the log takes are read as they are, be they
// few or many, without a copy in the store.
func TestTakenEntriesAreTheStores(t *testing.T) {
	store, origin := kv.NewMem(), clock.SiteID{1}
	log := &Log{store: store, self: clock.SiteID{9}}
	if err := log.load(); err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for n := range 3 * recentAtOnce {
		var entries [][]byte
		for i := range n + 1 {
			entries = append(entries, bytes.Repeat([]byte{byte(n), byte(i)}, 40*(n+1)))
		}
		skip := min(n, 1, len(all)) // one that it has already
		first := uint64(len(all) + 1 - skip)
		if err := log.Take(origin, first, append(slices.Clone(all[len(all)-skip:]), entries...)); err != nil {
			t.Fatal(err)
		}
		all = append(all, entries...)
		last := uint64(len(all))
		if _, got, err := log.Read(origin, last-1, 1); err != nil || len(got) != 1 || !bytes.Equal(got[0], all[last-1]) {
			t.Fatalf("entry %d is read as %x, %v", last, got, err)
		}
	}
	again := &Log{store: store, self: log.self}
	if err := again.load(); err != nil {
		t.Fatal(err)
	}
	if _, got, err := again.Read(origin, 0, 1<<20); err != nil || !slices.EqualFunc(got, all, bytes.Equal) {
		t.Fatalf("the store has other entries than were taken, %v", err)
	}
	for i, e := range all {
		err := store.GetMany([][]byte{logKey(origin, uint64(i+1))}, func(_ int, v []byte) {
			if &v[0] != &e[0] {
				t.Errorf("entry %d is copied", i+1)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
