package merge

import (
	"slices"
)

// Rows that refer to each other in a ring come in together or not at all. So one
// that is not in its table, and waits for another that waits as well, waits for
// whatever any of them waits for. Where that is nothing but rows that were deleted and
// come back for them (R4), or nothing at all, all of them are placed in one further
// round; else they would wait for each other for ever.

// waits notes that a row could not go in, if it may be of a ring.
func (pl *placing) waits(tp *tablePiece, w *work, in *insertion) {
	if len(in.revive) > 0 || slices.ContainsFunc(in.missing, func(id RowID) bool { return id.Table == tp.name }) {
		pl.waiting = append(pl.waiting, w.id)
	}
}

// closeRings finds the rings of which rows could not go in in this round.
func (pl *placing) closeRings() error {
	for _, id := range pl.waiting {
		if slices.Contains(pl.rings, id) {
			continue
		}
		ring, revive, err := pl.ring(id)
		if err != nil {
			return err
		}
		pl.rings, pl.revive = append(pl.rings, ring...), append(pl.revive, revive...)
	}
	return nil
}

// ring returns the rows for which a row waits, and they in turn, with the row itself;
// and those that come back for them. None when one of them waits for anything else, or
// they are more than takenMax.
func (pl *placing) ring(id RowID) (rows, revive []RowID, err error) {
	rows = []RowID{id}
	for i := 0; i < len(rows); i++ {
		s, err := pl.states.State(rows[i])
		if err != nil || s == nil || s.Place != Waiting || len(rows) > takenMax {
			return nil, nil, err
		}
		t := pl.m.Model.Tables[rows[i].Table]
		for j, column := range s.Columns {
			ref, to := refersTo(pl.m.Model, t, column, s.Values[j])
			if ref == nil || !slices.Contains(s.Missing, to) || slices.Contains(rows, to) {
				continue
			}
			why, err := pl.absence(&work{revive: s.Dead()}, t.Column(column), ref, to)
			switch {
			case err != nil:
				return nil, nil, err
			case why == revives:
				revive = append(revive, to)
			case why == notArrived:
				rows = append(rows, to)
			default:
				return nil, nil, nil // it does not wait any more
			}
		}
	}
	return rows, revive, nil
}
