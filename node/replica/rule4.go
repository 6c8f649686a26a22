package replica

import (
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// eachRule4 calls each for every row with which R4 did something: a deleted row
// that stays as rows refer to it, a row that went with one that was deleted, a
// reference that reads NULL. It ends when each returns false.
func (r *Replica) eachRule4(each func(Conflict) bool) error {
	var ids []merge.RowID
	err := r.cfg.Store.Scan([]byte{keyAside}, []byte{keyAside + 1}, func(k, v []byte) bool {
		if len(v) > 0 && merge.Place(v[0]) == merge.Kept {
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
	slices.SortFunc(ids, compareRowIDs)
	for _, id := range slices.Compact(ids) {
		s, err := r.stateOf(id)
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		found, err := r.rule4(id, s)
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

func compareRowIDs(a, b merge.RowID) int {
	if a.Table != b.Table {
		return compareStrings(a.Table, b.Table)
	}
	return compareStrings(string(a.Key), string(b.Key))
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (r *Replica) stateOf(id merge.RowID) (*merge.State, error) {
	b, err := r.cfg.Store.Get(rowKey(keyState, id))
	if err != nil || b == nil {
		return nil, err
	}
	return r.names.decodeState(b)
}

// rule4 returns what R4 did with one row.
func (r *Replica) rule4(id merge.RowID, s *merge.State) ([]Conflict, error) {
	t := r.cfg.Model.Tables[id.Table]
	switch {
	case t == nil:
		return nil, nil
	case s.Place == merge.Kept:
		if !s.Dead() {
			return nil, nil
		}
		return []Conflict{{ID: id, Loss: crdt.Loss{Stamp: s.Deleted}, Place: merge.Kept}}, nil
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

// removedMax bounds how far up one looks for the delete that took a row.
const removedMax = 16

// removedAt returns the stamp of the delete that took a row, or took what took
// it; zero when the row is there.
func (r *Replica) removedAt(table string, v crdt.Value) (at clock.Stamp, err error) {
	for range removedMax {
		key, ok := v.Key()
		if !ok {
			return clock.Stamp{}, nil
		}
		s, err := r.stateOf(merge.RowID{Table: table, Key: key})
		switch {
		case err != nil || s == nil:
			return clock.Stamp{}, err
		case s.Dead():
			return s.Deleted, nil
		case s.Place != merge.Gone:
			return clock.Stamp{}, nil
		}
		t := r.cfg.Model.Tables[table]
		found := false
		for i, column := range s.Columns {
			if ref := t.Reference(column); ref != nil && schema.ActionOf(ref.OnDelete) == schema.Cascade {
				table, v, found = ref.Table, s.Values[i], true
			}
		}
		if !found {
			break
		}
	}
	return clock.Stamp{}, nil
}

// wakeKept wakes the rows that stay only because rows refer to them, where the
// site's own writes may have ended that.
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
			if s != nil && s.Place == merge.Kept {
				l.wake = append(l.wake, id)
			}
		}
	}
	l.unreferred = nil
	return nil
}

// notesReferences notes to which tables a local change may have ended a
// reference.
func (l *local) notesReferences(ch *crdt.Change) {
	t := l.r.cfg.Model.Tables[ch.Table]
	if t == nil {
		return
	}
	for i := range t.References {
		ref := &t.References[i]
		if (ch.Delete || slices.Contains(ch.Columns, ref.Column)) && !slices.Contains(l.unreferred, ref.Table) {
			l.unreferred = append(l.unreferred, ref.Table)
		}
	}
}
