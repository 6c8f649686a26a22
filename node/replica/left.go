package replica

import (
	"slices"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// A join that was cut goes on from a member that may lack rows which the first one gave.
// Of a row that a number alone names, the table then shows a life of which neither that
// member nor this site's log knows. It must not count as a row from before, which goes
// before all that anybody inserts (R3): the row's own insert would lose to it when it
// comes. So the site keeps of which life the row is. What applications write to it
// others may get before the row; then the adoption batch has a copy that goes on with
// that life, as old as its insert, so that it beats nothing that was written since.

// anyLeft reports whether a table may have such rows.
func (a *adoption) anyLeft(table string) (any bool, err error) {
	if a.bringUp.again || a.r.number(table) == "" {
		return false, nil
	}
	prefix := appendString([]byte{keyShows}, table)
	err = a.r.cfg.Store.Scan(prefix, kv.After(prefix), func(_, _ []byte) bool {
		any = true
		return false
	})
	return any, err
}

// leftLife returns of which life such a row is.
func (a *adoption) leftLife(id merge.RowID) (life clock.Stamp, left bool, err error) {
	if a.bringUp.again || a.r.number(id.Table) == "" {
		return life, false, nil
	}
	if s, err := a.t.State(id); err != nil || s != nil { // the member has it
		return life, false, err
	}
	v, err := a.t.get(rowKey(keyShows, id))
	if err != nil || len(v) == 0 {
		return life, false, err
	}
	life = crdt.LifeOf(crdt.Value(v))
	return life, !life.IsZero(), nil
}

// leftHere keeps of which life a row is that is in its table, if it is such a row.
func (a *adoption) leftHere(id merge.RowID, row *merge.Row) error {
	if _, left, err := a.leftLife(id); err != nil || !left {
		return err
	}
	life, known, err := a.shows(id)
	if err != nil || !known { // an application has inserted another one
		return err
	}
	if err := a.t.remember(id, &takeover{Left: true, Columns: row.Columns, Values: row.Values}); err != nil {
		return err
	}
	return a.t.Put(id, &merge.State{Stamps: crdt.Stamps{Row: life}}, nil)
}

// leftWritten adds the copy of such a row to the batch before what an application has
// written to it. void: the write is of no account, as the row was deleted later.
func (a *adoption) leftWritten(id merge.RowID, k *takeover, row *capture.Row) (void bool, err error) {
	if k != nil && k.Left {
		s, err := a.t.State(id)
		if err != nil {
			return false, err
		}
		k.Left, k.Here = false, true
		return false, a.copyOfLeft(id, s.Row, k)
	}
	life, left, err := a.leftLife(id)
	if err != nil || !left {
		return false, err
	}
	if !row.Delete {
		return true, nil
	}
	a.t.set(rowKey(keyShows, id), nil)
	before := &takeover{Here: true, Columns: row.Columns, Values: row.Values}
	if k != nil {
		*k = *before
	}
	return false, a.copyOfLeft(id, life, before)
}

// copyOfLeft adds a copy of such a row to the batch.
func (a *adoption) copyOfLeft(id merge.RowID, life clock.Stamp, k *takeover) error {
	if err := a.t.remember(id, k); err != nil {
		return err
	}
	number := a.r.number(id.Table)
	a.append(crdt.Change{
		Table: id.Table, Key: id.Key, Whole: true, Time: life.Time,
		Columns: slices.Clone(k.Columns), Values: slices.Clone(k.Values), Prior: goesOn(number, life),
	})
	stamps := withCell(crdt.Stamps{Row: clock.Stamp{Time: life.Time, Site: a.r.cfg.Self}}, number, life)
	return a.t.Put(id, &merge.State{Stamps: stamps}, nil)
}
