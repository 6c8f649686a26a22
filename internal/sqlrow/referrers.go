package sqlrow

import (
	"context"
	"fmt"
	"slices"

	"baraza/crdt"
)

// Link is a row that refers to another; Child is "" for one that cannot be
// named.
type Link struct{ Parent, Child crdt.Key }

// Referrers returns the rows of child that refer with these columns to the
// target columns of the parent rows that keys name: at most limit of them and
// one more. typed: only those whose type says that they refer to that table.
func (r *Refs) Referrers(ctx context.Context, q Queryer, parent, child *Table, columns, targets []string, typed bool, keys []crdt.Key, limit int) ([]Link, error) {
	var links []Link
	only := ""
	if typed {
		var err error
		if only, err = child.typedOnly(columns[0], parent.Def.Name); err != nil {
			return nil, err
		}
	}
	for chunk := range slices.Chunk(keys, Batch) {
		parents, tuples, err := r.targets(ctx, q, parent, targets, chunk)
		if err != nil {
			return nil, err
		}
		if len(tuples) == 0 {
			continue
		}
		if typed {
			for i := range tuples {
				tuples[i] = []crdt.Value{child.Column(columns[0]).Spelled(tuples[i][0])}
			}
		}
		more, err := r.children(ctx, q, child, columns, tuples, only, limit-len(links), func(values []crdt.Value) crdt.Key {
			if n, is := numberIn(values[0]); typed && is {
				values = []crdt.Value{n}
			}
			return parents[parent.canonicalTuple(targets, values)]
		})
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", child.Def.Name, err)
		}
		if links = append(links, more...); len(links) > limit {
			break
		}
	}
	return links, nil
}

// targets reads what columns that refer to the rows hold: the rows' keys by
// their canonical form, and the values.
func (r *Refs) targets(ctx context.Context, q Queryer, t *Table, targets []string, keys []crdt.Key) (map[crdt.Key]crdt.Key, [][]crdt.Value, error) {
	m, err := r.match(ctx, q, t, keys)
	if err != nil || m.where == "" {
		return nil, nil, err
	}
	at := t.positions(targets)
	if slices.Contains(at, -1) {
		return nil, nil, fmt.Errorf("table %s: its columns %v are not known", t.Def.Name, targets)
	}
	fields := append(t.pick(t.identity), t.pick(at)...)
	parents := make(map[crdt.Key]crdt.Key, len(keys))
	var tuples [][]crdt.Value
	n := len(t.identity)
	query := "SELECT " + SelectList(fields) + " FROM " + QuoteName(t.Def.Name) + " WHERE " + m.where
	err = Each(ctx, q, query, fields, func(v []crdt.Value) {
		key := m.key(v[:n])
		if key == "" || slices.ContainsFunc(v[n:], crdt.Value.IsNull) {
			return // nothing refers to it
		}
		tuples = append(tuples, v[n:])
		parents[t.canonicalTuple(targets, v[n:])] = key
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look up %s: %w", t.Def.Name, err)
	}
	return parents, tuples, nil
}

// children reads the rows whose columns hold one of the tuples, and for which
// only is true, where it is not "".
func (r *Refs) children(ctx context.Context, q Queryer, t *Table, columns []string, tuples [][]crdt.Value, only string, limit int, parent func([]crdt.Value) crdt.Key) ([]Link, error) {
	from := t.pick(t.positions(columns))
	where, err := AppendMatch(nil, from, tuples)
	if err != nil {
		return nil, err
	}
	if only != "" {
		where = append(append(where, " AND "...), only...)
	}
	// The identity follows one field, as portableIdentity wants it.
	fields := slices.Concat(from[:1], t.pick(t.identity), from[1:])
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s LIMIT %d", SelectList(fields), QuoteName(t.Def.Name), where, limit+1)
	var rows [][]crdt.Value
	if err := Each(ctx, q, query, fields, func(v []crdt.Value) { rows = append(rows, v) }); err != nil {
		return nil, err
	}
	if err := r.portableIdentity(ctx, q, t, rows); err != nil {
		return nil, err
	}
	links := make([]Link, len(rows))
	n := 1 + len(t.identity)
	for i, v := range rows {
		links[i] = Link{Child: t.keyOfIdentity(v[1:n]), Parent: parent(append(v[:1:1], v[n:]...))}
	}
	return links, nil
}

// canonicalTuple returns a name for values of some columns that is equal exactly
// when the database says that the values are.
func (t *Table) canonicalTuple(columns []string, values []crdt.Value) crdt.Key {
	parts := make([]crdt.Value, len(values))
	for i, name := range columns {
		parts[i] = t.cols[t.position(name)].Canonical(values[i])
	}
	return crdt.MakeKey(parts...)
}

// With returns the keys of the rows that have these local values in some
// columns; "" for one that cannot be named.
func (r *Refs) With(ctx context.Context, q Queryer, t *Table, columns []string, values []crdt.Value) ([]crdt.Key, error) {
	const few = 10 // of a unique index there is one
	links, err := r.children(ctx, q, t, columns, [][]crdt.Value{values}, "", few, func([]crdt.Value) crdt.Key { return "" })
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", t.Def.Name, err)
	}
	keys := make([]crdt.Key, len(links))
	for i, l := range links {
		keys[i] = l.Child
	}
	return keys, nil
}
