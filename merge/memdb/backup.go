package memdb

import (
	"maps"
	"slices"

	"baraza/crdt"
	"baraza/merge"
)

// Backup is all that a database had at one moment, what is ours included.
type Backup struct {
	tables map[string]tableBackup
	log    changeLog
	mark   merge.Mark
}

type tableBackup struct {
	next int64
	rows map[crdt.Key][]crdt.Value
}

// Backup copies what is committed.
func (db *DB) Backup() *Backup {
	b := &Backup{tables: map[string]tableBackup{}, mark: db.mark}
	db.committed(func() {
		for name, t := range db.tables {
			rows := make(map[crdt.Key][]crdt.Value, len(t.rows))
			for key, r := range t.rows {
				rows[key] = slices.Clone(r.vals)
			}
			b.tables[name] = tableBackup{t.next, rows}
		}
		b.log = changeLog{slices.Clone(db.log.entries), db.log.last}
	})
	return b
}

// Restore puts a backup in place of everything, of this database or of another
// with the same tables. The open transaction is lost, as when a server stops.
func (db *DB) Restore(b *Backup) {
	db.Disconnect()
	for name, t := range db.tables {
		old := b.tables[name]
		t.next, t.rows = old.next, make(map[crdt.Key]*record)
		t.changes++
		for _, ix := range t.unique {
			ix.rows = make(map[crdt.Key]*record)
		}
		for _, ref := range t.refs {
			if ref != nil {
				ref.count = make(map[crdt.Value]int)
			}
		}
	}
	for name, t := range db.tables {
		rows := b.tables[name].rows
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			t.enter(&record{key: key, vals: slices.Clone(rows[key])})
		}
	}
	db.log = changeLog{slices.Clone(b.log.entries), b.log.last}
	for i := range db.log.entries {
		e := &db.log.entries[i]
		e.table = db.tables[e.table.def.Name]
	}
	db.mark = b.mark
}
