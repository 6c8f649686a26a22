package sim

import (
	"maps"
	"strings"
	"testing"
	"time"

	"baraza/internal/kv"
	"baraza/node/replica"
)

// TestUnnoticed: rows and conflicts that change without the checkers being told are
// found by the next check of all, which is left out only while nothing has changed.
//
// Seen to fail when the database, and when the disk, does not count what it changes.
func TestUnnoticed(t *testing.T) {
	w := newTestWorld(t, 2)
	s := w.Sites[0]
	before := s.db.Backup()
	w.WriteEvery(200*time.Millisecond, 2)
	for conflicts := 0; conflicts == 0; {
		if err := w.Run(w.now + time.Minute); err != nil {
			t.Fatal(err)
		}
		conflicts = len(listed(t, s))
	}
	if err := w.Settle(time.Minute); err != nil {
		t.Fatal(err)
	}
	all := func() error {
		s.watch.checks = fullEvery*conflictsEvery - 1
		return s.check()
	}
	if err := all(); err != nil {
		t.Fatal(err)
	}
	if s.watch.due(1, &s.watch.tables) || s.watch.due(1, &s.watch.conflicts) {
		t.Fatal("nothing has changed, and all is to be checked again")
	}

	lost := loseConflict(t, s)
	if err := all(); err == nil || !strings.Contains(err.Error(), "conflicts") {
		t.Errorf("a conflict is not listed any more: %v", err)
	}
	if err := s.disk.Write(lost, true); err != nil {
		t.Fatal(err)
	}
	if err := all(); err != nil {
		t.Fatal(err)
	}
	s.db.Restore(before)
	if err := all(); err == nil || !strings.Contains(err.Error(), "unnoticed") {
		t.Errorf("the database is set back: %v", err)
	}
}

// TestWatchKnowsAll: what the checkers keep of a site's rows, step by step, is what they
// make of all rows at once.
//
// Seen to fail when alike takes no notice of references, and of unique values.
func TestWatchKnowsAll(t *testing.T) {
	w, err := New(Options{Seed: 3, Sites: 3, Rows: 4, Mix: Mix{Rules: Clashes}, Latency: Latency{Base: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	w.WriteEvery(200*time.Millisecond, 3)
	for range 20 {
		if err := w.Run(w.now + 5*time.Second); err != nil {
			t.Fatal(err)
		}
		for _, s := range w.Sites {
			if err := s.watch.look(); err != nil {
				t.Fatal(err)
			}
			anew := newWatch(s)
			for id := range tables(s.db) {
				anew.touched[id] = true
			}
			if err := anew.look(); err != nil {
				t.Fatal(err)
			}
			if k := &s.watch; len(k.refs) < 5 || len(k.unique) < 5 || !maps.Equal(k.refs, anew.refs) || !maps.Equal(k.unique, anew.unique) || len(k.rows) != len(anew.rows) {
				t.Fatalf("%s: of %d rows, %d references and %d unique values the checkers know %d, %d and %d, or others", s,
					len(anew.rows), len(anew.refs), len(anew.unique), len(k.rows), len(k.refs), len(k.unique))
			}
		}
	}
}

func listed(t *testing.T, s *Site) []replica.Conflict {
	t.Helper()
	var list []replica.Conflict
	err := s.r.Conflicts(func(c replica.Conflict) bool { list = append(list, c); return true })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// loseConflict takes a conflict out of a site's store, and returns what brings it
// back.
func loseConflict(t *testing.T, s *Site) *kv.Batch {
	t.Helper()
	all := &kv.Batch{}
	if err := s.disk.Scan(nil, nil, func(k, v []byte) bool {
		all.Set([]byte(string(k)), []byte(string(v)))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	n := len(listed(t, s))
	for _, op := range all.Ops {
		lose, back := &kv.Batch{}, &kv.Batch{}
		lose.Delete(op.Key)
		back.Set(op.Key, op.Value)
		if err := s.disk.Write(lose, true); err != nil {
			t.Fatal(err)
		}
		if len(listed(t, s)) < n {
			return back
		}
		if err := s.disk.Write(back, true); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no key of the store is a conflict")
	return nil
}
