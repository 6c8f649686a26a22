package merge

import (
	"fmt"
	"slices"

	"baraza/crdt"
	"baraza/schema"
)

// keptReason is the reason of rows that R4 keeps.
const keptReason = "it was deleted, but rows refer to it"

func goneWith(id RowID) string {
	return fmt.Sprintf("row %s of table %s, to which it refers, was deleted", id.Key, id.Table)
}

func waitsFor(missing []RowID) string {
	return fmt.Sprintf("waits for row %s of table %s, which has not arrived", missing[0].Key, missing[0].Table)
}

// absence is why a referenced row is not in its table, and what R4 makes of it.
type absence uint8

const (
	notArrived absence = iota // the reference waits
	goes                      // it was deleted, and what refers to it goes too
	nulls                     // it was deleted, and the reference reads NULL
	revives                   // it was deleted, and comes back
)

// absence tells it for a reference of w. What is to come back itself brings
// back all that it needs.
func (pl *placing) absence(w *work, col *schema.Column, ref *schema.Reference, to RowID) (absence, error) {
	removed, err := pl.removed(to)
	if err != nil || !removed {
		return notArrived, err
	}
	action := schema.ActionOf(ref.OnDelete)
	switch {
	case action == schema.Cascade && !w.revive:
		taken, err := pl.taken(to)
		if taken || err != nil {
			return goes, err
		}
	case action == schema.SetNull && col.Nullable:
		return nulls, nil
	}
	return revives, nil
}

// removed reports whether a row that is not in its table was deleted, or went
// with one that was, rather than has not arrived.
func (pl *placing) removed(id RowID) (bool, error) {
	if w := pl.find(id); w != nil && !w.row.Exists {
		return w.row.Dead(), nil
	}
	s, err := pl.states.State(id)
	return err == nil && s != nil && (s.Dead() || s.Place == Gone), err
}

// takenMax bounds how many rows are looked at to find the dead one with which a
// row went, in rows.
const takenMax = 1000

// taken reports whether a row that is not in its table is dead, or goes with a
// dead row that is not there, rather than with rows that go with it, in a
// circle.
func (pl *placing) taken(id RowID) (bool, error) {
	up := []RowID{id}
	seen := map[RowID]bool{id: true}
	for i := 0; i < len(up) && i < takenMax; i++ {
		absent, dead, err := pl.absentRow(up[i])
		if dead || err != nil {
			return dead, err
		}
		if absent == nil {
			continue
		}
		for _, to := range cascadesOf(pl.m.Model.Tables[up[i].Table], absent) {
			if !seen[to] {
				seen[to] = true
				up = append(up, to)
			}
		}
	}
	return len(up) > takenMax, nil
}

// absentRow returns a row that is not in its table and may go with others: of this
// round, or one that went. nil for all others, of which it tells whether they are dead
// and not there.
func (pl *placing) absentRow(id RowID) (absent *Row, dead bool, err error) {
	if w := pl.find(id); w != nil && (!w.row.Exists || w.inTable == nil) {
		switch {
		case !w.row.Exists:
			return nil, w.row.Dead() && !w.revive && w.inTable == nil, nil
		case w.revive:
			return nil, false, nil
		}
		return &Row{Columns: w.row.Columns, Values: w.row.Values}, false, nil
	}
	s, err := pl.states.State(id)
	switch {
	case s == nil || err != nil:
		return nil, false, err
	case s.Place != Gone:
		return nil, s.Dead() && !s.Stays(), nil
	}
	return &Row{Columns: s.Columns, Values: s.Values}, false, nil
}

// goesWith reports whether a row goes with one to which it refers, and which this round
// would insert after it: that one goes itself.
func (pl *placing) goesWith(w *work, ref *schema.Reference, to RowID) (bool, error) {
	if w.revive || schema.ActionOf(ref.OnDelete) != schema.Cascade {
		return false, nil
	}
	return pl.taken(to)
}

// updateAbsent decides about a reference that a row in its table gets, to a row
// that is not there; null reports that it becomes NULL.
func (pl *placing) updateAbsent(tp *tablePiece, w *work, ref *schema.Reference, v crdt.Value, to RowID, kept *keptColumns) (null bool, err error) {
	why, err := pl.absence(w, tp.t.Column(ref.Column), ref, to)
	switch {
	case err != nil:
	case why == goes && w.pinned:
		kept.wait(ref.Column, v, to)
	case why == goes:
		w.doomed = append(w.doomed, target{ref.Column, to, true})
	case why == nulls:
		kept.null(ref.Column, v, to)
		return true, nil
	default:
		kept.wait(ref.Column, v, to)
		w.lacks = append(w.lacks, target{ref.Column, to, why == revives})
	}
	return false, err
}

// revives notes which rows come back for references.
func (pl *placing) revives(lacks []target) {
	for _, to := range lacks {
		if to.revives {
			pl.revive = append(pl.revive, to.id)
		}
	}
}

func allIn(ids, all []RowID) bool {
	for _, id := range ids {
		if !slices.Contains(all, id) {
			return false
		}
	}
	return true
}
