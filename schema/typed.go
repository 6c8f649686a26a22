package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// declareTyped adds the columns whose reference depends on another value.
// Profiles serve many versions of an application: what names a table or column
// that is not there says nothing.
func declareTyped(m *Model, declared map[string]TypedBy, lenient bool) error {
	for _, from := range slices.Sorted(maps.Keys(declared)) {
		table, column, ok := strings.Cut(from, ".")
		if !ok {
			return fmt.Errorf("typed reference %q: it is written table.column", from)
		}
		t := m.Tables[table]
		if t == nil || t.Column(column) == nil || t.Reference(column) != nil {
			continue
		}
		if c := t.Column(column); c.Charset == "" && !slices.Contains(integerTypes, c.Base) {
			if lenient {
				t.Wrong = "its column " + column + " refers to other tables, and is neither a number nor a text any more"
				continue
			}
			return fmt.Errorf("typed reference %s: its type %s holds neither a number nor a text", from, c.Type)
		}
		x := TypedReference{Column: column, Tables: map[string]string{}}
		var known bool
		if x.By, x.Type, known = m.whatTells(t, declared[from].By); !known {
			continue
		}
		for value, to := range declared[from].Tables {
			if m.numbered(to) {
				x.Tables[value] = to
			}
		}
		if len(x.Tables) > 0 {
			t.Typed = append(t.Typed, x)
		}
	}
	return nil
}

// whatTells finds the column that tells; false where there is none.
func (m *Model) whatTells(t *Table, by string) (column, of string, known bool) {
	column, of, other := strings.Cut(by, ".")
	c, ref := t.Column(column), t.Reference(column)
	switch {
	case !other:
		return column, "", c != nil && c.Charset != ""
	case ref == nil || m.Tables[ref.Table] == nil:
		return column, of, false
	}
	c = m.Tables[ref.Table].Column(of)
	return column, of, c != nil && c.Charset != ""
}

// numbered reports whether rows of a table are referred to by a whole number and
// can be named the same at every site.
func (m *Model) numbered(table string) bool {
	t := m.Tables[table]
	if t == nil || len(t.PrimaryKey) != 1 || !m.portable(table, nil) {
		return false
	}
	return slices.Contains(integerTypes, t.Column(t.PrimaryKey[0]).Base)
}
