package replica_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/node/replica"
)

// check is what must hold once all sites have everything.
func (w *world) check() error {
	logs, err := w.logs()
	if err != nil {
		return err
	}
	if err := w.checkLogs(logs); err != nil {
		return err
	}
	for _, s := range w.live() {
		if err := errors.Join(s.checkStates(), s.checkAwake()); err != nil {
			return fmt.Errorf("site %d: %w", s.n, err)
		}
	}
	if err := w.checkLedger(); err != nil {
		return err
	}
	if err := w.checkCounters(); err != nil {
		return err
	}
	want := oracle(w.model, logs, w.live()[0].r.Rules())
	for _, s := range w.live() {
		if err := same(fmt.Sprintf("the log makes, and site %d has", s.n), want, s.lines()); err != nil {
			return err
		}
	}
	first, err := w.live()[0].conflicts()
	if err != nil {
		return err
	}
	for _, s := range w.live()[1:] {
		got, err := s.conflicts()
		if err != nil {
			return err
		}
		if err := same(fmt.Sprintf("conflicts at site 1 and at site %d", s.n), first, got); err != nil {
			return err
		}
	}
	return nil
}

func same(what string, a, b []string) error {
	if slices.Equal(a, b) {
		return nil
	}
	only := func(x, y []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(x), func(s string) bool { return slices.Contains(y, s) }), "\n    ")
	}
	return fmt.Errorf("%s:\n  only the first\n    %s\n  only the second\n    %s", what, only(a, b), only(b, a))
}

// logs returns every origin's batches; all sites must have the same.
func (w *world) logs() (map[clock.SiteID][]crdt.Batch, error) {
	logs := map[clock.SiteID][]crdt.Batch{}
	for _, s := range w.live() {
		if err := s.remember(); err != nil {
			return nil, err
		}
	}
	for _, origin := range w.sites {
		all := len(w.full[origin.id])
		if origin == w.forgotten { // what it wrote last may have stayed with it
			all = int(w.live()[0].r.Log().Vector().Seq(origin.id))
		}
		for _, s := range w.live() {
			if n := s.r.Log().Vector().Seq(origin.id); n != uint64(all) {
				return nil, fmt.Errorf("site %d has %d entries of site %d, others %d", s.n, n, origin.n, all)
			}
		}
		batches, err := replica.Batches(origin.id, w.full[origin.id][:all])
		if err != nil {
			return nil, err
		}
		if n := len(batches); origin == w.forgotten && n > 0 && batches[n-1].Through == 0 {
			batches = batches[:n-1] // the end never came
		}
		logs[origin.id] = batches
	}
	return logs, nil
}

// checkLogs: stamps are causal, nothing is captured twice, nothing that was
// applied is captured as local.
func (w *world) checkLogs(logs map[clock.SiteID][]crdt.Batch) error {
	for _, s := range w.live() {
		taken := map[cell]bool{}
		var last clock.Timestamp
		for _, b := range logs[s.id] {
			floor := last
			for _, e := range b.Context {
				floor = max(floor, e.Through)
			}
			for i := range b.Changes {
				ch := &b.Changes[i]
				if ch.Time <= floor || ch.Time > b.Through {
					return fmt.Errorf("site %d entry %d: stamp %d is not between what its writer had seen (%d) and %d", s.n, b.First, ch.Time, floor, b.Through)
				}
				for j, v := range ch.Values {
					c := cell{ch.Table, ch.Columns[j], ch.Key, v}
					if !isLedger(v) {
						continue
					}
					if !strings.HasPrefix(string(v), fmt.Sprintf("tv%d.", s.n)) {
						return fmt.Errorf("site %d logs %v, which it did not write", s.n, c)
					}
					if taken[c] {
						return fmt.Errorf("site %d logs %v twice", s.n, c)
					}
					taken[c] = true
				}
			}
			last = b.Through
		}
	}
	return nil
}

// checkStates: the indexes of rows that are not in place name exactly those,
// and the staging area is empty.
func (s *site) checkStates() error {
	type entry struct{ row, missing merge.RowID }
	want, got := map[entry]bool{}, map[entry]bool{}
	astray := map[merge.RowID]merge.Place{}
	err := s.r.EachState(func(id merge.RowID, st *merge.State) {
		switch st.Place {
		case merge.Held, merge.Aside:
			want[entry{row: id}] = true
			astray[id] = st.Place
		case merge.Kept:
			want[entry{row: id}] = true
		case merge.Waiting:
			astray[id] = st.Place
		default: // in place, or nothing is kept for it
		}
		for _, m := range st.Missing {
			want[entry{id, m}] = true
		}
	})
	if err != nil {
		return err
	}
	if err := s.r.EachIndexed(func(row, missing merge.RowID) { got[entry{row, missing}] = true }); err != nil {
		return err
	}
	if a, b := fmt.Sprint(want), fmt.Sprint(got); a != b {
		return fmt.Errorf("rows not in place are %s, the indexes say %s", a, b)
	}
	for id, place := range astray {
		if place == merge.Held && s.w.mode == clashes {
			delete(astray, id)
		}
	}
	if len(astray) > 0 {
		return fmt.Errorf("rows are not in place: %v", astray)
	}
	if empty, err := s.r.StagedEmpty(); err != nil || !empty {
		return fmt.Errorf("the staging area is empty: %v, %w", empty, err)
	}
	if n := s.db.Pending(); n > 0 {
		return fmt.Errorf("%d log rows are not released", n)
	}
	return nil
}

// checkAwake: no row waits for rows that are there.
func (s *site) checkAwake() error {
	tables := s.tables()
	var asleep []merge.RowID
	err := s.r.EachState(func(id merge.RowID, st *merge.State) {
		gone := func(m merge.RowID) bool { return tables[m.Table][m.Key].Columns == nil }
		if len(st.Missing) > 0 && !slices.ContainsFunc(st.Missing, gone) {
			asleep = append(asleep, id)
		}
	})
	if len(asleep) > 0 {
		return fmt.Errorf("rows %v wait for rows that are there", asleep)
	}
	return err
}

// checkLedger: every value that an application wrote is visible, was knowingly
// overwritten, or is in a conflict; or its row is kept, not in its place.
func (w *world) checkLedger() error {
	for _, s := range w.live() {
		found := map[cell]bool{}
		for table, rows := range s.tables() {
			for key, r := range rows {
				for i, c := range r.Columns {
					found[cell{table, c, key, r.Values[i]}] = true
				}
			}
		}
		err := s.r.Conflicts(func(c replica.Conflict) bool {
			found[cell{c.ID.Table, c.Column, c.ID.Key, c.Value}] = true
			return true
		})
		if err != nil {
			return err
		}
		err = s.r.EachState(func(id merge.RowID, st *merge.State) {
			if !st.Dead() || st.Place != merge.InDatabase {
				for i, c := range st.Columns {
					found[cell{id.Table, c, id.Key, st.Values[i]}] = true
				}
			}
		})
		if err != nil {
			return err
		}
		for c, known := range w.ledger {
			if !known && !found[c] && !w.unsent(c) {
				return fmt.Errorf("site %d lost %s.%s of %s = %s without a trace", s.n, c.table, c.column, shortKey(c.key), c.value)
			}
		}
	}
	return nil
}

func (s *site) lines() []string {
	var lines []string
	for _, table := range tableNames(s.w.model) {
		for _, r := range s.db.Rows(table) {
			lines = append(lines, table+" "+shortKey(r.Key)+": "+showRow(r))
		}
	}
	slices.Sort(lines)
	return lines
}

func (s *site) conflicts() ([]string, error) {
	var lines []string
	err := s.r.Conflicts(func(c replica.Conflict) bool {
		if merge.IsSystem(c.ID.Table) && c.ID.Table != "baraza.rules" {
			panic("a conflict of a row that only its site writes")
		}
		lines = append(lines, fmt.Sprintf("%s %s.%s %s of %s lost to %s %s delete %v", c.ID.Table, shortKey(c.ID.Key), c.Column, c.Value, c.Stamp, c.Winner, c.WinnerValue, c.WinnerDelete))
		return true
	})
	slices.Sort(lines)
	return lines, err
}
