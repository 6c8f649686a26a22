package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/node/replica"
)

// goneTable says who was forgotten, as the book's records do in a node.
const goneTable = merge.SystemPrefix + "expulsions"

// live returns the sites that were not forgotten.
func (w *world) live() []*site {
	return slices.DeleteFunc(slices.Clone(w.sites), func(s *site) bool { return s == w.forgotten })
}

// unsent reports whether a value was written at the forgotten site, where it
// may have stayed.
func (w *world) unsent(c cell) bool {
	return w.forgotten != nil && strings.HasPrefix(string(c.value), fmt.Sprintf("tv%d.", w.forgotten.n))
}

// readMembers tells the replica who is a member, as far as it applied it.
func (s *site) readMembers() error {
	s.gone = map[clock.SiteID]bool{}
	var m replica.Membership
	err := s.r.SystemRows(goneTable, func(r merge.Row) error {
		id, err := clock.ParseSiteID(r.Key.Values()[0].Payload())
		s.gone[id] = true
		m.Gone = append(m.Gone, id)
		return err
	})
	for n := 1; n <= s.w.count; n++ {
		if id := (clock.SiteID{byte(n)}); !s.gone[id] {
			m.Members = append(m.Members, id)
		}
	}
	s.r.SetMembership(m)
	return err
}

// wholeLog is the log's vector without what a forgotten site left half.
func (s *site) wholeLog() clock.VersionVector {
	v := s.r.Log().Vector().Clone()
	if f := s.w.forgotten; f != nil {
		v.Set(s.r.Applied().Get(f.id))
	}
	return v
}

// tend does one of the steps that keep the disk small.
func (s *site) tend(kind opKind, rnd *rand.Rand) error {
	ctx := context.Background()
	switch kind {
	case opPublish:
		said, err := s.r.PublishApplied(ctx)
		s.w.note("site %d publishes what it has applied, %v: %v", s.n, said, err)
		return s.after(err, rnd)
	case opForget:
		return s.forget(rnd)
	default: // opTruncate
	}
	before, err := s.tombstones()
	if err == nil {
		err = s.remember()
	}
	if err != nil {
		return err
	}
	more, err := s.r.Truncate(ctx)
	s.w.note("site %d drops what is stable, more %v: %v", s.n, more, err)
	if err := s.after(err, rnd); err != nil {
		return err
	}
	return s.checkDropped(before)
}

// forget makes this site's administrator forget another.
func (s *site) forget(rnd *rand.Rand) error {
	f := s.w.sites[rnd.IntN(len(s.w.sites))]
	if f == s || s.w.forgotten != nil {
		return nil
	}
	return s.forgetSite(f, rnd)
}

func (s *site) forgetSite(f *site, rnd *rand.Rand) error {
	row := capture.Row{
		Table: goneTable, Key: crdt.MakeKey(crdt.Text(f.id.String())), At: s.w.micros,
		Columns: []string{"record"}, Values: []crdt.Value{crdt.Text("gone")},
	}
	err := s.r.WriteSystem(context.Background(), []capture.Row{row})
	s.w.note("site %d forgets site %d: %v", s.n, f.n, err)
	if err := s.after(err, rnd); err != nil {
		return err
	}
	if err := s.readMembers(); err != nil {
		return err
	}
	if s.gone[f.id] {
		s.w.forgotten = f
	}
	return nil
}

// remember notes what the site's log has, which must be what others had.
func (s *site) remember() error {
	for _, e := range s.r.Log().Vector() {
		for after := s.r.Log().First(e.Site) - 1; after < e.Seq; {
			first, entries, err := s.r.Log().Read(e.Site, after, 1<<20)
			if err != nil || first != after+1 || len(entries) == 0 {
				return fmt.Errorf("site %d has %d entries of site %d after %d, first %d: %w", s.n, len(entries), e.Site[0], after, first, err)
			}
			for _, raw := range entries {
				full := s.w.full[e.Site]
				switch at := uint64(len(full)); {
				case after > at:
					return fmt.Errorf("site %d has entry %d of site %d, which nobody had when it had %d", s.n, after+1, e.Site[0], at)
				case after == at:
					s.w.full[e.Site] = append(full, raw)
				case !bytes.Equal(full[after], raw):
					return fmt.Errorf("site %d has another entry %d of site %d", s.n, after+1, e.Site[0])
				}
				after++
			}
		}
	}
	return nil
}

// tombstones returns the deleted rows that are remembered.
func (s *site) tombstones() (map[merge.RowID]*merge.State, error) {
	dead := map[merge.RowID]*merge.State{}
	err := s.r.EachState(func(id merge.RowID, st *merge.State) {
		if st.Dead() {
			dead[id] = st
		}
	})
	return dead, err
}

// checkDropped: what a site dropped, every member has applied; of a forgotten
// one everybody has what anybody has.
func (s *site) checkDropped(before map[merge.RowID]*merge.State) error {
	for _, other := range s.w.sites {
		if s.gone[other.id] {
			continue
		}
		for _, e := range s.r.Log().Vector() {
			if last := s.r.Log().First(e.Site) - 1; last > other.r.Applied().Seq(e.Site) {
				return fmt.Errorf("site %d dropped entry %d of site %d, which site %d has not applied", s.n, last, e.Site[0], other.n)
			}
		}
	}
	after := map[merge.RowID]bool{}
	if err := s.r.EachState(func(id merge.RowID, _ *merge.State) { after[id] = true }); err != nil {
		return err
	}
	for id, st := range before {
		if after[id] {
			continue
		}
		if st.Place != merge.InDatabase || st.HasLoss {
			return fmt.Errorf("site %d dropped the tombstone of %s %s, which is %s, with conflicts %v", s.n, id.Table, shortKey(id.Key), st.Place, st.HasLoss)
		}
		for _, other := range s.w.sites {
			if !s.gone[other.id] && !other.r.Applied().Covers(st.Deleted) {
				return fmt.Errorf("site %d dropped the tombstone of %s %s, which site %d has not applied", s.n, id.Table, shortKey(id.Key), other.n)
			}
		}
	}
	return nil
}

// tidyRounds is how often everybody publishes until all is dropped: what is
// applied, then what is settled, and once more for those who heard late.
const tidyRounds = 4

// tidy lets everybody publish and drop; then hardly anything is left.
func (w *world) tidy() error {
	rnd := rand.New(rand.NewPCG(4, 4))
	for range tidyRounds {
		for _, s := range w.live() {
			if err := s.tend(opPublish, rnd); err != nil {
				return err
			}
		}
		if err := w.exchange(); err != nil {
			return err
		}
	}
	for _, s := range w.live() {
		if said, err := s.r.PublishApplied(context.Background()); err != nil || said {
			return fmt.Errorf("site %d has still something to publish: %v, %w", s.n, said, err)
		}
		for range 3 {
			if err := s.tend(opTruncate, rnd); err != nil {
				return err
			}
		}
		st, err := s.r.Stability()
		if err != nil {
			return err
		}
		if most := uint64(len(w.sites) * tidyRounds); st.Entries > most || len(st.Holders) > 0 {
			return fmt.Errorf("site %d still has %d log entries when all sites have everything, held by %v", s.n, st.Entries, st.Holders)
		}
		var left []merge.RowID
		needed := map[merge.RowID]bool{}
		if err := s.r.EachIndexed(func(_, missing merge.RowID) { needed[missing] = true }); err != nil {
			return err
		}
		err = s.r.EachState(func(id merge.RowID, st *merge.State) {
			if st.Dead() && !st.HasLoss && st.Place == merge.InDatabase && !needed[id] {
				left = append(left, id)
			}
		})
		if err != nil || len(left) > 0 {
			return fmt.Errorf("site %d still remembers deleted rows %v: %w", s.n, left, err)
		}
	}
	return nil
}

// tended does a step that must succeed.
func (s *site) tended(t *testing.T, kinds ...opKind) {
	t.Helper()
	for _, kind := range kinds {
		if err := s.tend(kind, rand.New(rand.NewPCG(5, 5))); err != nil {
			t.Fatal(err)
		}
	}
}

// A tombstone goes when every site has said that it is settled, not when this
// one knows it: so a row that is inserted again is new everywhere or over a
// tombstone everywhere.
func TestTombstoneGoesInTwoSteps(t *testing.T) {
	w, err := newWorld(3, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := w.sites[0], w.sites[1], w.sites[2]
	a.do(t, insert("person", a, 1))
	w.settle(t)
	a.do(t, remove("person", a, 1))
	w.settle(t)
	left := func(s *site) int {
		dead, err := s.tombstones()
		if err != nil {
			t.Fatal(err)
		}
		return len(dead)
	}
	a.tended(t, opPublish)
	b.tended(t, opPublish)
	w.settle(t)
	c.tended(t, opTruncate)
	if n := left(c); n != 1 {
		t.Fatalf("%d tombstones when no site has said they are settled", n)
	}
	c.tended(t, opPublish)
	w.settle(t)
	for _, s := range w.sites {
		s.tended(t, opTruncate)
		if n := left(s); n != 1 {
			t.Fatalf("site %d has %d tombstones when not every site has said that they are settled", s.n, n)
		}
	}
	c.do(t, insert("person", c, 1))
	w.settle(t)
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
	c.do(t, remove("person", c, 1))
	w.settle(t)
	if err := w.tidy(); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.sites {
		if n := left(s); n != 0 {
			t.Errorf("site %d has %d tombstones in the end", s.n, n)
		}
	}
	b.do(t, insert("person", b, 1))
	w.settle(t)
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
}

// What a forgotten site wrote, and only one member got, does not come back
// when others have dropped what it had not seen.
func TestGhost(t *testing.T) {
	ctx := context.Background()
	w, err := newWorld(3, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b, f := w.sites[0], w.sites[1], w.sites[2]
	rnd := rand.New(rand.NewPCG(6, 6))
	a.do(t, insert("person", a, 1), insert("setting", a, 2))
	w.settle(t)
	for range 3 {
		for _, s := range w.sites {
			s.tended(t, opPublish)
		}
		w.settle(t)
	}
	// The forgotten site writes a row that has been deleted meanwhile; only b
	// gets it, and does not apply it yet.
	f.do(t, update("person", f, 1, "note"))
	f.capture(t)
	w.micros += 1_000_000
	a.do(t, remove("person", a, 1))
	a.capture(t)
	if err := b.take(f, f.id, 1<<20, rnd); err != nil {
		t.Fatal(err)
	}
	if err := a.forgetSite(f, rnd); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		a.tended(t, opPublish, opTruncate)
		if err := b.take(a, a.id, 1<<20, rnd); err != nil {
			t.Fatal(err)
		}
	}
	// b applies a's log up to the forgetting, and then what it has of f.
	for range 10 {
		res, err := b.r.Apply(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if res.System {
			if err := b.readMembers(); err != nil {
				t.Fatal(err)
			}
		}
		b.tended(t, opPublish, opTruncate)
		if err := a.take(b, b.id, 1<<20, rnd); err != nil {
			t.Fatal(err)
		}
		if _, err := a.r.Apply(ctx, 0); err != nil {
			t.Fatal(err)
		}
		a.tended(t, opPublish, opTruncate)
	}
	w.settle(t)
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
	if err := w.tidy(); err != nil {
		t.Fatal(err)
	}
	if n := a.db.Len("person"); n != 0 {
		t.Errorf("%d persons are back", n)
	}
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
}

// TestCrashWhileDropping brings a site down at every step of saying what it has
// applied and of dropping what is stable, or lets the step fail.
func TestCrashWhileDropping(t *testing.T) {
	ctx := context.Background()
	for kind := range faultKinds {
		points := 0
		for n, hit := 1, true; hit; n++ {
			w, err := newWorld(3, plain, true)
			if err != nil {
				t.Fatal(err)
			}
			a, b := w.sites[0], w.sites[1]
			a.do(t, insert("person", a, 1), insert("setting", a, 2))
			w.settle(t)
			b.do(t, remove("person", b, 1), update("setting", b, 2, "value"))
			w.settle(t)
			for range 2 {
				for _, s := range w.sites {
					s.tended(t, opPublish)
				}
				w.settle(t)
			}
			if err := a.remember(); err != nil {
				t.Fatal(err)
			}
			a.do(t, insert("person", a, 3))
			a.faults.after, a.faults.kind = n, kind
			var errDrop, errPublish error
			for more := true; more && errDrop == nil; {
				more, errDrop = a.r.Truncate(ctx)
			}
			if errDrop == nil {
				_, err := a.r.Capture(ctx)
				_, err2 := a.r.PublishApplied(ctx)
				errPublish = errors.Join(err, err2)
			}
			if hit = a.faults.after == 0; hit {
				points++
			}
			a.faults.after = 0
			if a.faults.down {
				if err := a.crashAgain(n%3, n%4); err != nil {
					t.Fatal(err)
				}
			}
			w.settle(t)
			if err := errors.Join(w.check(), w.tidy(), w.check()); err != nil {
				t.Fatalf("kind %d, step %d, errors %v and %v: %v", kind, n, errPublish, errDrop, err)
			}
		}
		if points < 3 {
			t.Errorf("kind %d: only %d points to fail at", kind, points)
		}
		t.Logf("kind %d: %d points", kind, points)
	}
}
