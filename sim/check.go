package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"baraza/clock"
	"baraza/merge"
	"baraza/node/replica"
)

// check is what must hold after every step of a site.
func (s *Site) check() error {
	if s.w.err != nil || s.w.opts.Checks == CheckNone {
		return nil
	}
	if err := s.fold(); err != nil {
		return err
	}
	if err := s.watch.look(); err != nil {
		return err
	}
	if s.restored.behind {
		return nil // its tables are those of a backup
	}
	s.watch.checks++
	if s.watch.due(conflictsEvery, &s.watch.conflicts) {
		if err := s.checkConflicts(); err != nil {
			return err
		}
	}
	if err := s.checkSettings(); err != nil {
		return err
	}
	if err := s.checkRules(false); err != nil {
		return err
	}
	if s.w.opts.Checks == CheckFull || s.watch.due(fullEvery, &s.watch.tables) {
		return s.checkAll()
	}
	return s.checkTables()
}

// checkAll checks all rows.
func (s *Site) checkAll() error {
	if err := s.watch.anew(); err != nil {
		return err
	}
	return s.checkTables()
}

// checkTables: a site shows what the log makes: no more, no less, nothing that
// was deleted, no part of a transaction. It looks at the rows that the step
// touched, and at those that its log entries name.
func (s *Site) checkTables() error {
	if s.db.Pending() > 0 {
		return nil // applications wrote what is not in the log yet
	}
	var bad []string
	var later []merge.RowID
	look := func(id merge.RowID, r merge.Row, there bool, o *oracleRow) {
		if s.leavesOut(id.Table) {
			return
		}
		if id.Table == numbered && s.replaces() {
			later = append(later, id)
			return
		}
		bad = append(bad, s.differs(id, r, there, o)...)
	}
	if s.watch.all {
		for id, r := range s.watch.rows {
			look(id, r, true, s.oracle.rows[id])
		}
		for id, o := range s.oracle.rows {
			if r, there := s.watch.rows[id]; !there {
				look(id, r, false, o)
			}
		}
	} else {
		for id := range s.watch.behind {
			r, there := s.watch.rows[id]
			look(id, r, there, s.oracle.rows[id])
		}
	}
	if len(bad) == 0 {
		clear(s.watch.behind)
		s.watch.all = false
		for _, id := range later {
			s.watch.behind[id] = true
		}
		return nil
	}
	return some(bad, fmt.Sprintf("%s does not show what its log makes", s))
}

// differs tells how a row, if it is there, differs from what the log makes of it;
// o is nil where nothing of it is in the log.
func (s *Site) differs(id merge.RowID, r merge.Row, there bool, o *oracleRow) (bad []string) {
	switch {
	case there && !o.begun(id) && !s.oracle.applied.Includes(s.offered):
		// docs/limits.md: the entry that inserts it is still to come
	case o == nil && there:
		bad = append(bad, fmt.Sprintf("%s %s is a row that nobody logged", id.Table, shortKey(id.Key)))
	case o == nil:
	case o.Live() && !there && (!o.begun(id) || s.awaits(id, map[merge.RowID]bool{})): // R4
	case s.w.opts.Mix.Rules != Plain:
		return s.roughly(id, r, there, o)
	case !o.Live() && there:
		bad = append(bad, fmt.Sprintf("%s %s is back, it was deleted at %s", id.Table, shortKey(id.Key), o.Deleted))
	case o.Live() && !there:
		bad = append(bad, fmt.Sprintf("%s %s is missing", id.Table, shortKey(id.Key)))
	case there:
		if bad = unlike(id, r, o.Shows); len(bad) > 0 {
			bad = unlike(id, r, s.soFar(id, r, o))
		}
	}
	return bad
}

// ErrNotSettled is the error of a world that did not come to rest in time.
var ErrNotSettled = errors.New("the sites do not come to rest")

// clashRetries is how many retries sites have to settle clashes when all else is
// at rest.
const clashRetries = 3

// Settle repairs everything, lets the sites talk until nothing moves any more,
// and checks what must hold then. Clocks that ran ahead keep others waiting:
// the patience counts from when right clocks reach the latest stamp.
func (w *World) Settle(patience time.Duration) error {
	w.note("all is repaired")
	w.repaired = true
	for _, heal := range w.cuts {
		heal()
	}
	for _, s := range w.Sites {
		if s.left {
			continue
		}
		s.breaker.after = 0
		s.SetClockRight()
		s.slipIn()
		s.join()
	}
	end := max(w.now, w.latest()) + patience
	for w.now < end {
		if err := w.Run(w.now + time.Second); err != nil {
			return err
		}
		w.giveUp()
		if w.settled() {
			if w.opts.Mix.Rules == Clashes { // what a retry settles
				if err := w.Run(w.now + clashRetries*replica.RetryInterval); err != nil {
					return err
				}
				if !w.settled() {
					continue
				}
			}
			if err := w.tidy(); err != nil {
				w.fail(err)
				return w.err
			}
			w.fail(w.checkSettled())
			return w.err
		}
		end = max(end, w.latest()+patience)
	}
	w.fail(fmt.Errorf("%w: %s", ErrNotSettled, w.state()))
	return w.err
}

// latest is when right clocks reach the greatest stamp.
func (w *World) latest() time.Duration {
	var at time.Duration
	for _, s := range w.Sites {
		if s.r == nil {
			continue
		}
		for _, e := range s.r.Applied() {
			ahead := e.Through.Millis() - epochMicros/1000
			at = max(at, time.Duration(ahead)*time.Millisecond)
		}
	}
	return at
}

// settled reports whether all sites have applied all there is.
func (w *World) settled() bool {
	for _, s := range w.members() {
		if !s.up || s.unready() {
			return false
		}
	}
	all := w.members()[0].r.Log().Vector()
	for _, s := range w.members() {
		have, applied := s.r.Log().Vector(), s.r.Applied()
		if !have.Includes(all) || !all.Includes(have) || !w.appliedAll(applied, all) {
			return false
		}
	}
	return true
}

// unready reports whether a site that has applied all there is has still something to do.
func (s *Site) unready() bool {
	return s.restored.behind || s.lags() || len(s.without.tables) > 0
}

// members are the sites that have not left.
func (w *World) members() []*Site {
	return slices.DeleteFunc(slices.Clone(w.Sites), func(s *Site) bool { return s.left })
}

// appliedAll reports whether all batches are applied, of which the sites have
// the end.
func (w *World) appliedAll(applied, all clock.VersionVector) bool {
	for _, e := range all {
		if seq := applied.Seq(e.Site); seq < e.Seq && seq < w.whole(e) {
			return false
		}
	}
	return true
}

func (w *World) state() string {
	var out strings.Builder
	for _, s := range w.members() {
		if !s.up {
			fmt.Fprintf(&out, "\n    %s is down", s)
			continue
		}
		fmt.Fprintf(&out, "\n    %s has %v, applied %v, %d local changes wait", s, s.r.Log().Vector(), s.r.Applied(), s.db.Pending())
		if s.unready() {
			fmt.Fprintf(&out, "; restored: %v, replacing: %v, tables left out: %d", s.restored.behind, s.replaces(), len(s.without.tables))
		}
	}
	return out.String()
}

// checkSettled: all sites are equal, and nothing is lost.
func (w *World) checkSettled() error {
	if w.brought {
		w.ledger.regain(w)
	}
	var first *Site
	var tables, conflicts []string
	for _, s := range w.members() {
		if w.opts.Checks != CheckNone {
			if err := s.checkEnd(); err != nil {
				return err
			}
		}
		counts, err := s.r.Counts()
		if err != nil {
			return err
		}
		if w.opts.Mix.Rules == Clashes {
			counts.Held = 0 // as the conflicts say
		}
		if n := counts.Waiting + counts.Held + counts.Aside; n > 0 {
			return fmt.Errorf("%s has %d rows that are not in their place", s, n)
		}
		lines, list := s.lines(), []string(nil)
		if list, err = s.conflicts(); err != nil {
			return err
		}
		if first == nil {
			first, tables, conflicts = s, lines, list
			continue
		}
		if err := same(fmt.Sprintf("the rows of %s and %s", first, s), tables, lines); err != nil {
			return err
		}
		if err := same(fmt.Sprintf("the conflicts of %s and %s", first, s), conflicts, list); err != nil {
			return err
		}
	}
	w.note("settled: %d rows, %d conflicts", len(tables), len(conflicts))
	return nil
}

// checkEnd checks all there is to a site that has everything.
func (s *Site) checkEnd() error {
	for _, check := range []func() error{s.check, s.checkAll, s.checkPlaced, s.checkConflicts, s.checkLedger, s.checkSums, s.checkBounds, s.checkStore} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) lines() []string {
	var lines []string
	for id, r := range tables(s.db) {
		if s.keepsOrphan(id) {
			continue
		}
		lines = append(lines, id.Table+" "+shortKey(id.Key)+": "+showRow(r))
	}
	slices.Sort(lines)
	return lines
}

// conflicts lists the conflicts of a site.
func (s *Site) conflicts() ([]string, error) {
	var lines []string
	err := s.r.Conflicts(func(c replica.Conflict) bool {
		lines = append(lines, showConflict(&c))
		return true
	})
	slices.Sort(lines)
	return lines, err
}

// same compares two sorted lists.
func same(what string, a, b []string) error {
	if slices.Equal(a, b) {
		return nil
	}
	var diff []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			diff = append(diff, "only the first: "+line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			diff = append(diff, "only the second: "+line)
		}
	}
	return some(diff, what+" differ")
}
