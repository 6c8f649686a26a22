package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/replica"
)

// crashScenario makes two sites with changes for each other, the second with
// local changes that it has not captured, some to the same rows.
func crashScenario(t *testing.T, tiny bool) *world {
	t.Helper()
	w, err := newWorld(2, plain, tiny)
	if err != nil {
		t.Fatal(err)
	}
	a, b := w.sites[0], w.sites[1]
	a.do(t, insert("person", a, 2), insert("person", a, 4), insert("setting", a, 1))
	w.settle(t)
	b.do(t, update("person", b, 2, "name"), insert("setting", b, 2))
	a.do(t, update("person", a, 2, "name", "note"), insert("person", a, 6), remove("setting", a, 1))
	a.capture(t)
	b.do(t, update("setting", b, 1, "value"), update("person", b, 4, "note"))
	return w
}

// settle lets the sites talk until nothing moves any more.
func (w *world) settle(t *testing.T) {
	t.Helper()
	if err := w.exchange(); err != nil {
		t.Fatal(err)
	}
}

// do runs one transaction of an application that must succeed.
func (s *site) do(t *testing.T, writes ...memdb.Write) {
	t.Helper()
	s.w.micros += 1500
	before := s.tables()
	if err := s.db.App(writes...); err != nil {
		t.Fatal(err)
	}
	s.enter(before, s.tables())
}

func (s *site) capture(t *testing.T) {
	t.Helper()
	if _, err := s.r.Capture(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// wholeRow is a new row with values of its own.
func wholeRow(table string, s *site, n int) merge.Row {
	switch table {
	case "person":
		return merge.Row{
			Key: keyOf(n), Columns: []string{"uuid", "name", "weight", "note"},
			Values: []crdt.Value{crdt.Text(uuid(n)), s.fresh(), crdt.Float64(1), s.fresh()},
		}
	case "setting":
		property := crdt.Text(fmt.Sprintf("p%d", n))
		return merge.Row{Key: crdt.MakeKey(property), Columns: []string{"property", "value"}, Values: []crdt.Value{property, s.fresh()}}
	}
	panic(table)
}

func insert(table string, s *site, n int) memdb.Write {
	return memdb.Write{Kind: memdb.Insert, Table: table, Row: wholeRow(table, s, n)}
}

func update(table string, s *site, n int, columns ...string) memdb.Write {
	r := merge.Row{Key: wholeRow(table, s, n).Key, Columns: columns}
	for range columns {
		r.Values = append(r.Values, s.fresh())
	}
	return memdb.Write{Kind: memdb.Update, Table: table, Row: r}
}

func remove(table string, s *site, n int) memdb.Write {
	return memdb.Write{Kind: memdb.Delete, Table: table, Row: merge.Row{Key: wholeRow(table, s, n).Key}}
}

// TestCrashEverywhere brings a site down at every step of a capture and of an
// apply, before the step and after it, and lets single steps fail. Whatever the
// point, in the end the tables are those of the run without a crash, nothing is
// captured twice and nothing is lost.
func TestCrashEverywhere(t *testing.T) {
	for _, tiny := range []bool{false, true} {
		for _, captureFirst := range []bool{true, false} {
			plain := crashScenario(t, tiny)
			plain.settle(t)
			if err := plain.check(); err != nil {
				t.Fatal(err)
			}
			want := plain.sites[1].lines()
			for kind := range faultKinds {
				points := 0
				for crashAt(t, tiny, captureFirst, kind, points+1, want) {
					points++
				}
				if points < 8 {
					t.Errorf("only %d points to fail at", points)
				}
				t.Logf("tiny %v, capture first %v, kind %d: %d points", tiny, captureFirst, kind, points)
			}
		}
	}
}

// crashAt runs the scenario with a fault at the n-th step; false when there
// are not so many.
func crashAt(t *testing.T, tiny, captureFirst bool, kind faultKind, n int, want []string) bool {
	t.Helper()
	ctx := context.Background()
	w := crashScenario(t, tiny)
	a, b := w.sites[0], w.sites[1]
	if err := b.take(a, a.id, 1<<20, rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	b.faults.after, b.faults.kind = n, kind
	var errs []error
	step := func() {
		if captureFirst {
			if _, err := b.r.Capture(ctx); err != nil {
				errs = append(errs, err)
				return
			}
		}
		for {
			res, err := b.r.Apply(ctx, 0)
			if err != nil {
				errs = append(errs, err)
			}
			if err != nil || res.Batches == 0 {
				return
			}
		}
	}
	step()
	if b.faults.after > 0 {
		return false
	}
	at := b.faults.at
	if b.faults.down {
		if err := b.crashAgain(n%3, n%4); err != nil {
			t.Fatalf("start again after a crash at %s: %v", at, err)
		}
	} else {
		step() // the same replica goes on
	}
	w.settle(t)
	err := w.check()
	if err == nil {
		err = same("without and with a fault", want, b.lines())
	}
	if err != nil {
		t.Fatalf("fault at step %d (%s), tiny %v, capture first %v, errors %v: %v", n, at, tiny, captureFirst, errs, err)
	}
	return true
}

// A store of one site is not opened as another's.
func TestStoreHasOneOwner(t *testing.T) {
	w, err := newWorld(2, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	w.sites[0].store = w.sites[1].store
	if err := w.sites[0].open(); err == nil {
		t.Error("a site opens the store of another")
	}
}

// A batch that arrives entry by entry is applied when it is whole, in one
// transaction; batches of others that need it wait, those that do not go on.
func TestBatchArrivesInPieces(t *testing.T) {
	ctx := context.Background()
	w, err := newWorld(3, plain, true)
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := w.sites[0], w.sites[1], w.sites[2]
	var writes []memdb.Write
	for n := range 20 {
		writes = append(writes, insert("person", a, 2*n))
	}
	a.do(t, writes...)
	a.capture(t)
	last := a.r.Log().Vector().Seq(a.id)
	if last < 3 {
		t.Fatalf("the batch has %d entries, want several", last)
	}
	c.do(t, insert("setting", c, 1))
	c.capture(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for seq := uint64(1); seq <= last; seq++ {
		if n := b.db.Len("person"); n != 0 {
			t.Fatalf("%d persons of a batch of which %d entries of %d are there", n, seq-1, last)
		}
		first, entries, err := a.r.Log().Read(a.id, seq-1, 1)
		if err != nil || len(entries) != 1 {
			t.Fatalf("read entry %d: %d entries, %v", seq, len(entries), err)
		}
		if err := b.r.Log().Append(a.id, first, entries); err != nil {
			t.Fatal(err)
		}
		if seq == 2 {
			if err := b.take(c, c.id, 1<<20, rnd); err != nil {
				t.Fatal(err)
			}
		}
		if seq == last/2 {
			if err := b.crash(0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.r.Apply(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if seq == 2 && b.db.Len("setting") != 1 {
			t.Error("a whole batch waits behind one that is not")
		}
	}
	if n := b.db.Len("person"); n != 20 {
		t.Errorf("%d persons of 20", n)
	}
	if got := b.r.Applied().Get(a.id); got.Seq != last || got.Through == 0 {
		t.Errorf("applied is %+v after a batch that ends at %d", got, last)
	}
	w.settle(t)
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
}

// Batches of a site whose clock is too far ahead wait, and those that build on
// them; everything else flows. They go in when time has reached them.
func TestQuarantine(t *testing.T) {
	ctx := context.Background()
	for _, tiny := range []bool{false, true} {
		w, err := newWorld(3, plain, tiny)
		if err != nil {
			t.Fatal(err)
		}
		a, b, c := w.sites[0], w.sites[1], w.sites[2]
		a.skew = 10 * 60 * 1_000_000
		a.do(t, insert("person", a, 2), insert("person", a, 4), insert("person", a, 6))
		a.capture(t)
		c.do(t, insert("setting", c, 1))
		c.capture(t)
		rnd := rand.New(rand.NewPCG(1, 2))
		for _, from := range []*site{a, c} {
			if err := b.take(from, from.id, 1<<20, rnd); err != nil {
				t.Fatal(err)
			}
		}
		apply := func() {
			t.Helper()
			for range 5 {
				if _, err := b.r.Apply(ctx, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		apply()
		if p, s := b.db.Len("person"), b.db.Len("setting"); p != 0 || s != 1 {
			t.Errorf("%d persons of the future and %d settings are in, want 0 and 1", p, s)
		}
		b.do(t, update("setting", b, 1, "value"))
		b.capture(t)
		if err := b.remember(); err != nil {
			t.Fatal(err)
		}
		logs, err := replica.Batches(b.id, w.full[b.id])
		if err != nil || logs[0].Through.Millis() > w.micros/1000+1000 {
			t.Errorf("a stamp of the quarantine moved the clock: %v, %v", logs[0].Through, err)
		}
		w.micros += 9*60*1_000_000 - 10_000_000
		apply()
		if p := b.db.Len("person"); p != 0 {
			t.Errorf("%d persons are in too early", p)
		}
		w.micros += 20_000_000
		apply()
		if p := b.db.Len("person"); p != 3 {
			t.Errorf("%d persons of 3 when time has come", p)
		}
		w.settle(t)
		if err := w.check(); err != nil {
			t.Fatal(err)
		}
	}
}

// A tombstone keeps the values: a write newer than the delete brings the whole
// row back, at sites that never saw it alive too.
func TestRevival(t *testing.T) {
	w, err := newWorld(3, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b := w.sites[0], w.sites[1]
	a.do(t, insert("person", a, 1))
	w.settle(t)
	a.do(t, remove("person", a, 1))
	a.capture(t)
	b.do(t, update("person", b, 1, "note"))
	w.settle(t)
	for _, s := range w.sites {
		rows := s.db.Rows("person")
		if len(rows) != 1 || rows[0].Values[slices.Index(rows[0].Columns, "name")].IsNull() {
			t.Errorf("site %d has %v, want the whole person", s.n, rows)
		}
	}
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
}
