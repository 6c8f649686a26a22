package memdb

import (
	"slices"

	"baraza/crdt"
	"baraza/merge"
)

// moving is a row that gets other values because of a key that changes, by itself or
// as a row above it does (ON UPDATE CASCADE, SET NULL).
type moving struct {
	t       *table
	r       *record
	vals    []crdt.Value
	entry   logEntry // of its delete, as it was
	changed []int
}

// move gives a row new values that others refer to, and those others what their
// foreign keys say, through all levels. Of a row whose key changes the log says, as
// capture does, that it was deleted and another inserted.
func (db *DB) move(t *table, r *record, vals []crdt.Value, changed []int, log noter) *refusal {
	list := []*moving{{t: t, r: r, vals: vals, changed: changed}}
	for i := 0; i < len(list); i++ {
		m := list[i]
		if bad := m.t.unmoved(m.r, m.vals); bad != nil {
			return bad
		}
		for _, ref := range m.t.referrers {
			list = m.below(ref, list)
		}
	}
	if len(list) > 1 || t.keyOf(vals) != r.key {
		for _, m := range list {
			m.entry = db.deletion(m.t, m.r)
		}
	}
	for _, m := range list {
		if ix := m.t.taken(m.vals, m.r); ix != nil {
			return duplicate(m.t, ix)
		}
		key := m.t.keyOf(m.vals)
		if key == m.r.key {
			db.set(m.t, m.r, m.vals)
			log.note(logEntry{table: m.t, key: key, columns: m.changed})
			continue
		}
		log.note(m.entry)
		db.remove(m.t, m.r)
		db.add(m.t, &record{key: key, vals: m.vals})
		log.note(logEntry{table: m.t, key: key, columns: m.t.shipped})
	}
	return nil
}

// below adds the rows that a reference leads from to a row that moves, with what
// they get.
func (m *moving) below(ref *reference, list []*moving) []*moving {
	old, next := m.r.vals[ref.target], m.vals[ref.target]
	if old == next || ref.count[m.t.canonical(old, ref.target)] == 0 {
		return list
	}
	if ref.def.OnUpdate == "SET NULL" {
		next = crdt.Null
	}
	for _, child := range ref.from.sorted() {
		if child.vals[ref.column].IsNull() || m.t.canonical(child.vals[ref.column], ref.target) != m.t.canonical(old, ref.target) {
			continue
		}
		at := slices.IndexFunc(list, func(x *moving) bool { return x.r == child })
		if at < 0 {
			at = len(list)
			list = append(list, &moving{t: ref.from, r: child, vals: slices.Clone(child.vals)})
		}
		list[at].vals[ref.column] = next
		list[at].changed = append(list[at].changed, ref.column)
	}
	return list
}

// unmoved refuses new values that would change what other rows refer to, where
// those do not go along.
func (t *table) unmoved(r *record, vals []crdt.Value) *refusal {
	rekeyed := t.keyOf(vals) != r.key
	for _, ref := range t.referrers {
		old := t.canonical(r.vals[ref.target], ref.target)
		moved := old != t.canonical(vals[ref.target], ref.target)
		along := moved && ref.def.Declared && (ref.def.OnUpdate == "CASCADE" || ref.def.OnUpdate == "SET NULL")
		if (rekeyed || moved) && !along && ref.count[old] > 0 {
			return refuse(merge.RefusedReference, "the key of %s %s cannot change: rows of %s refer to it", t.def.Name, r.key, ref.from.def.Name)
		}
	}
	return nil
}
