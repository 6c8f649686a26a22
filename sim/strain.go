package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"baraza/merge"
	"baraza/merge/memdb"
)

// Faults that bring restores and bring-ups to what plain ones hardly ever come to: a
// database that is restored when rows were deleted since, or to just before its last
// transaction, and a bring-up that breaks off when rows have been taken over and
// applications write to them.

const (
	// strained is how many plans there are to one that has such faults.
	strained = 4
	// strainStream is their own stream of random numbers.
	strainStream = 70
)

// strain draws them for a plan. Where sites may come and go, the last one joins then,
// and breaks off several times.
func (p *Plan) strain(length time.Duration) {
	rnd := rand.New(rand.NewPCG(p.Seed, strainStream))
	if rnd.IntN(strained) > 0 {
		return
	}
	if late := (Join{Site: p.Sites - 1, At: max(within(rnd, length), length/4)}); p.mayMove() {
		p.Joins = slices.DeleteFunc(p.Joins, func(j Join) bool { return j.Site == late.Site })
		p.Joins = append(p.Joins, late)
		for range 1 + rnd.IntN(3) {
			p.Faults = append(p.Faults, Fault{At: late.At, Kind: BrokenOff, Seed: rnd.Uint64()})
		}
	}
	for range 1 + rnd.IntN(3) {
		f := Fault{At: within(rnd, length), Seed: rnd.Uint64()}
		switch f.Kind = []FaultKind{PastDeletes, PastDeletes, StepBack, BrokenOff}[rnd.IntN(4)]; f.Kind {
		case PastDeletes:
			f.For = deletesKnown/4 + within(rnd, length/2)
			if p.Publish > 0 { // so long that nobody remembers them any more
				f.For += deletesKnown
			}
		case StepBack:
			f.For = within(rnd, 3*time.Second)
		default: // at a moment
		}
		p.Faults = append(p.Faults, f)
	}
}

const (
	// deletesMax is how many transactions delete rows before a database is restored,
	// and deletesWithin in what part of the time: all in its first quarter.
	deletesMax    = 6
	deletesWithin = 4
	// deletesKnown is about how long it takes, where logs are shortened, until all
	// sites have said that they know of a delete, and it is forgotten.
	deletesKnown = time.Minute
)

// RestorePastDeletes is RestoreIn where meanwhile rows are deleted, anywhere.
func (s *Site) RestorePastDeletes(d time.Duration, rnd *rand.Rand) {
	for range 1 + rnd.IntN(deletesMax) {
		at, seed := s.w.Sites[rnd.IntN(len(s.w.Sites))], rnd.Uint64()
		s.w.after(time.Duration(rnd.Int64N(int64(max(d/deletesWithin, 1)))), func() { at.remove(seed) })
	}
	s.RestoreIn(d, rnd.IntN(2) == 0)
}

// remove runs a transaction that deletes a row, one of those that are there.
func (s *Site) remove(seed uint64) {
	if s.left || s.w.repaired || s.w.err != nil {
		return
	}
	x := &transaction{s: s, mix: &s.w.opts.Mix, rnd: rand.New(rand.NewPCG(seed, 1)), there: map[merge.RowID]bool{}}
	var ids []merge.RowID
	for _, table := range tableNames {
		for _, r := range s.db.Rows(table) {
			if id := (merge.RowID{Table: table, Key: r.Key}); x.mayRemove(id) {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) > 0 {
		id := ids[x.rnd.IntN(len(ids))]
		x.write(memdb.Delete, id.Table, merge.Row{Key: id.Key})
		x.run()
	}
}

// mayRemove reports whether a plan deletes a row: in a plain mix the odd ones
// (transaction.any).
func (x *transaction) mayRemove(id merge.RowID) bool {
	name := shortKey(id.Key)
	return x.mix.Rules != Plain || slices.Contains([]byte("13579"), name[len(name)-1])
}

// undoing is a database that is to be set back to just before a transaction of its
// site, in so long after it.
type undoing struct {
	after time.Duration
	seed  uint64
}

// StepBack sets a site's database back to just before the next group that it applies,
// soon after it has, with the process down.
func (s *Site) StepBack(d time.Duration, rnd *rand.Rand) {
	if rnd.IntN(2) == 0 {
		d = 0
	}
	s.undoing = &undoing{after: d, seed: rnd.Uint64()}
}

// takeBack takes the backup, when a site begins a transaction with nothing to
// capture, and so to apply. As a rule an application has just written then.
func (s *Site) takeBack() {
	u := s.undoing
	if u == nil || !s.up || s.away() || s.restored.behind || s.fetch != nil || s.db.Pending() > 0 {
		return
	}
	s.undoing = nil
	s.w.note("%s is to be set back to before what it does now", s)
	b := s.backup()
	if rnd := rand.New(rand.NewPCG(u.seed, 1)); rnd.IntN(4) > 0 {
		s.Write(u.seed)
	}
	s.w.after(u.after, func() { b.putBack(true) })
}

// breakOff is a bring-up that breaks off after so many steps; then applications
// write.
type breakOff struct {
	steps  int
	writes []uint64 // seeds
}

const (
	// breakOffSteps is the latest step after which a bring-up breaks off, and
	// breakOffWrites how many transactions there are then.
	breakOffSteps  = 30
	breakOffWrites = 4
)

// BreakOff lets the next bring-up of any site break off.
func (w *World) BreakOff(rnd *rand.Rand) {
	b := &breakOff{steps: 1 + rnd.IntN(breakOffSteps)}
	for range 1 + rnd.IntN(breakOffWrites) {
		b.writes = append(b.writes, rnd.Uint64())
	}
	w.breakOffs = append(w.breakOffs, b)
}

// nextBreakOff is that of a bring-up that begins; nil for none.
func (w *World) nextBreakOff() (b *breakOff) {
	if len(w.breakOffs) > 0 && !w.repaired {
		b, w.breakOffs = w.breakOffs[0], w.breakOffs[1:]
	}
	return b
}

// breaksOff counts a step of a bring-up.
func (f *fetch) breaksOff() bool {
	if f.ends == nil || f.s.w.repaired {
		return false
	}
	f.ends.steps--
	return f.ends.steps == 0
}

// brokeOff runs the applications' transactions.
func (f *fetch) brokeOff() {
	if f.ends == nil || f.ends.steps != 0 {
		return
	}
	f.s.w.note("%s: that bring-up was broken off", f.s)
	for _, seed := range f.ends.writes {
		f.s.Write(seed)
	}
}
