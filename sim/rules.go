package sim

import (
	"fmt"
	"math"
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/rules"
	"baraza/merge"
	"baraza/schema"
)

// Rules says which rules the applications' writes bring into play, besides R1,
// R2 and R3.
type Rules int

// The levels; each has those before it.
const (
	// Plain: even rows may be referred to and are never deleted, odd ones may be
	// deleted and are never referred to; no unique values clash.
	Plain Rules = iota
	// References: rows are deleted that others refer to (R4).
	References
	// Clashes: unique values clash (R5).
	Clashes
	rulesCount
)

func (r Rules) String() string { return [...]string{"plain", "references", "clashes"}[r] }

// RulesNamed returns the level of a name.
func RulesNamed(name string) (Rules, bool) {
	for r := range rulesCount {
		if r.String() == name {
			return r, true
		}
	}
	return Plain, false
}

// rulesEvery is how many steps of a site pass between two looks at all that R4
// and R5 do there: it is worked out of all rows.
const rulesEvery = 12

// placing is what the checkers know of rows that are to be placed once more.
type placing struct {
	// forgotten: a restart or a failure may have made the replica forget which
	// rows to place once more; its next retry finds them.
	forgotten bool
	// steps counts the steps since R4 and R5 were checked.
	steps int
}

// lags reports whether the tables may be behind R4 and R5: rows wait for a
// transaction of their own.
func (s *Site) lags() bool {
	if m := s.w.opts.Mix; m.Rules == Plain && m.Numbers == NoNumbers {
		return s.db.Pending() > 0
	}
	return s.replaces() || s.db.Pending() > 0
}

// retried is called when the replica has tried all rows again.
func (s *Site) retried() {
	if s.breaker.fired {
		s.breaker.fired = false // perhaps it could not
		return
	}
	s.placing.forgotten = false
}

// checkRules: a site shows what all rules make of its log, if no row waits to
// be placed; now and then, or when asked for.
func (s *Site) checkRules(now bool) error {
	if s.w.opts.Mix.Rules == Plain {
		return nil // checkTables says it all
	}
	s.placing.steps++
	if !now && s.w.opts.Mix.Rules == Clashes {
		return nil // who has a unique value may be settled by a retry only
	}
	if s.lags() || !now && s.placing.steps < rulesEvery && s.w.opts.Checks != CheckFull {
		return nil
	}
	s.placing.steps = 0
	bad := s.unruly(nil)
	if len(bad) > 0 {
		bad = s.unruly(s.ahead())
	}
	return some(bad, fmt.Sprintf("%s does not show what R4 and R5 make of its log", s))
}

// unruly lists what a site does not show as R4 and R5 make it of all rows but some,
// that wait.
func (s *Site) unruly(waiting map[merge.RowID]bool) (bad []string) {
	v := s.oracle.view(s.w.model(), s.r.Rules(), waiting)
	for id := range s.oracle.rows {
		r, there := s.watch.rows[id]
		switch {
		case s.leavesOut(id.Table):
		case there != v.Visible(id):
			bad = append(bad, fmt.Sprintf("%s %s is there: %v", id.Table, shortKey(id.Key), there))
		case there:
			bad = append(bad, unlike(id, r, func(c string) crdt.Value {
				want := v.Value(id, c)
				if key, is := want.Key(); is && waiting != nil && s.isAhead(id, c, key, waiting) {
					return r.Values[slices.Index(r.Columns, c)] // as it was
				}
				return want
			})...)
		}
	}
	return bad
}

// ahead finds the live rows that are not there since they came a batch before a row to
// which they refer, and those that refer to them: of what a site wrote while it joined,
// some comes in its first batch, and the rest after it (docs/limits.md).
func (s *Site) ahead() map[merge.RowID]bool {
	waiting := map[merge.RowID]bool{}
	for more := true; more; {
		more = false
		for id, o := range s.oracle.rows {
			if _, there := s.watch.rows[id]; there || waiting[id] || !o.Live() {
				continue
			}
			for _, ref := range clinic.Tables[id.Table].References {
				if key, is := o.Shows(ref.Column).Key(); is && s.isAhead(id, ref.Column, key, waiting) {
					waiting[id], more = true, true
				}
			}
		}
	}
	return waiting
}

// soFar is what the log makes of a row that is there, but for references to rows that come
// a batch later.
func (s *Site) soFar(id merge.RowID, r merge.Row, o *oracleRow) func(column string) crdt.Value {
	return func(c string) crdt.Value {
		want := o.Shows(c)
		if key, is := want.Key(); is && s.isAhead(id, c, key, nil) {
			return r.Values[slices.Index(r.Columns, c)] // as it was
		}
		return want
	}
}

// isAhead reports whether a row refers to one that waits, or that comes a batch later.
func (s *Site) isAhead(id merge.RowID, column string, key crdt.Key, waiting map[merge.RowID]bool) bool {
	ref := clinic.Tables[id.Table].Reference(column)
	if ref == nil {
		return false
	}
	to := merge.RowID{Table: ref.Table, Key: key}
	return waiting[to] || !s.oracle.rows[to].begun(to) && s.inRest(s.oracle.rows[id], to)
}

// inRest reports whether a site that wrote to a row in a batch of which it had seen
// nothing, or to a table whose rows it published only then, logged another row after what
// of it was applied here; or a site that wrote to it was given the other row by a member
// from which its join did not go on, and whose log it does not wait for.
func (s *Site) inRest(o *oracleRow, to merge.RowID) bool {
	for _, f := range o.facts {
		if (f.seen == nil || s.w.adds(f.at.Site, to.Table)) && s.comesIn(f.at.Site, math.MaxUint64, to) {
			return true
		}
		for _, by := range s.w.origins {
			for _, e := range by.site.offered {
				if by.id == f.at.Site && s.comesIn(e.Site, e.Seq, to) {
					return true
				}
			}
		}
	}
	return false
}

// comesIn reports whether a site's log up to an entry has a row in what is not applied
// here.
func (s *Site) comesIn(origin clock.SiteID, upTo uint64, id merge.RowID) bool {
	l := s.w.logs[origin]
	if l == nil {
		return false
	}
	from, to := s.oracle.applied.Seq(origin), min(upTo, uint64(len(l.entries)))
	return from < to && slices.ContainsFunc(l.entries[from:to], func(e loggedEntry) bool {
		return slices.ContainsFunc(e.Changes, func(ch crdt.Change) bool { return ch.Table == id.Table && ch.Key == id.Key })
	})
}

// checkPlaced is checkRules at the end, when no row may wait.
func (s *Site) checkPlaced() error {
	if s.lags() {
		return fmt.Errorf("%s has rows that wait to be placed", s)
	}
	return s.checkRules(true)
}

// unlike lists the values of a row that are not the wanted ones.
func unlike(id merge.RowID, r merge.Row, want func(column string) crdt.Value) (bad []string) {
	for i, c := range r.Columns {
		if v := want(c); r.Values[i] != v {
			bad = append(bad, fmt.Sprintf("%s.%s of %s is %s, not %s", id.Table, c, shortKey(id.Key), shortValue(r.Values[i]), shortValue(v)))
		}
	}
	return bad
}

// roughly tells how a row differs from what R1 and R2 make of it, but for what
// R4 and R5 may have to do with.
func (s *Site) roughly(id merge.RowID, r merge.Row, there bool, o *oracleRow) []string {
	t, lags := clinic.Tables[id.Table], s.lags()
	clashes := slices.ContainsFunc(t.Columns, func(c schema.Column) bool { return rules.MayDisplace(t, c.Name) })
	switch {
	case !there && o.Live() && !mayGo(t) && !clashes && !lags:
		return []string{fmt.Sprintf("%s %s is missing", id.Table, shortKey(id.Key))}
	case !there:
		return nil
	case !o.Live() && s.watch.refs[id] == 0 && !lags && !s.kept(id):
		return []string{fmt.Sprintf("%s %s is back, it was deleted at %s", id.Table, shortKey(id.Key), o.Deleted)}
	case clashes:
		return nil // it may wait as a whole; see checkPlaced
	}
	return unlike(id, r, func(c string) crdt.Value {
		shown := r.Values[slices.Index(r.Columns, c)]
		if ref := t.Reference(c); ref != nil {
			key, is := o.Shows(c).Key()
			if is && s.awaits(merge.RowID{Table: ref.Table, Key: key}, map[merge.RowID]bool{}) {
				return shown
			}
		}
		if t.Reference(c) != nil && (lags || shown.IsNull() && t.Column(c).Nullable) {
			return shown
		}
		return o.Shows(c)
	})
}

// kept reports whether R4 keeps a deleted row for one that is not in its table: where
// unique values clash, a row that refers may be held, and a retry sets it right.
func (s *Site) kept(id merge.RowID) bool {
	return s.w.opts.Mix.Rules == Clashes && s.oracle.view(s.w.model(), s.r.Rules(), nil).Visible(id)
}

// awaits reports whether a row refers to one that never came, or that itself waits for
// such a row: what a site wrote while it joined comes as two batches (docs/limits.md).
func (s *Site) awaits(id merge.RowID, asked map[merge.RowID]bool) bool {
	o := s.oracle.rows[id]
	if _, there := s.watch.rows[id]; o != nil && (there || asked[id]) {
		return false
	}
	if !o.begun(id) {
		return true
	}
	asked[id] = true
	t := clinic.Tables[id.Table]
	return slices.ContainsFunc(t.References, func(ref schema.Reference) bool {
		key, is := o.Shows(ref.Column).Key()
		return is && s.awaits(merge.RowID{Table: ref.Table, Key: key}, asked)
	})
}

// mayGo reports whether rows of a table may go with others.
func mayGo(t *schema.Table) bool {
	return slices.ContainsFunc(t.References, func(ref schema.Reference) bool { return schema.ActionOf(ref.OnDelete) == schema.Cascade })
}
