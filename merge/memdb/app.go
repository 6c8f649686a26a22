package memdb

import (
	"fmt"
	"slices"

	"baraza/crdt"
	"baraza/merge"
)

// Kind is what a Write does.
type Kind uint8

// The kinds of writes.
const (
	Insert Kind = iota + 1
	Update
	Delete
)

// Write is one statement of an application, in portable form. Insert takes the
// key from the values; Update and Delete name the row by Row.Key.
type Write struct {
	Kind  Kind
	Table string
	Row   merge.Row
}

// App runs statements as an application does: in one transaction, captured.
// All are done, or none and an error. A merge.RowError inside the error tells
// what was refused.
func (db *DB) App(writes ...Write) error {
	if db.open != nil {
		return errBusy
	}
	logged := len(db.log.entries)
	for i := range writes {
		if err := db.write(&writes[i]); err != nil {
			db.undoTo(0)
			db.log.entries = db.log.entries[:logged]
			return err
		}
	}
	db.commit()
	return nil
}

func (db *DB) commit() {
	if db.config.Committed != nil {
		for i := range db.undo {
			db.config.Committed(db.undo[i].t.def.Name, db.undo[i].r.key)
		}
	}
	for i := range db.undo {
		if c := &db.undo[i]; c.kind == updated {
			c.t.giveUp(c.vals)
		}
	}
	clear(db.undo)
	db.undo = db.undo[:0]
}

func (db *DB) write(w *Write) error {
	t, err := db.table(w.Table)
	if err != nil {
		return err
	}
	at := db.config.Now()
	log := func(e logEntry) {
		if e.table.def.Replicated {
			db.log.append(e, at)
		}
	}
	var bad *refusal
	r := t.rows[w.Row.Key]
	switch {
	case w.Kind == Insert:
		bad = db.insertAlone(t, w.Row, log)
	case r == nil:
		return fmt.Errorf("memdb: %s has no row %s", w.Table, w.Row.Key)
	case w.Kind == Update:
		bad = db.update(t, r, w.Row, log)
	case w.Kind == Delete:
		bad = db.delete(t, r, log)
	default:
		return fmt.Errorf("memdb: unknown kind of write %d", w.Kind)
	}
	if bad != nil {
		return bad.of(w.Row.Key)
	}
	return nil
}

// insertAlone adds one row, which may refer to itself.
func (db *DB) insertAlone(t *table, row merge.Row, log noter) *refusal {
	var own selfReferences
	for column := range t.self {
		if at := slices.Index(row.Columns, t.def.Columns[column].Name); at >= 0 && row.Key != "" && row.Values[at] == crdt.Ref(row.Key) {
			if own == nil {
				own = make(selfReferences)
			}
			own[column] = true
		}
	}
	r, bad := db.insert(t, row, own, log)
	if bad != nil || len(own) == 0 {
		return bad
	}
	return db.update(t, r, row, log)
}
