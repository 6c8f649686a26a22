package memdb

import (
	"unicode/utf8"

	"baraza/crdt"
	"baraza/merge"
)

// noter takes note of a write; nil where it is not captured.
type noter func(logEntry)

func (log noter) note(e logEntry) {
	if log != nil {
		log(e)
	}
}

// insert adds a row with the portable values of row. References are checked,
// but for the columns in later, which stay NULL whatever the column says.
func (db *DB) insert(t *table, row merge.Row, later map[int]bool, log noter) (*record, *refusal) {
	vals := make([]crdt.Value, len(t.def.Columns))
	var few [fewColumns]bool
	given := append(few[:0], make([]bool, len(vals))...)
	if bad := t.fillKey(row.Key, vals, given); bad != nil {
		return nil, bad
	}
	if bad := t.fill(row, vals, given, later); bad != nil {
		return nil, bad
	}
	if bad := t.fillDefaults(vals, given); bad != nil {
		return nil, bad
	}
	key := t.keyOf(vals)
	if row.Key != "" && row.Key != key {
		return nil, refuse(merge.RefusedValue, "the values of %s make the key %s, not %s", t.def.Name, key, row.Key)
	}
	if ix := t.taken(vals, nil); ix != nil {
		return nil, duplicate(t, ix)
	}
	t.numbered(vals)
	r := &record{key: key, vals: vals}
	db.add(t, r)
	log.note(logEntry{table: t, key: key, columns: t.shipped})
	return r, nil
}

func duplicate(t *table, ix *index) *refusal {
	return refuse(merge.RefusedDuplicate, "duplicate entry for key %s.%s", t.def.Name, ix.name)
}

// numbered moves the next number past the one that a row has.
func (t *table) numbered(vals []crdt.Value) {
	if t.auto < 0 {
		return
	}
	if n, ok := vals[t.auto].AsInt(); ok && n >= t.next {
		t.next += ((n-t.next)/t.stride + 1) * t.stride
	}
}

// fillKey sets the identity columns from the key.
func (t *table) fillKey(key crdt.Key, vals []crdt.Value, given []bool) *refusal {
	if key == "" {
		return nil
	}
	parts := key.Values()
	if len(parts) != len(t.identity) {
		return refuse(merge.RefusedValue, "the key %s does not fit %s", key, t.def.Name)
	}
	for i, column := range t.identity {
		v, bad := t.in(parts[i], column)
		if bad != nil {
			return bad
		}
		vals[column], given[column] = v, true
	}
	return nil
}

// fill sets the columns that the row lists, and notes them in given, which may be
// nil. Of several things that are wrong,
// a reference is told first.
func (t *table) fill(row merge.Row, vals []crdt.Value, given []bool, later map[int]bool) *refusal {
	var first *refusal
	for i, name := range row.Columns {
		column, ok := t.column(name)
		if !ok {
			return refuse(merge.RefusedValue, "unknown column %s in %s", name, t.def.Name)
		}
		if given != nil {
			given[column] = true
		}
		if later[column] {
			continue
		}
		v, bad := t.in(row.Values[i], column)
		switch {
		case bad == nil:
			vals[column] = v
		case bad.why == merge.RefusedReference:
			return bad
		case first == nil:
			first = bad
		}
	}
	return first
}

// fillDefaults numbers the row and gives the columns that nobody set their
// defaults: NULL, or the zero of the column's type.
func (t *table) fillDefaults(vals []crdt.Value, given []bool) *refusal {
	for i := range t.def.Columns {
		c := &t.def.Columns[i]
		switch {
		case given[i]:
		case i == t.auto:
			vals[i] = crdt.Int(t.next)
		case c.Nullable || c.Generated:
		case !c.HasDefault:
			return refuse(merge.RefusedValue, "column %s.%s has no default value", t.def.Name, c.Name)
		case c.Charset != "" || c.Collation != "":
			vals[i] = crdt.Text("")
		default:
			vals[i] = crdt.Int(0)
		}
	}
	return nil
}

// in returns the local form of a portable value.
func (t *table) in(v crdt.Value, column int) (crdt.Value, *refusal) {
	c := &t.def.Columns[column]
	if v.IsNull() {
		if !c.Nullable {
			return v, refuse(merge.RefusedValue, "column %s.%s cannot be null", t.def.Name, c.Name)
		}
		return v, nil
	}
	if ref := t.refs[column]; ref != nil {
		key, ok := v.Key()
		if !ok {
			return v, refuse(merge.RefusedValue, "column %s.%s needs a reference", t.def.Name, c.Name)
		}
		target := ref.to.rows[key]
		if target == nil {
			return v, refuse(merge.RefusedReference, "%s.%s refers to %s in %s, which is not there", t.def.Name, c.Name, key, ref.to.def.Name)
		}
		return target.vals[ref.target], nil
	}
	if n := c.MaxChars; n > 0 && v.Tag() == crdt.TagText && int64(utf8.RuneCountInString(v.Payload())) > n {
		return v, refuse(merge.RefusedValue, "data too long for column %s.%s", t.def.Name, c.Name)
	}
	return v, nil
}

// keyOf returns the portable key of a row with these local values.
func (t *table) keyOf(vals []crdt.Value) crdt.Key {
	if len(t.identity) == 1 {
		return crdt.MakeKey(t.keyPart(vals, t.identity[0]))
	}
	parts := make([]crdt.Value, len(t.identity))
	for i, column := range t.identity {
		parts[i] = t.keyPart(vals, column)
	}
	return crdt.MakeKey(parts...)
}

func (t *table) keyPart(vals []crdt.Value, column int) crdt.Value {
	if t.refs[column] != nil {
		return t.out(vals[column], column)
	}
	return t.canonical(vals[column], column)
}
