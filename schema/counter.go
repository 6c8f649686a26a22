package schema

import (
	"fmt"
	"slices"
)

// counting are the types of a column that may be a counter. What is added to a
// FLOAT or DOUBLE depends on the order in which it is.
var counting = []string{"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"}

// CanCount says why a column of a table cannot be a counter; nil when it can.
func CanCount(m *Model, t *Table, column string) error {
	c := t.Column(column)
	no := func(why string) error { return fmt.Errorf("column %s.%s cannot be a counter: %s", t.Name, column, why) }
	switch {
	case c == nil:
		return no("there is none of that name")
	case !slices.Contains(counting, c.Base):
		return no("it is of type " + c.Type + ": use an integer or a DECIMAL")
	case c.Nullable:
		return no("it may be NULL: make it NOT NULL")
	case c.Generated:
		return no("the database makes its values")
	case column == t.AutoIncrement || slices.Contains(t.PrimaryKey, column) || slices.Contains(t.Identity.Columns, column):
		return no("it is in the table's key")
	case t.Reference(column) != nil:
		return no("it refers to another table")
	}
	for _, u := range t.Unique {
		if slices.Contains(u.Columns, column) {
			return no("it is in the unique index " + u.Name)
		}
	}
	for _, by := range Referrers(m)[t.Name] {
		if slices.Contains(by.Targets, column) {
			return no("table " + by.Child.Name + " refers to it")
		}
	}
	for _, fk := range t.Composite {
		if slices.Contains(fk.Columns, column) {
			return no("it refers to table " + fk.Table)
		}
	}
	return nil
}
