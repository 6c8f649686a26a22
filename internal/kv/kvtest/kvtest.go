package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"baraza/internal/kv"
)

// Run runs the suite. open gives a new, empty store; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) kv.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s kv.Store)
	}{
		{"get set delete", getSetDelete},
		{"empty is not absent", emptyIsNotAbsent},
		{"last operation of a batch wins", lastOperationWins},
		{"slices are copied", slicesAreCopied},
		{"scan bounds", scanBounds},
		{"scan while writing", scanWhileWriting},
		{"snapshot", snapshot},
		{"many snapshots", manySnapshots},
		{"batches are atomic", batchesAreAtomic},
		{"random history", randomHistory},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(t, s)
			must(t, s.Close())
		})
	}
	t.Run("closed", func(t *testing.T) { closed(t, open(t)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// set writes pairs of key and value in one batch.
func set(t *testing.T, s kv.Store, pairs ...string) {
	t.Helper()
	var b kv.Batch
	for i := 0; i < len(pairs); i += 2 {
		b.Set([]byte(pairs[i]), []byte(pairs[i+1]))
	}
	must(t, s.Write(&b, false))
}

func wantGet(t *testing.T, r kv.Reader, key, want string) {
	t.Helper()
	got, err := r.Get([]byte(key))
	must(t, err)
	if string(got) != want {
		t.Fatalf("Get(%q) = %q, want %q", key, got, want)
	}
}

// all returns what a scan gives, as "k=v k=v".
func all(t *testing.T, r kv.Reader, lower, upper []byte) string {
	t.Helper()
	var out bytes.Buffer
	must(t, r.Scan(lower, upper, func(k, v []byte) bool {
		if out.Len() > 0 {
			out.WriteByte(' ')
		}
		fmt.Fprintf(&out, "%s=%s", k, v)
		return true
	}))
	return out.String()
}

func wantAll(t *testing.T, r kv.Reader, want string) {
	t.Helper()
	if got := all(t, r, nil, nil); got != want {
		t.Fatalf("the store holds %q, want %q", got, want)
	}
}

func getSetDelete(t *testing.T, s kv.Store) {
	wantGet(t, s, "a", "")
	wantAll(t, s, "")
	set(t, s, "b", "2", "a", "1", "c", "3")
	wantGet(t, s, "a", "1")
	set(t, s, "a", "one")
	wantAll(t, s, "a=one b=2 c=3")
	var b kv.Batch
	b.Delete([]byte("b"))
	b.Delete([]byte("absent"))
	must(t, s.Write(&b, true))
	wantAll(t, s, "a=one c=3")
	wantGet(t, s, "b", "")
	must(t, s.Write(&kv.Batch{}, true))
	wantAll(t, s, "a=one c=3")
}

func emptyIsNotAbsent(t *testing.T, s kv.Store) {
	var b kv.Batch
	b.Set([]byte("empty"), []byte{})
	b.Set([]byte("nil"), nil)
	must(t, s.Write(&b, false))
	for _, key := range []string{"empty", "nil"} {
		got, err := s.Get([]byte(key))
		must(t, err)
		if got == nil || len(got) != 0 {
			t.Fatalf("Get(%q) = %#v, want an empty slice that is not nil", key, got)
		}
	}
	must(t, kv.GetMany(s, [][]byte{[]byte("empty"), []byte("nil")}, func(i int, value []byte) {
		if value == nil || len(value) != 0 {
			t.Fatalf("GetMany of empty values, number %d = %#v, want an empty slice that is not nil", i, value)
		}
	}))
	got, err := s.Get([]byte("absent"))
	must(t, err)
	if got != nil {
		t.Fatalf("Get of an absent key = %#v, want nil", got)
	}
	wantAll(t, s, "empty= nil=")
}

func lastOperationWins(t *testing.T, s kv.Store) {
	var b kv.Batch
	b.Set([]byte("a"), []byte("1"))
	b.Set([]byte("a"), []byte("2"))
	b.Set([]byte("b"), []byte("1"))
	b.Delete([]byte("b"))
	b.Delete([]byte("c"))
	b.Set([]byte("c"), []byte("1"))
	must(t, s.Write(&b, false))
	wantAll(t, s, "a=2 c=1")
}

func slicesAreCopied(t *testing.T, s kv.Store) {
	key, value := []byte("key"), []byte("value")
	var b kv.Batch
	b.Set(key, value)
	must(t, s.Write(&b, false))
	copy(key, "xxx")
	copy(value, "xxxxx")
	wantAll(t, s, "key=value")
	got, err := s.Get([]byte("key"))
	must(t, err)
	copy(got, "xxxxx")
	wantGet(t, s, "key", "value")
}

func scanBounds(t *testing.T, s kv.Store) {
	set(t, s, "a", "1", "b", "2", "b\x00", "3", "b\xff", "4", "c", "5", "\xff\xff", "6")
	for _, test := range []struct{ lower, upper, want string }{
		{"", "b", "a=1"},
		{"a", "a", ""},
		{"b", "c", "b=2 b\x00=3 b\xff=4"},
		{"b", "b\x00", "b=2"},
		{"aa", "b", ""},
		{"c", "", "c=5 \xff\xff=6"},
		{"d", "z", ""},
		{"\xff\xff\xff", "", ""},
	} {
		upper := []byte(test.upper)
		if test.upper == "" {
			upper = nil
		}
		if got := all(t, s, []byte(test.lower), upper); got != test.want {
			t.Errorf("Scan(%q, %q) = %q, want %q", test.lower, test.upper, got, test.want)
		}
	}
	calls := 0
	must(t, s.Scan(nil, nil, func(_, _ []byte) bool { calls++; return calls < 2 }))
	if calls != 2 {
		t.Errorf("a scan that was told to stop at its second key made %d calls", calls)
	}
	if got := all(t, s, []byte("b"), kv.After([]byte("b"))); got != "b=2 b\x00=3 b\xff=4" {
		t.Errorf("scan of a prefix gave %q", got)
	}
}

// scanWhileWriting: a scan sees the store as it was when it began, and its
// callback may read and write the store.
func scanWhileWriting(t *testing.T, s kv.Store) {
	for i := range 200 {
		set(t, s, fmt.Sprintf("k%03d", i), "old")
	}
	seen := 0
	must(t, s.Scan(nil, nil, func(k, v []byte) bool {
		if string(v) != "old" {
			t.Errorf("the scan saw a later write of %s", k)
		}
		set(t, s, string(k), "new", string(k)+"+", "new", fmt.Sprintf("k%03d", 199-seen), "new")
		seen++
		wantGet(t, s, string(k), "new")
		return true
	}))
	if seen != 200 {
		t.Errorf("the scan saw %d keys, want 200", seen)
	}
	if got := bytes.Count([]byte(all(t, s, nil, nil)), []byte("=new")); got != 400 {
		t.Errorf("the store holds %d keys, want 400", got)
	}
}

func snapshot(t *testing.T, s kv.Store) {
	set(t, s, "a", "1", "b", "2")
	before := s.Snapshot()
	set(t, s, "a", "x", "c", "3")
	var b kv.Batch
	b.Delete([]byte("b"))
	must(t, s.Write(&b, false))
	wantAll(t, before, "a=1 b=2")
	wantGet(t, before, "a", "1")
	wantGet(t, before, "b", "2")
	wantGet(t, before, "c", "")
	wantAll(t, s, "a=x c=3")
	must(t, before.Close())
	wantAll(t, s, "a=x c=3")
}

// manySnapshots opens and closes overlapping snapshots and scans in every
// order while the store changes.
func manySnapshots(t *testing.T, s kv.Store) {
	type view struct {
		snap kv.Snapshot
		want string
	}
	var views []view
	for i := range 300 {
		// Runs of opening and closing without a write between are the rarer path.
		if i%7 < 3 {
			set(t, s, fmt.Sprintf("k%02d", i*7%83), fmt.Sprint(i))
		}
		if i%3 != 0 {
			views = append(views, view{s.Snapshot(), all(t, s, nil, nil)})
		}
		if i%8 > 2 && len(views) > 0 {
			at := i * i % len(views)
			wantAll(t, views[at].snap, views[at].want)
			must(t, views[at].snap.Close())
			views = append(views[:at], views[at+1:]...)
		}
		for _, v := range views {
			wantAll(t, v.snap, v.want)
		}
	}
	for _, v := range views {
		wantAll(t, v.snap, v.want)
		must(t, v.snap.Close())
	}
}

// batchesAreAtomic: readers beside a writer see whole batches only.
func batchesAreAtomic(t *testing.T, s kv.Store) {
	keys := []string{"a", "m", "z"}
	write := func(n int) {
		var b kv.Batch
		for _, k := range keys {
			b.Set([]byte(k), fmt.Append(nil, n))
		}
		if err := s.Write(&b, false); err != nil {
			t.Error(err)
		}
	}
	write(0)
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				snap := s.Snapshot()
				checkEqualValues(t, snap, len(keys))
				checkEqualValues(t, s, len(keys))
				if err := snap.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		writers.Go(func() {
			for i := range 300 {
				write(i)
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func checkEqualValues(t *testing.T, r kv.Reader, want int) {
	var first string
	count := 0
	err := r.Scan(nil, nil, func(k, v []byte) bool {
		if count == 0 {
			first = string(v)
		}
		if string(v) != first {
			t.Errorf("part of a batch is visible: %s is %s beside %s", k, v, first)
		}
		count++
		return true
	})
	if err != nil || count != want {
		t.Errorf("the scan saw %d of %d keys, error %v", count, want, err)
	}
}

func closed(t *testing.T, s kv.Store) {
	set(t, s, "a", "1")
	snap := s.Snapshot()
	must(t, snap.Close())
	_, err := snap.Get([]byte("a"))
	wantClosed(t, "Get of a closed snapshot", err)
	wantClosed(t, "Scan of a closed snapshot", snap.Scan(nil, nil, func(_, _ []byte) bool { return true }))
	wantClosed(t, "Close of a closed snapshot", snap.Close())
	must(t, s.Close())
	var b kv.Batch
	b.Set([]byte("a"), nil)
	wantClosed(t, "Write", s.Write(&b, true))
	_, err = s.Get([]byte("a"))
	wantClosed(t, "Get", err)
	wantClosed(t, "Scan", s.Scan(nil, nil, func(_, _ []byte) bool { return true }))
	late := s.Snapshot()
	_, err = late.Get([]byte("a"))
	wantClosed(t, "Get of a snapshot of a closed store", err)
	wantClosed(t, "Close", s.Close())
}

func wantClosed(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, kv.ErrClosed) {
		t.Errorf("%s: error %v, want kv.ErrClosed", what, err)
	}
}
