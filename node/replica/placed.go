package replica

import (
	"maps"
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// eachPlaced calls each for every row with which R4 or R5 did something: a
// deleted row that stays as rows refer to it, a row that went with one that was
// deleted, a reference that reads NULL, a unique value that another row has. It
// ends when each returns false.
func (r *Replica) eachPlaced(each func(Conflict) bool) error {
	var ids []merge.RowID
	err := r.cfg.Store.Scan([]byte{keyAside}, []byte{keyAside + 1}, func(k, v []byte) bool {
		if p := placeOf(v); p == merge.Kept || p == merge.Held {
			ids = append(ids, rowIDs(k)[0])
		}
		return true
	})
	if err != nil {
		return err
	}
	err = r.cfg.Store.Scan([]byte{keyWaiting}, []byte{keyWaiting + 1}, func(k, v []byte) bool {
		if p := placeOf(v); p == merge.Gone || p == merge.Nulled {
			all := rowIDs(k)
			ids = append(ids, all[len(all)-1])
		}
		return true
	})
	if err != nil {
		return err
	}
	slices.SortFunc(ids, merge.RowID.Compare)
	for _, id := range slices.Compact(ids) {
		s, err := r.stateOf(id)
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		found, err := r.placed(id, s)
		if err != nil {
			return err
		}
		for _, c := range found {
			if !each(c) {
				return nil
			}
		}
	}
	return nil
}

func placeOf(v []byte) merge.Place {
	if len(v) == 0 {
		return merge.Waiting
	}
	return merge.Place(v[0])
}

func (r *Replica) stateOf(id merge.RowID) (*merge.State, error) {
	b, err := r.cfg.Store.Get(rowKey(keyState, id))
	if err != nil || b == nil {
		return nil, err
	}
	return r.names.decodeState(b)
}

// placed returns what R4 and R5 did with one row.
func (r *Replica) placed(id merge.RowID, s *merge.State) ([]Conflict, error) {
	t := r.cfg.Model.Tables[id.Table]
	switch {
	case t == nil:
		return nil, nil
	case s.Place == merge.Kept:
		if !s.Dead() {
			return nil, nil
		}
		return r.keptConflicts(t, id, s)
	case s.Place == merge.Held:
		return heldConflicts(t, id, s), nil
	}
	var all []Conflict
	gone := crdt.Loss{Stamp: s.Greatest(), WinnerDelete: true}
	for i, column := range s.Columns {
		ref := t.Reference(column)
		if ref == nil {
			continue
		}
		deleted, err := r.removedAt(ref.Table, s.Values[i])
		if err != nil {
			return nil, err
		}
		switch action := schema.ActionOf(ref.OnDelete); {
		case deleted.IsZero():
		case s.Place == merge.Gone && action == schema.Cascade && gone.Winner.Less(deleted):
			gone.Winner = deleted
		case s.Place == merge.Nulled && action == schema.SetNull:
			all = append(all, Conflict{ID: id, Place: merge.Nulled, Loss: crdt.Loss{
				Column: column, Value: s.Values[i], Stamp: s.Of(column), Winner: deleted, WinnerDelete: true,
			}})
		}
	}
	if s.Place == merge.Gone {
		all = append(all, Conflict{ID: id, Loss: gone, Place: merge.Gone})
	}
	return all, nil
}

// keptConflicts returns that a deleted row stays, and which of its values it does not
// show, which its state tells.
func (r *Replica) keptConflicts(t *schema.Table, id merge.RowID, s *merge.State) ([]Conflict, error) {
	all := []Conflict{{ID: id, Loss: crdt.Loss{Stamp: s.Deleted}, Place: merge.Kept}}
	for i, column := range s.Columns {
		if !slices.Contains(s.Columns, crdt.Shown(column)) {
			continue
		}
		c := Conflict{ID: id, Place: merge.Held, Loss: crdt.Loss{Column: column, Value: s.Values[i], Stamp: s.Of(column)}}
		switch ref := t.Reference(column); {
		case ref != nil && schema.ActionOf(ref.OnDelete) == schema.SetNull:
			deleted, err := r.removedAt(ref.Table, s.Values[i])
			if err != nil {
				return nil, err
			}
			if deleted.IsZero() {
				continue // it waits
			}
			c.Place, c.Winner, c.WinnerDelete = merge.Nulled, deleted, true
		case !t.InUnique(column):
			continue // a counter
		}
		all = append(all, c)
	}
	return all, nil
}

// heldConflicts returns the unique values that a row does not show, or, when it
// is not in its table at all, one entry for the row.
func heldConflicts(t *schema.Table, id merge.RowID, s *merge.State) []Conflict {
	if slices.Contains(s.Columns, t.Identity.Columns[0]) {
		return []Conflict{{ID: id, Loss: crdt.Loss{Stamp: s.Greatest()}, Place: merge.Held}}
	}
	var all []Conflict
	for i, column := range s.Columns {
		if t.InUnique(column) {
			all = append(all, Conflict{ID: id, Loss: crdt.Loss{Column: column, Value: s.Values[i], Stamp: s.Of(column)}, Place: merge.Held})
		}
	}
	return all
}

// removedMax bounds how many rows one looks at for the deletes that took a row.
const removedMax = 1000

// removedAt returns the stamp of the latest delete that took a row, or took what
// took it; zero when the row is there.
func (r *Replica) removedAt(table string, v crdt.Value) (at clock.Stamp, err error) {
	key, ok := v.Key()
	if !ok {
		return clock.Stamp{}, nil
	}
	up := []merge.RowID{{Table: table, Key: key}}
	seen := map[merge.RowID]bool{up[0]: true}
	for i := 0; i < len(up) && i < removedMax; i++ {
		s, err := r.stateOf(up[i])
		switch {
		case err != nil:
			return clock.Stamp{}, err
		case s == nil || s.Stays():
			continue
		case s.Dead():
			if at.Less(s.Deleted) {
				at = s.Deleted
			}
			continue
		case s.Place != merge.Gone:
			continue
		}
		t := r.cfg.Model.Tables[up[i].Table]
		for j, column := range s.Columns {
			ref := t.Reference(column)
			if ref == nil || schema.ActionOf(ref.OnDelete) != schema.Cascade {
				continue
			}
			if key, is := s.Values[j].Key(); is && !seen[merge.RowID{Table: ref.Table, Key: key}] {
				up = append(up, merge.RowID{Table: ref.Table, Key: key})
				seen[up[len(up)-1]] = true
			}
		}
	}
	return at, nil
}

// wakeKept wakes the rows that stay only because rows refer to them, or do not
// show a unique value since another row has it, where the site's own writes may
// have ended that.
func (l *local) wakeKept() error {
	for _, table := range l.unreferred {
		rows, err := l.t.NotPlaced(table, retryRowsMax)
		if err != nil {
			return err
		}
		for _, id := range rows {
			s, err := l.t.State(id)
			if err != nil {
				return err
			}
			if s != nil && (s.Place == merge.Kept || s.Place == merge.Held) {
				l.wake = append(l.wake, id)
			}
		}
	}
	l.unreferred = nil
	return nil
}

// notesReferences notes to which tables a local change may have ended a
// reference, those with whose rows theirs would go, and whether it may have freed
// a unique value.
func (l *local) notesReferences(ch *crdt.Change) {
	t := l.r.cfg.Model.Tables[ch.Table]
	if t == nil {
		return
	}
	note := func(table string) {
		if !slices.Contains(l.unreferred, table) {
			l.unreferred = append(l.unreferred, table)
		}
	}
	for i := range t.Unique {
		if ch.Delete || slices.ContainsFunc(t.Unique[i].Columns, func(c string) bool { return slices.Contains(ch.Columns, c) }) {
			note(ch.Table)
		}
	}
	for i := range t.References {
		ref := &t.References[i]
		if !ch.Delete && !slices.Contains(ch.Columns, ref.Column) {
			continue
		}
		note(ref.Table)
		for _, table := range l.r.merger.CascadesAbove(ref.Table) { // with which the row would go
			note(table)
		}
	}
	for i := range t.Typed {
		if ch.Delete || slices.Contains(ch.Columns, t.Typed[i].Column) {
			for _, table := range slices.Sorted(maps.Values(t.Typed[i].Tables)) {
				note(table)
			}
		}
	}
}
