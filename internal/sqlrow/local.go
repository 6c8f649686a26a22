package sqlrow

import (
	"context"
	"fmt"
	"slices"

	"baraza/crdt"
)

// Locals returns for each key that names a row of t the value of that row's
// target column: what a column that refers to it holds here. Keys that name no
// row are absent. The lock, such as LOCK IN SHARE MODE, is put on the rows.
func (r *Refs) Locals(ctx context.Context, q Queryer, t *Table, target string, keys []crdt.Key, lock string) (map[crdt.Key]crdt.Value, error) {
	found := make(map[crdt.Key]crdt.Value, len(keys))
	position := t.position(target)
	if position < 0 {
		return nil, fmt.Errorf("table %s: nothing refers to its column %s", t.Def.Name, target)
	}
	columns := append([]Column{t.cols[position]}, t.pick(t.identity)...)
	for chunk := range slices.Chunk(keys, Batch) {
		m, err := r.match(ctx, q, t, chunk)
		if err != nil {
			return nil, err
		}
		if m.where == "" {
			continue
		}
		query := "SELECT " + SelectList(columns) + " FROM " + QuoteName(t.Def.Name) + " WHERE " + m.where + " " + lock
		err = Each(ctx, q, query, columns, func(v []crdt.Value) {
			if key := m.key(v[1:]); key != "" {
				found[key] = v[0]
			}
		})
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", t.Def.Name, err)
		}
	}
	return found, nil
}

// Rows reads the rows that keys name, in portable form and in no order.
func (r *Refs) Rows(ctx context.Context, q Queryer, t *Table, keys []crdt.Key, lock string) ([]Row, error) {
	wanted := make(map[crdt.Key]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	var rows []Row
	for chunk := range slices.Chunk(keys, Batch) {
		m, err := r.match(ctx, q, t, chunk)
		if err != nil {
			return nil, err
		}
		if m.where == "" {
			continue
		}
		more, err := t.Read(ctx, q, m.where+" "+lock)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	if err := r.Portable(ctx, q, t, rows); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rows, func(row Row) bool { return !wanted[row.Key] }), nil
}

// match is how to find the rows that some keys name.
type match struct {
	t *Table
	// where is the condition, "" when none of the keys can name a row.
	where string
	// back gives for each identity column that is a reference the reference of
	// a canonical local value; nil for plain columns.
	back []map[crdt.Value]crdt.Value
}

// match translates keys to a condition on the identity columns.
func (r *Refs) match(ctx context.Context, q Queryer, t *Table, keys []crdt.Key) (*match, error) {
	m := &match{t: t, back: make([]map[crdt.Value]crdt.Value, len(t.identity))}
	var tuples [][]crdt.Value
	for _, key := range keys {
		if values := key.Values(); len(values) == len(t.identity) {
			tuples = append(tuples, values)
		}
	}
	for j, i := range t.identity {
		if t.refs[i] == nil {
			continue
		}
		local, err := r.locals(ctx, q, t.refs[i], tuples, j)
		if err != nil {
			return nil, err
		}
		m.back[j] = make(map[crdt.Value]crdt.Value, len(local))
		tuples = slices.DeleteFunc(tuples, func(tuple []crdt.Value) bool {
			reference := tuple[j]
			v, ok := local[reference]
			if ok {
				m.back[j][t.refs[i].canonical(v)] = reference
				tuple[j] = v
			}
			return !ok
		})
	}
	tuples = slices.DeleteFunc(tuples, func(tuple []crdt.Value) bool {
		return slices.ContainsFunc(tuple, func(v crdt.Value) bool { return v.IsNull() || v.Tag() == crdt.TagRef })
	})
	if len(tuples) == 0 {
		return m, nil
	}
	where, err := AppendMatch(nil, t.pick(t.identity), tuples)
	m.where = string(where)
	return m, err
}

// canonical returns the canonical form of a local value of the reference.
func (ref *reference) canonical(v crdt.Value) crdt.Value { return ref.to.cols[ref.target].Canonical(v) }

// locals returns the local values for the references at place j of the tuples.
func (r *Refs) locals(ctx context.Context, q Queryer, ref *reference, tuples [][]crdt.Value, j int) (map[crdt.Value]crdt.Value, error) {
	local := make(map[crdt.Value]crdt.Value, len(tuples))
	var keys []crdt.Key
	for _, tuple := range tuples {
		key, ok := tuple[j].Key()
		if _, known := local[tuple[j]]; !ok || known {
			continue
		}
		local[tuple[j]] = crdt.Null
		keys = append(keys, key)
	}
	if ref.direct && ref.to.refs[ref.target] == nil {
		// The key is the value itself, but for letter case and the like.
		for _, key := range keys {
			if values := key.Values(); len(values) == 1 {
				local[crdt.Ref(key)] = values[0]
			}
		}
	} else {
		found, err := r.Locals(ctx, q, ref.to, ref.to.cols[ref.target].Name, keys, "")
		if err != nil {
			return nil, err
		}
		for key, v := range found {
			local[crdt.Ref(key)] = v
		}
	}
	for reference, v := range local {
		if v.IsNull() {
			delete(local, reference)
		}
	}
	return local, nil
}

// key returns the key of a row with these local identity values.
func (m *match) key(values []crdt.Value) crdt.Key {
	parts := make([]crdt.Value, len(values))
	for j, i := range m.t.identity {
		v := values[j]
		if m.back[j] != nil {
			v = m.back[j][m.t.refs[i].canonical(v)]
		}
		if v.IsNull() {
			return ""
		}
		parts[j] = m.t.cols[i].Canonical(v)
	}
	return crdt.MakeKey(parts...)
}
