package memdb

import (
	"slices"

	"baraza/crdt"
	"baraza/merge"
)

// update writes the columns that row lists. A changed key is a delete and an
// insert.
func (db *DB) update(t *table, r *record, row merge.Row, log func(logEntry)) *refusal {
	vals := slices.Clone(r.vals)
	if bad := t.fill(row, vals, nil, nil); bad != nil {
		return bad
	}
	changed := make([]int, 0, len(row.Columns))
	for _, column := range t.shipped {
		if vals[column] != r.vals[column] {
			changed = append(changed, column)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return db.move(t, r, vals, changed, log)
}

// delete removes a row and does what the foreign keys that point to it say.
// On a refusal the caller takes back what was done.
func (db *DB) delete(t *table, r *record, log func(logEntry)) *refusal {
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
	log(entry)
	db.remove(t, r)
	return nil
}

// dereference takes away the rows, or the values, that refer to r.
func (db *DB) dereference(ref *reference, r *record, log func(logEntry)) *refusal {
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
			vals := slices.Clone(child.vals)
			vals[ref.column] = crdt.Null
			db.set(ref.from, child, vals)
			log(logEntry{table: ref.from, key: child.key, columns: []int{ref.column}})
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
	return logEntry{table: t, key: r.key, deleted: true, image: t.portable(r)}
}
