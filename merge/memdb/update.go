package memdb

import (
	"slices"

	"baraza/crdt"
	"baraza/merge"
)

// update writes the columns that row lists. A changed key is a delete and an
// insert.
func (db *DB) update(t *table, r *record, row merge.Row, log noter) *refusal {
	vals := t.copyOf(r.vals)
	if bad := t.fill(row, vals, nil, nil); bad != nil {
		return bad
	}
	var few [fewColumns]int
	changed, keyed, refers := few[:0], false, false
	for _, column := range t.shipped {
		if vals[column] != r.vals[column] {
			changed = append(changed, column)
			keyed, refers = keyed || t.keyed[column], refers || t.refs[column] != nil
		}
	}
	switch {
	case len(changed) == 0:
		t.giveUp(vals)
		return nil
	case keyed:
		return db.move(t, r, vals, slices.Clone(changed), log)
	case refers:
		db.set(t, r, vals)
	default:
		t.changes++
		db.undo = append(db.undo, change{kind: updated, t: t, r: r, vals: r.vals})
		r.vals = vals
	}
	if log != nil {
		log(logEntry{table: t, key: r.key, columns: append(cut(&db.columns, len(changed))[:0], changed...)})
	}
	return nil
}

// delete removes a row and does what the foreign keys that point to it say.
// On a refusal the caller takes back what was done.
func (db *DB) delete(t *table, r *record, log noter) *refusal {
	r.deleting = true
	defer func() { r.deleting = false }()
	entry := db.deletion(t, r)
	for _, ref := range t.referrers {
		if !ref.def.Declared {
			continue
		}
		if bad := db.dereference(ref, r, log); bad != nil {
			return bad
		}
	}
	log.note(entry)
	db.remove(t, r)
	return nil
}

// dereference takes away the rows, or the values, that refer to r.
func (db *DB) dereference(ref *reference, r *record, log noter) *refusal {
	v := ref.to.canonical(r.vals[ref.target], ref.target)
	if v.IsNull() || ref.count[v] == 0 {
		return nil
	}
	for _, child := range ref.from.sorted() {
		if ref.to.canonical(child.vals[ref.column], ref.target) != v {
			continue
		}
		switch ref.def.OnDelete {
		case "CASCADE":
			if child.deleting {
				continue
			}
			if bad := db.delete(ref.from, child, log); bad != nil {
				return bad
			}
		case "SET NULL":
			vals := ref.from.copyOf(child.vals)
			vals[ref.column] = crdt.Null
			db.set(ref.from, child, vals)
			log.note(logEntry{table: ref.from, key: child.key, columns: []int{ref.column}})
		default:
			if child == r { // as if the reference had been taken away first
				continue
			}
			return refuse(merge.RefusedReference, "cannot delete %s %s: row %s of %s refers to it", ref.to.def.Name, r.key, child.key, ref.from.def.Name)
		}
	}
	return nil
}

// deletion returns the log entry of a row that is about to go.
func (db *DB) deletion(t *table, r *record) logEntry {
	image := t.portable(r)
	return logEntry{table: t, key: r.key, deleted: &image}
}
