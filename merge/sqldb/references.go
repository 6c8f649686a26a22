package sqldb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"baraza/crdt"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/schema"
)

// knownReferences are the local values of referenced rows, by the column that
// refers to them.
type knownReferences map[string]map[crdt.Key]crdt.Value

// references looks up all rows that the rows refer to, but not through the
// columns that are written later.
func (x *tx) references(ctx context.Context, t *sqlrow.Table, rows []merge.Row, later []string) (knownReferences, error) {
	known := make(knownReferences)
	for i := range t.Def.References {
		ref := &t.Def.References[i]
		to := x.db.tables.Table(ref.Table)
		if to == nil || slices.Contains(later, ref.Column) {
			continue
		}
		known[ref.Column] = nil
		keys := keysIn(rows, ref.Column, slices.Contains(t.Def.Identity.Columns, ref.Column), t.Def)
		if len(keys) == 0 {
			continue
		}
		values, err := x.resolve(ctx, target{to, ref.Target}, keys)
		if err != nil {
			return nil, err
		}
		known[ref.Column] = values
	}
	for i := range t.Def.Typed {
		if err := x.links(ctx, &t.Def.Typed[i], rows, known); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// links looks up the rows that a typed column of the rows refers to. They are
// known by what follows the tag of a Link: table and key.
func (x *tx) links(ctx context.Context, typed *schema.TypedReference, rows []merge.Row, known knownReferences) error {
	keys := map[string][]crdt.Key{}
	for _, row := range rows {
		if at := slices.Index(row.Columns, typed.Column); at >= 0 {
			if table, key, is := row.Values[at].Link(); is {
				keys[table] = append(keys[table], key)
			}
		}
	}
	for _, table := range slices.Sorted(maps.Keys(keys)) {
		to := x.db.tables.Table(table)
		if to == nil || len(to.PrimaryKey()) != 1 {
			continue
		}
		values, err := x.resolve(ctx, target{to, to.PrimaryKey()[0].Name}, keys[table])
		if err != nil {
			return err
		}
		if known[typed.Column] == nil {
			known[typed.Column] = map[crdt.Key]crdt.Value{}
		}
		for _, key := range keys[table] {
			if v, ok := values[key]; ok {
				known[typed.Column][crdt.Key(crdt.Link(table, key).Payload())] = v
			}
		}
	}
	return nil
}

// keysIn lists the different keys in a reference column of the rows. Of a row
// that lacks a column of its identity, the key has it.
func keysIn(rows []merge.Row, column string, identity bool, def *schema.Table) []crdt.Key {
	var keys []crdt.Key
	seen := make(map[crdt.Key]bool)
	at := -1
	for _, row := range rows {
		if at < 0 || at >= len(row.Columns) || row.Columns[at] != column {
			at = slices.Index(row.Columns, column)
		}
		var v crdt.Value
		if at >= 0 {
			v = row.Values[at]
		} else if parts := row.Key.Values(); identity && len(parts) == len(def.Identity.Columns) {
			v = parts[slices.Index(def.Identity.Columns, column)]
		}
		if key, ok := v.Key(); ok && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}

// referencesOf returns the references that the columns hold.
func referencesOf(def *schema.Table, columns []string) []*schema.Reference {
	refs := make([]*schema.Reference, len(columns))
	for i, name := range columns {
		refs[i] = def.Reference(name)
	}
	return refs
}

// columnsOf returns the columns with these names, nil for what is none.
func columnsOf(t *sqlrow.Table, names []string) []*sqlrow.Column {
	columns := make([]*sqlrow.Column, len(names))
	for i, name := range names {
		columns[i] = t.Column(name)
	}
	return columns
}

// appendColumn appends the literal of a portable value. Nothing is known of the
// column's type where col is nil.
func appendColumn(b []byte, row crdt.Key, column string, col *sqlrow.Column, ref *schema.Reference, v crdt.Value, known knownReferences) ([]byte, *merge.RowError) {
	if key, isRef := v.Key(); isRef && ref != nil {
		local, ok := known[column][key]
		if !ok {
			return b, &merge.RowError{
				Key: row, Refusal: merge.RefusedReference,
				Detail: fmt.Sprintf("column %s refers to row %s of table %s, which is not there", column, key, ref.Table),
			}
		}
		v = local
	} else if table, key, isLink := v.Link(); isLink && col != nil {
		local, ok := known[column][crdt.Key(v.Payload())]
		if !ok {
			return b, &merge.RowError{
				Key: row, Refusal: merge.RefusedReference,
				Detail: fmt.Sprintf("column %s refers to row %s of table %s, which is not there", column, key, table),
			}
		}
		v = col.Spelled(local)
	} else if _, translated := known[column]; translated && ref != nil && !v.IsNull() {
		return b, &merge.RowError{Key: row, Refusal: merge.RefusedValue, Detail: fmt.Sprintf("column %s needs a reference", column)}
	}
	var err error
	if col != nil {
		err = col.Fits(v)
	}
	if err == nil {
		b, err = sqlrow.AppendLiteral(b, v)
	}
	if err != nil {
		return b, &merge.RowError{Key: row, Refusal: merge.RefusedValue, Detail: fmt.Sprintf("column %s: %v", column, err)}
	}
	return b, nil
}

var errNotLocked = errors.New("the row is not there; lock it first")
