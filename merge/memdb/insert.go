package memdb

import (
	"context"
	"fmt"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Insert adds the rows of one call in the order of their references to each
// other. Rows that refer to each other in a ring, or to themselves, come last.
func (x *tx) Insert(ctx context.Context, def *schema.Table, rows []merge.Row) ([]merge.RowError, error) {
	t, err := x.step(ctx, StepInsert, def)
	if err != nil {
		return nil, err
	}
	var waiting map[crdt.Key]bool // where it matters
	if len(rows) > 1 || len(t.self) > 0 {
		waiting = make(map[crdt.Key]bool, len(rows))
	}
	for _, row := range rows {
		if t.rows[row.Key] != nil {
			return nil, fmt.Errorf("memdb: insert into %s: row %s is there: %w", def.Name, row.Key, merge.ErrRetry)
		}
		if waiting[row.Key] {
			return nil, fmt.Errorf("memdb: insert into %s: row %s twice in one call", def.Name, row.Key)
		}
		if waiting != nil {
			waiting[row.Key] = true
		}
	}
	self := t.self
	var refused []merge.RowError
	for {
		var later []merge.Row
		for _, row := range rows {
			if self.anyIn(t, row, waiting) {
				later = append(later, row)
				continue
			}
			if _, bad := x.db.insert(t, row, nil, nil); bad != nil {
				refused = append(refused, bad.of(row.Key))
			}
			delete(waiting, row.Key)
		}
		if len(later) == 0 || len(later) == len(rows) {
			return append(refused, x.insertRing(t, later, self)...), nil
		}
		rows = later
	}
}

// insertRing adds rows without their references to this table, and sets those
// once all are in. As a refused row takes its referrers with it, everything is
// taken back and tried again without those that were refused.
func (x *tx) insertRing(t *table, rows []merge.Row, self selfReferences) []merge.RowError {
	var refused []merge.RowError
	for len(rows) > 0 {
		before := len(x.db.undo)
		good := rows[:0:0]
		for _, row := range rows {
			if _, bad := x.db.insert(t, row, self, nil); bad != nil {
				refused = append(refused, bad.of(row.Key))
				continue
			}
			good = append(good, row)
		}
		in := good
		good = rows[:0:0]
		for _, row := range in {
			if bad := x.db.update(t, t.rows[row.Key], row, nil); bad != nil {
				refused = append(refused, bad.of(row.Key))
				continue
			}
			good = append(good, row)
		}
		if len(good) == len(rows) {
			break
		}
		x.db.undoTo(before)
		rows = good
	}
	return refused
}

// selfReferences are a table's columns that refer to the table itself.
type selfReferences map[int]bool

func (t *table) selfReferences() (self selfReferences) {
	for column, ref := range t.refs {
		if ref != nil && ref.to == t {
			if self == nil {
				self = make(selfReferences)
			}
			self[column] = true
		}
	}
	return self
}

// anyIn reports whether the row refers to one of the keys.
func (s selfReferences) anyIn(t *table, row merge.Row, keys map[crdt.Key]bool) bool {
	if len(s) == 0 {
		return false
	}
	for i, v := range row.Values {
		if key, ok := v.Key(); ok && keys[key] && s[t.position[row.Columns[i]]] {
			return true
		}
	}
	return false
}
