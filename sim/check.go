package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"baraza/merge"
	"baraza/node/replica"
)

// check is what must hold after every step of a site.
func (s *Site) check() error {
	if s.w.err != nil {
		return nil
	}
	if err := s.fold(); err != nil {
		return err
	}
	tables := s.tables()
	if err := s.checkReferences(tables); err != nil {
		return err
	}
	if s.db.Pending() > 0 {
		return nil // applications wrote what is not in the log yet
	}
	return s.checkTables(tables)
}

// checkReferences: every reference leads to a row.
func (s *Site) checkReferences(tables map[merge.RowID]merge.Row) error {
	var bad []string
	for id, r := range tables {
		t := clinic.Tables[id.Table]
		for i := range t.References {
			ref := &t.References[i]
			v := r.Values[slices.Index(r.Columns, ref.Column)]
			key, is := v.Key()
			_, there := tables[merge.RowID{Table: ref.Table, Key: key}]
			if v.IsNull() && !t.Column(ref.Column).Nullable || is && !there {
				bad = append(bad, fmt.Sprintf("%s.%s of %s", id.Table, ref.Column, shortKey(id.Key)))
			}
		}
	}
	return some(bad, fmt.Sprintf("%s has references that lead nowhere", s))
}

// checkTables: a site shows what the log makes: no more, no less, nothing that
// was deleted, no part of a transaction.
func (s *Site) checkTables(tables map[merge.RowID]merge.Row) error {
	count := 0
	var bad []string
	for id, o := range s.oracle.rows {
		r, there := tables[id]
		switch {
		case !o.visible() && there:
			bad = append(bad, fmt.Sprintf("%s %s is back, it was deleted at %s", id.Table, shortKey(id.Key), o.deleted))
		case o.visible() && !there:
			bad = append(bad, fmt.Sprintf("%s %s is missing", id.Table, shortKey(id.Key)))
		case there:
			count++
			for i, c := range r.Columns {
				if want := o.columns[c].value; r.Values[i] != want {
					bad = append(bad, fmt.Sprintf("%s.%s of %s is %s, not %s", id.Table, c, shortKey(id.Key), shortValue(r.Values[i]), shortValue(want)))
				}
			}
		}
	}
	if len(bad) == 0 && count != len(tables) {
		bad = append(bad, fmt.Sprintf("%d rows that nobody logged", len(tables)-count))
	}
	return some(bad, fmt.Sprintf("%s does not show what its log makes", s))
}

// ErrNotSettled is the error of a world that did not come to rest in time.
var ErrNotSettled = errors.New("the sites do not come to rest")

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
		s.breaker.after = 0
		s.SetClockRight()
		s.slipIn()
	}
	end := max(w.now, w.latest()) + patience
	for w.now < end {
		if err := w.Run(w.now + time.Second); err != nil {
			return err
		}
		if w.settled() {
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
		ahead := s.oracle.latest.Millis() - epochMicros/1000
		at = max(at, time.Duration(ahead)*time.Millisecond)
	}
	return at
}

// settled reports whether all sites have applied all there is.
func (w *World) settled() bool {
	for _, s := range w.Sites {
		if !s.up || s.db.Pending() > 0 {
			return false
		}
	}
	all := w.Sites[0].r.Log().Vector()
	for _, s := range w.Sites {
		have, applied := s.r.Log().Vector(), s.r.Applied()
		if !have.Includes(all) || !all.Includes(have) || !applied.Includes(all) {
			return false
		}
	}
	return true
}

func (w *World) state() string {
	out := ""
	for _, s := range w.Sites {
		if !s.up {
			out += fmt.Sprintf("\n    %s is down", s)
			continue
		}
		out += fmt.Sprintf("\n    %s has %v, applied %v, %d local changes wait", s, s.r.Log().Vector(), s.r.Applied(), s.db.Pending())
	}
	return out
}

// checkSettled: all sites are equal, and nothing is lost.
func (w *World) checkSettled() error {
	var first *Site
	var tables, conflicts []string
	for _, s := range w.Sites {
		if err := s.check(); err != nil {
			return err
		}
		if err := s.checkLedger(); err != nil {
			return err
		}
		counts, err := s.r.Counts()
		if err != nil {
			return err
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

func (s *Site) lines() []string {
	var lines []string
	for id, r := range s.tables() {
		lines = append(lines, id.Table+" "+shortKey(id.Key)+": "+showRow(r))
	}
	slices.Sort(lines)
	return lines
}

func (s *Site) conflicts() ([]string, error) {
	var lines []string
	err := s.r.Conflicts(func(c replica.Conflict) bool {
		lines = append(lines, fmt.Sprintf("%s.%s of %s = %s at %s lost to %s at %s, delete %v",
			c.ID.Table, c.Column, shortKey(c.ID.Key), shortValue(c.Value), c.Stamp, shortValue(c.WinnerValue), c.Winner, c.WinnerDelete))
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
