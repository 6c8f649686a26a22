package replica

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// While a site is brought up, which life (crdt.Row.Number) its table
// shows of a numbered row is remembered beside what attempts leave: an attempt may have
// put in the row of a member, and the next one be with another member that has not got
// that row. What applications write to it is then of that row, and not of one that only
// this site has.

// noteGave notes that a row gave way to another of its number (R3): a backup of before
// has it still.
func (t *txn) noteGave(id merge.RowID, old, now *merge.State) {
	table := t.model.Tables[id.Table]
	if table == nil || table.Number() == "" {
		return
	}
	t.noteGaveLife(id, shownLife(table.Number(), old), shownLife(table.Number(), now))
}

// noteGaveLife is noteGave for the lives that the table shows.
func (t *txn) noteGaveLife(id merge.RowID, old, now clock.Stamp) {
	if now.Less(old) {
		key := rowKey(keyGave, id)
		key = binary.BigEndian.AppendUint64(key, t.mark.Boot)
		t.set(binary.BigEndian.AppendUint64(key, t.mark.Number), []byte(crdt.LifeValue(old)))
	}
}

// gaveMark is the length of the mark in such a key.
const gaveMark = 16

// noteShown notes, for a database that was set back to a mark, which rows it shows that
// gave way since.
func (r *Replica) noteShown(b *kv.Batch, db merge.Mark) error {
	if err := dropKeys(r.cfg.Store, keyShows); err != nil { // of what was there before
		return err
	}
	at := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, db.Boot), db.Number)
	row := []byte(nil)
	return r.cfg.Store.Scan([]byte{keyGave}, []byte{keyGave + 1}, func(k, v []byte) bool {
		name, mark := k[:len(k)-gaveMark], k[len(k)-gaveMark:]
		if bytes.Compare(mark, at) < 0 || bytes.Equal(name, row) { // it shows the first that gave way after that
			return true
		}
		row = slices.Clone(name)
		shows := slices.Clone(name)
		shows[0] = keyShows
		b.Set(shows, slices.Clone(v))
		return true
	})
}

// noteLives notes which life the table shows of every numbered row that is not noted yet,
// before the states that say so are dropped: what they say a backup has, if it has the row.
func (r *Replica) noteLives() error {
	for _, table := range r.merger.Order {
		number := r.number(table)
		if number == "" {
			continue
		}
		prefix := appendString([]byte{keyState}, table)
		for lower, upper := prefix, kv.After(prefix); lower != nil; {
			b, next := &kv.Batch{}, []byte(nil)
			var keys [][]byte
			var lives []clock.Stamp
			err := r.cfg.Store.Scan(lower, upper, func(k, v []byte) bool {
				if len(keys) == takenRows {
					next = slices.Clone(k)
					return false
				}
				if s, err := r.names.decodeState(v); err == nil && !s.Dead() {
					keys, lives = append(keys, slices.Clone(k)), append(lives, shownLife(number, s))
				}
				return true
			})
			for i, key := range keys {
				key[0] = keyShows
				if v, e := r.cfg.Store.Get(key); e != nil || v != nil {
					err = errors.Join(err, e)
					continue
				}
				b.Set(key, []byte(crdt.LifeValue(lives[i])))
			}
			if err == nil && !b.Empty() {
				err = r.cfg.Store.Write(b, true)
			}
			if err != nil {
				return err
			}
			lower = next
		}
	}
	return nil
}

// nowShows notes which life of a row that was taken over its table shows, and that another
// gave way to it.
func (b *BringUp) nowShows(t *txn, id merge.RowID, row *crdt.Row) error {
	if row.Number == "" {
		return nil
	}
	v, err := t.get(rowKey(keyShows, id))
	if err != nil {
		return err
	}
	if b.again && len(v) > 0 {
		t.noteGaveLife(id, crdt.LifeOf(crdt.Value(v)), row.Life())
	}
	if !row.Exists {
		t.set(rowKey(keyShows, id), nil)
		return nil
	}
	t.set(rowKey(keyShows, id), []byte(crdt.LifeValue(row.Life())))
	return nil
}

// shows returns the life that a table shows of a row, as far as that was noted and no
// application has inserted another row since.
func (a *adoption) shows(id merge.RowID) (life clock.Stamp, known bool, err error) {
	if a.r.number(id.Table) == "" {
		return life, false, nil
	}
	v, err := a.t.get(rowKey(keyShows, id))
	if err != nil || len(v) == 0 {
		return life, false, err
	}
	items := map[merge.RowID]*Item{id: {}}
	pending, err := a.r.pendingOf(context.Background(), func() map[merge.RowID]*Item { return items })
	if err != nil {
		return life, false, err
	}
	if w := pending.rows[id]; w != nil && (w.inserted || w.deleted) {
		return life, false, nil
	}
	return crdt.LifeOf(crdt.Value(v)), true, nil
}

// errShowsOther says that a row stays as it is in its table until it is captured what
// applications have written to it: it is another one than the member's of that number.
var errShowsOther = errors.New("the table shows another row of this number")

// showsOther reports whether the table shows another life of a row, to which an
// application has written, than the member's, and notes it.
func (b *BringUp) showsOther(t *txn, id merge.RowID, row *crdt.Row, mine *merge.Row, pending *localWrites, k *takeover) (bool, error) {
	if row.Number == "" || pending == nil || pending.inserted {
		return false, nil
	}
	v, err := t.get(rowKey(keyShows, id))
	if err != nil || len(v) == 0 || crdt.LifeOf(crdt.Value(v)) == row.Life() || merge.Settled(row, b.r.settledOf(b.r.cfg.Self)) {
		return false, err
	}
	k.Life = crdt.Value(v)
	if mine == nil || pending.deleted {
		return false, nil // it is gone, and what comes next is new
	}
	k.Columns, k.Values = row.Columns, row.Values
	return true, nil
}

// putShown stores the state of such a row: it is tried again when all is captured.
func (b *BringUp) putShown(t *txn, id merge.RowID, row *crdt.Row) error {
	return t.Put(id, &merge.State{
		Stamps: row.Stamps, KnownRow: row.KnownRow, KnownCells: row.KnownCells, HasLoss: len(row.Lost) > 0,
		Place: merge.Aside, Reason: "is still another row of this number, to which an application has written",
		Columns: slices.Clone(row.Columns), Values: slices.Clone(row.Values),
	}, row.Lost)
}

// toOther adds a change of the row that the table shows.
func (a *adoption) toOther(id merge.RowID, k *takeover, row *capture.Row) error {
	if err := a.unseen(id, k, a.withoutNumber(row)); err != nil || !row.Delete {
		return err
	}
	return a.t.remember(id, &takeover{Gone: true, Columns: k.Columns, Values: k.Values}) // what comes next is new
}

// withoutNumber takes the number out of a write of a row that was not inserted.
func (a *adoption) withoutNumber(row *capture.Row) *capture.Row {
	update, at := *row, slices.Index(row.Columns, a.r.number(row.Table))
	if row.Delete || at < 0 {
		return row
	}
	update.Columns = slices.Delete(slices.Clone(row.Columns), at, at+1)
	update.Values = slices.Delete(slices.Clone(row.Values), at, at+1)
	return &update
}

// goesOn returns what an insert overwrites that goes on with a life that others know: it
// is written as one over a tombstone of that life.
func goesOn(number string, life clock.Stamp) crdt.Stamps {
	return crdt.Stamps{Deleted: life, Cells: []crdt.CellStamp{{Column: number, Stamp: life}}}
}

// withCell returns stamps with that of a column.
func withCell(s crdt.Stamps, column string, at clock.Stamp) crdt.Stamps {
	s.Cells = slices.Clone(s.Cells)
	s.Cells = slices.DeleteFunc(s.Cells, func(c crdt.CellStamp) bool { return c.Column == column })
	return s.WithLife(column, at)
}
