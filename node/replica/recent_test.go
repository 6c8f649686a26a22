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
