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

// taken reports whether a row that is not in its table is dead, or went with a
// dead row that is not there, rather than with rows that went with it, in a
// circle.
func (pl *placing) taken(id RowID) (bool, error) {
	up := []RowID{id}
	seen := map[RowID]bool{id: true}
	for i := 0; i < len(up) && i < takenMax; i++ {
		if w := pl.find(up[i]); w != nil && !w.row.Exists {
			if w.row.Dead() && !w.revive && w.inTable == nil {
				return true, nil
			}
			continue
		}
		s, err := pl.states.State(up[i])
		if err != nil {
			return false, err
		}
		if s == nil || s.Place != Gone {
			if s != nil && s.Dead() && !s.Stays() {
				return true, nil
			}
			continue
		}
		for j, column := range s.Columns {
			ref := pl.m.Model.Tables[up[i].Table].Reference(column)
			if ref == nil || schema.ActionOf(ref.OnDelete) != schema.Cascade {
				continue
			}
			key, is := s.Values[j].Key()
			if to := (RowID{ref.Table, key}); is && !seen[to] {
				seen[to] = true
				up = append(up, to)
			}
		}
	}
	return len(up) > takenMax, nil
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
		w.doomed = append(w.doomed, target{ref.Column, to})
	case why == nulls:
		kept.null(ref.Column, v, to)
		return true, nil
	default:
		kept.wait(ref.Column, v, to)
		if why == revives {
			pl.revive = append(pl.revive, to)
		}
	}
	return false, err
}

func allIn(ids, all []RowID) bool {
	for _, id := range ids {
		if !slices.Contains(all, id) {
			return false
		}
	}
	return true
}
