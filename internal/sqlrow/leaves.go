package sqlrow

import (
	"baraza/crdt"
	"baraza/schema"
)

// The identity of a row may be a reference, and that row's identity too: a
// patient is named by its person's uuid. When the patient is deleted, its
// person may be gone before anybody reads of it. So the trigger notes what the
// references lead to while it is there: the leaves, the plain columns at the
// ends of all paths that begin at the identity columns.

// Leaf is one such column.
type Leaf struct {
	// SQL is an expression over the row that Leaves was asked for. It reads what is committed now,
	// not what the transaction's snapshot shows.
	SQL    string
	Column Column
	Def    *schema.Column
}

// Leaves returns the leaves of the table's identity, in a fixed order; none
// where the identity has no reference. row is what SQL calls the row, as in OLD.
func (t *Table) Leaves(row string) []Leaf {
	var leaves []Leaf
	for _, i := range t.identity {
		if ref := t.refs[i]; ref != nil {
			leaves = ref.leaves(leaves, row+"."+QuoteName(t.cols[i].Name))
		}
	}
	return leaves
}

// leaves appends those reached from a column whose local value sql gives.
func (ref *reference) leaves(leaves []Leaf, sql string) []Leaf {
	to := ref.to
	if ref.direct {
		if inner := to.refs[ref.target]; inner != nil {
			return inner.leaves(leaves, sql)
		}
		return append(leaves, to.leaf(ref.target, sql))
	}
	for _, i := range to.identity {
		value := "(SELECT " + QuoteName(to.cols[i].Name) + " FROM " + QuoteName(to.Def.Name) + " WHERE " +
			QuoteName(to.cols[ref.target].Name) + "=" + sql + " LIMIT 1 LOCK IN SHARE MODE)"
		if inner := to.refs[i]; inner != nil {
			leaves = inner.leaves(leaves, value)
			continue
		}
		leaves = append(leaves, to.leaf(i, value))
	}
	return leaves
}

func (t *Table) leaf(i int, sql string) Leaf {
	return Leaf{SQL: sql, Column: t.cols[i], Def: t.Def.Column(t.cols[i].Name)}
}

// NameByLeaves sets the key of a row, and the references among its identity
// columns, from the values of its Leaves. Without any it does nothing. Of a
// reference whose leaves are NULL, since the row that it leads to was deleted
// before this one, it leaves what is known of it otherwise.
func (t *Table) NameByLeaves(row *Row, leaves []crdt.Value) {
	if len(leaves) == 0 {
		return
	}
	for _, i := range t.identity {
		if ref := t.refs[i]; ref != nil {
			var key crdt.Key
			key, leaves = ref.fromLeaves(leaves)
			if key != "" {
				row.Values[i] = crdt.Ref(key)
			}
		}
	}
	row.Key = t.Key(row.Values)
}

// fromLeaves makes the key of the referenced row, "" when a leaf is missing,
// and returns the leaves that are left.
func (ref *reference) fromLeaves(leaves []crdt.Value) (crdt.Key, []crdt.Value) {
	to := ref.to
	parts := make([]crdt.Value, len(to.identity))
	complete := true
	for j, i := range to.identity {
		if inner := to.refs[i]; inner != nil {
			var key crdt.Key
			key, leaves = inner.fromLeaves(leaves)
			parts[j] = crdt.Ref(key)
			complete = complete && key != ""
			continue
		}
		parts[j] = to.cols[i].Canonical(leaves[0])
		complete = complete && !leaves[0].IsNull()
		leaves = leaves[1:]
	}
	if !complete {
		return "", leaves
	}
	return crdt.MakeKey(parts...), leaves
}

// LookedUp reports whether references find rows of the table by this column,
// and not by the value itself.
func (ts *Tables) LookedUp(table, column string) bool {
	for _, t := range ts.byName {
		for _, ref := range t.refs {
			if ref != nil && !ref.direct && ref.to.Def.Name == table && ref.to.cols[ref.target].Name == column {
				return true
			}
		}
	}
	return false
}

// IsNumber reports whether the column holds whole numbers.
func (c *Column) IsNumber() bool { return c.kind == kindInt || c.kind == kindBit }

// NameAlone returns the key of a row in local form, by its leaves alone: no
// table is looked at. "" when they do not tell.
func (t *Table) NameAlone(row *Row, leaves []crdt.Value) crdt.Key {
	named := Row{Values: make([]crdt.Value, len(row.Values))}
	for _, i := range t.identity {
		if t.refs[i] == nil {
			named.Values[i] = row.Values[i]
		}
	}
	t.NameByLeaves(&named, leaves)
	if len(leaves) == 0 {
		named.Key = t.Key(named.Values)
	}
	return named.Key
}
