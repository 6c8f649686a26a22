package memdb

import (
	"context"
	"slices"
	"strings"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Referrers implements merge.Tx.
func (x *tx) Referrers(ctx context.Context, parent *schema.Table, by *schema.Referrer, keys []crdt.Key, limit int) ([]merge.Link, error) {
	to, err := x.step(ctx, StepReferrers, parent)
	if err != nil {
		return nil, err
	}
	from, err := x.db.table(by.Child.Name)
	if err != nil {
		return nil, err
	}
	var fewColumns, fewTargets [2]int
	columns, targets := from.positionsIn(fewColumns[:0], by.Columns), to.positionsIn(fewTargets[:0], by.Targets)
	var parents map[crdt.Key]crdt.Key
	for _, key := range keys {
		if r := to.rows[key]; r != nil && from.mayRefer(columns, to, r.vals, targets) {
			if values := to.tuple(r.vals, targets, targets); values != "" {
				if parents == nil {
					parents = map[crdt.Key]crdt.Key{}
				}
				parents[values] = key
			}
		}
	}
	if len(parents) == 0 {
		return nil, nil
	}
	var links []merge.Link
	for _, child := range from.rows {
		values := to.tuple(child.vals, columns, targets)
		if key, ok := parents[values]; ok && values != "" {
			links = append(links, merge.Link{Parent: key, Child: child.key})
		}
	}
	if len(links) > limit {
		return nil, merge.ErrTooMany
	}
	slices.SortFunc(links, func(a, b merge.Link) int {
		if a.Child != b.Child {
			return strings.Compare(string(a.Child), string(b.Child))
		}
		return strings.Compare(string(a.Parent), string(b.Parent))
	})
	return links, nil
}

// mayRefer reports whether rows of t may refer with these columns to a row of
// the table to: for a single column that is counted.
func (t *table) mayRefer(columns []int, to *table, vals []crdt.Value, targets []int) bool {
	ref := t.refs[columns[0]]
	return len(columns) > 1 || ref == nil || ref.count[to.canonical(vals[targets[0]], targets[0])] > 0
}

// tuple returns a name for the values in some columns, which is equal exactly
// when values in the target columns of t are; "" when one is NULL.
func (t *table) tuple(vals []crdt.Value, columns, targets []int) crdt.Key {
	parts := make([]crdt.Value, len(columns))
	for i, column := range columns {
		if vals[column].IsNull() {
			return ""
		}
		parts[i] = t.canonical(vals[column], targets[i])
	}
	return crdt.MakeKey(parts...)
}
