package memdb

import "baraza/crdt"

// change is one step of the open transaction, kept so that it can be undone
// and done again.
type change struct {
	kind changeKind
	t    *table
	r    *record
	vals []crdt.Value // the other values of an updated row
}

type changeKind uint8

const (
	added changeKind = iota
	removed
	updated
)

func (db *DB) add(t *table, r *record) {
	t.enter(r)
	db.undo = append(db.undo, change{kind: added, t: t, r: r})
}

func (db *DB) remove(t *table, r *record) {
	t.leave(r)
	db.undo = append(db.undo, change{kind: removed, t: t, r: r})
}

func (db *DB) set(t *table, r *record, vals []crdt.Value) {
	db.undo = append(db.undo, change{kind: updated, t: t, r: r, vals: r.vals})
	t.replace(r, vals)
}

// undoTo takes back the open transaction's steps after the first n.
func (db *DB) undoTo(n int) {
	for i := len(db.undo) - 1; i >= n; i-- {
		db.undo[i].reverse()
		if c := &db.undo[i]; c.kind == updated {
			c.t.giveUp(c.vals)
		}
	}
	clear(db.undo[n:])
	db.undo = db.undo[:n]
}

// committed runs f on what is committed: without the steps of the open
// transaction.
func (db *DB) committed(f func()) {
	for i := len(db.undo) - 1; i >= 0; i-- {
		db.undo[i].reverse()
	}
	f()
	for i := range db.undo {
		db.undo[i].repeat()
	}
}

func (c *change) reverse() {
	switch c.kind {
	case added:
		c.t.leave(c.r)
	case removed:
		c.t.enter(c.r)
	case updated:
		c.swap()
	}
}

func (c *change) repeat() {
	switch c.kind {
	case added:
		c.t.enter(c.r)
	case removed:
		c.t.leave(c.r)
	case updated:
		c.swap()
	}
}

func (c *change) swap() {
	vals := c.r.vals
	c.t.replace(c.r, c.vals)
	c.vals = vals
}

// enter puts a row into the table and its indexes.
func (t *table) enter(r *record) {
	t.changes++
	t.rows[r.key] = r
	for _, ix := range t.unique {
		if key, in := ix.entry(t, r.vals); in {
			ix.rows[key] = r
		}
	}
	for column, ref := range t.refs {
		if ref != nil {
			ref.add(r.vals[column], 1)
		}
	}
}

// leave takes a row out of the table and its indexes.
func (t *table) leave(r *record) {
	t.changes++
	delete(t.rows, r.key)
	for _, ix := range t.unique {
		ix.drop(t, r)
	}
	for column, ref := range t.refs {
		if ref != nil {
			ref.add(r.vals[column], -1)
		}
	}
}

// replace gives a row new values. Its key stays.
func (t *table) replace(r *record, vals []crdt.Value) {
	t.changes++
	for column, ref := range t.refs {
		if ref != nil && r.vals[column] != vals[column] {
			ref.add(r.vals[column], -1)
			ref.add(vals[column], 1)
		}
	}
	old := r.vals
	for _, ix := range t.unique {
		if !ix.same(old, vals) {
			ix.drop(t, r)
		}
	}
	r.vals = vals
	for _, ix := range t.unique {
		if ix.same(old, vals) {
			continue
		}
		if key, in := ix.entry(t, vals); in {
			ix.rows[key] = r
		}
	}
}

func (ix *index) drop(t *table, r *record) {
	if key, in := ix.entry(t, r.vals); in && ix.rows[key] == r {
		delete(ix.rows, key)
	}
}

func (ref *reference) add(v crdt.Value, n int) {
	if v.IsNull() {
		return
	}
	v = ref.to.canonical(v, ref.target)
	if ref.count[v] += n; ref.count[v] == 0 {
		delete(ref.count, v)
	}
}
