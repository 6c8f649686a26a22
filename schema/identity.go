package schema

import (
	"fmt"
	"slices"
	"strings"
)

// uuidColumn is the column that names a row the same at every site, where the
// application follows that custom.
const uuidColumn = "uuid"

// integerTypes are the types of numbers that a site can give out itself.
var integerTypes = []string{"tinyint", "smallint", "mediumint", "int", "integer", "bigint"}

// identify chooses the identity of every table: what the configuration says,
// else a NOT NULL unique uuid column, else a primary key that is more than a
// number that the database gives, else such a number where each site gives out
// numbers of its own. A table for which there is none keeps an Identity without
// columns.
func identify(m *Model, opts Options) error {
	configured, lenient := opts.Identity, opts.Lenient
	apart := opts.Numbered || m.Increment > 1
	for name, columns := range configured {
		t := m.Tables[name]
		if t == nil {
			continue // profiles serve many versions of an application
		}
		for _, c := range columns {
			if t.Column(c) == nil {
				if lenient {
					t.Wrong = "its identity column " + c + " is not there any more"
					continue
				}
				return fmt.Errorf("identity of table %s: it has no column %s", name, c)
			}
		}
	}
	for _, t := range m.Tables {
		t.Identity = t.choose(configured[t.Name])
		if len(t.Identity.Columns) == 0 && len(t.PrimaryKey) == 1 && t.Replicated && apart {
			t.Identity = Identity{Columns: t.PrimaryKey, Source: "number of one site only"}
		}
		t.numbersClash = t.Numbered() && !apart && !lenient
		t.Identity.Local = t.numbersItself()
		travels := len(t.Identity.Columns) > 0 && !t.Identity.Local
		if travels && len(t.PrimaryKey) > 0 && !sameSet(t.PrimaryKey, t.Identity.Columns) {
			t.Unique = append([]Index{{Name: "PRIMARY", Columns: t.PrimaryKey}}, t.Unique...)
		}
	}
	return nil
}

func (t *Table) choose(configured []string) Identity {
	if len(configured) > 0 {
		return Identity{Columns: configured, Source: "configuration"}
	}
	uuid := Identity{Columns: []string{uuidColumn}, Source: "uuid"}
	c := t.Column(uuidColumn)
	if c != nil && !c.Generated {
		uuid.Unsure = c.Nullable || !t.isUnique(uuid.Columns)
		if !uuid.Unsure {
			return uuid
		}
	}
	if len(t.PrimaryKey) == 1 {
		pk := t.PrimaryKey[0]
		if ref := t.Reference(pk); ref != nil {
			return Identity{Columns: t.PrimaryKey, Source: "reference to " + ref.Table}
		}
		if pk == t.AutoIncrement {
			if c != nil && !c.Generated {
				return uuid
			}
			return Identity{}
		}
	}
	if len(t.PrimaryKey) > 0 {
		return Identity{Columns: t.PrimaryKey, Source: "primary key"}
	}
	return Identity{}
}

// Numbered reports whether nothing names a row of the table but a number that the
// database gives: sites must give out different ones, and two inserts of one
// number are two rows (rule R3).
func (t *Table) Numbered() bool {
	return len(t.PrimaryKey) == 1 && t.AutoIncrement == t.PrimaryKey[0] && slices.Equal(t.Identity.Columns, t.PrimaryKey) &&
		t.Reference(t.AutoIncrement) == nil
}

// Number names the column that alone names the table's rows, where that is a
// number that the database gives; "" where it is not. A table that is not known has
// none.
func (t *Table) Number() string {
	if t == nil || !t.Numbered() {
		return ""
	}
	return t.AutoIncrement
}

// Numbered returns the names of the replicated tables that are.
func Numbered(m *Model) []string {
	var names []string
	for _, t := range m.sorted() {
		if t.Replicated && t.Numbered() {
			names = append(names, t.Name)
		}
	}
	return names
}

// numbersItself reports whether the primary key is a number that each site
// gives its rows itself.
func (t *Table) numbersItself() bool {
	if len(t.PrimaryKey) != 1 || len(t.Identity.Columns) == 0 {
		return false
	}
	pk := t.PrimaryKey[0]
	c := t.Column(pk)
	return c != nil && !slices.Contains(t.Identity.Columns, pk) && t.Reference(pk) == nil &&
		slices.Contains(integerTypes, c.Base)
}

// isUnique reports whether a unique index or the primary key makes sure that
// no two rows have the same values in these columns.
func (t *Table) isUnique(columns []string) bool {
	if len(t.PrimaryKey) > 0 && subset(t.PrimaryKey, columns) {
		return true
	}
	return slices.ContainsFunc(t.Unique, func(ix Index) bool { return subset(ix.Columns, columns) })
}

func subset(small, large []string) bool {
	return !slices.ContainsFunc(small, func(c string) bool { return !slices.Contains(large, c) })
}

func sameSet(a, b []string) bool { return subset(a, b) && subset(b, a) }

// portable reports whether rows of the table can be named the same at every
// site: the table has an identity, and so has every table that the identity
// refers to, in no circle.
func (m *Model) portable(name string, above []string) bool {
	t := m.Tables[name]
	if t == nil || len(t.Identity.Columns) == 0 || slices.Contains(above, name) {
		return false
	}
	for _, c := range t.Identity.Columns {
		if ref := t.Reference(c); ref != nil && !m.portable(ref.Table, append(above, name)) {
			return false
		}
	}
	return true
}

func list(columns []string) string { return strings.Join(columns, ", ") }
