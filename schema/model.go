package schema

import "slices"

// Model is the tables of one database that replication knows: the replicated
// ones and those that they refer to.
type Model struct {
	Database string
	Tables   map[string]*Table
	// Increment and Offset are the server's auto_increment_increment and
	// auto_increment_offset: which numbers it gives out.
	Increment, Offset uint64
	// Acting are the foreign keys with an action by which a replicated row may
	// change: those of tables outside replication too, of which Tables knows only
	// what replicated ones refer to.
	Acting []ActingKey
	// BreaksCircles: the server does not go round a circle of ON DELETE CASCADE and
	// leaves references to nothing there. MySQL does so from 9.6 on, unless InnoDB
	// itself looks after foreign keys.
	BreaksCircles bool
	// ZoneSeconds is how far the server's local time is ahead of UTC.
	ZoneSeconds int
}

// Table is one table.
type Table struct {
	Name string
	// Replicated: changes of this table are captured and applied. A table that
	// is not replicated is in the model only because a replicated one refers
	// to it.
	Replicated bool
	Columns    []Column
	PrimaryKey []string
	// AutoIncrement names the column that the database numbers; "" for none.
	AutoIncrement string
	Identity      Identity
	References    []Reference
	// Typed are columns whose reference depends on another value.
	Typed []TypedReference
	// Composite are the foreign keys of several columns. Their columns travel
	// as they are, but for those that are References on their own account.
	Composite []ForeignKey
	Unique    []Index
	Engine    string
	// Dates are columns that tell when a row was written: the greatest of them is
	// the first stamp of a row that was there before replication began.
	Dates []string
	// Wrong says what of the settings does not fit the table any more; see
	// Options.Lenient.
	Wrong string
	// numbersClash: nothing keeps two sites from giving out the same identity.
	numbersClash bool
	// Match says which rows mean the same under different identities; nil for none.
	Match *Match
	// Triggers are those of the administrator, not of baraza.
	Triggers []string
}

// Column is one column.
type Column struct {
	Name string
	// Type is the full SQL type, as in "varchar(38)" or "int(10) unsigned".
	Type string
	// Base is the SQL type's name in lower case, as in "varchar".
	Base      string
	Unsigned  bool
	Nullable  bool
	Charset   string // "" for columns that are not text
	Collation string
	// MaxChars is the length limit of text columns, in characters.
	MaxChars   int64
	Generated  bool // never shipped
	HasDefault bool
	// OnUpdateNow: the database sets the column to the current time when a
	// row is updated and the statement does not write the column.
	OnUpdateNow bool
}

// Identity is how a row is named the same at every site.
type Identity struct {
	// Columns make the portable key, in this order.
	Columns []string
	// Local: the primary key is not (part of) the identity; each site numbers
	// its rows itself, and the primary key is never shipped.
	Local bool
	// Unsure: nothing makes sure that the identity, a uuid column, is there and
	// unique. It serves to name rows that others refer to; the table itself is
	// not replicated unless its configuration names the identity.
	Unsure bool
	// Source says where the identity comes from, for people: "uuid",
	// "primary key", "configuration", "reference to person".
	Source string
}

// Reference says that a column holds the primary key (or another identifying
// column) of a row of a table.
type Reference struct {
	Column string
	Table  string // the referenced table
	Target string // the referenced column
	// Declared: the database has a foreign key for it.
	Declared           bool
	OnDelete, OnUpdate string // "RESTRICT", "NO ACTION", "CASCADE", "SET NULL"
}

// TypedReference says that a column holds, as a number or as its text, the
// primary key of a row of one of several tables, or no reference at all: another
// value tells.
type TypedReference struct {
	Column string
	// By is the column that tells, or, with Type, the reference to the row whose
	// column Type tells.
	By, Type string
	// Tables are the tables by what that value is. Any other value means that
	// the column is no reference.
	Tables map[string]string
}

// Reference returns what the column holds where it refers to the table; nil
// where it never does. No reference is left dangling, so it is as with RESTRICT.
func (x *TypedReference) Reference(m *Model, table string) *Reference {
	for _, name := range x.Tables {
		if name == table {
			return &Reference{Column: x.Column, Table: table, Target: m.Tables[table].PrimaryKey[0], OnDelete: "NO ACTION", OnUpdate: "NO ACTION"}
		}
	}
	return nil
}

// Match says which rows of a table mean the same at sites that have not met yet,
// though their identities differ: those with the same values in some columns.
type Match struct {
	Columns []string `yaml:"columns" json:"columns"`
	// Values, where there are any, are those of the only column that count.
	Values []string `yaml:"values,omitempty" json:"values,omitempty"`
}

// ForeignKey is a foreign key of several columns.
type ForeignKey struct {
	Columns            []string
	Table              string
	Targets            []string
	OnDelete, OnUpdate string
}

// Index is a unique index. The primary key is one of them, by the name
// PRIMARY, only where it travels and is not the identity.
type Index struct {
	Name    string
	Columns []string
}

// Column returns the named column; nil when there is none.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// InKey reports whether the column is of the primary key or of the identity.
func (t *Table) InKey(column string) bool {
	return slices.Contains(t.PrimaryKey, column) || slices.Contains(t.Identity.Columns, column)
}

// Reference returns the reference that the column holds; nil when it holds
// none.
func (t *Table) Reference(column string) *Reference {
	for i := range t.References {
		if t.References[i].Column == column {
			return &t.References[i]
		}
	}
	return nil
}

// InUnique reports whether the column is part of a unique index.
func (t *Table) InUnique(column string) bool {
	return slices.ContainsFunc(t.Unique, func(u Index) bool { return slices.Contains(u.Columns, column) })
}

// TypedReference returns what the column holds by its type; nil for a column that
// is none such.
func (t *Table) TypedReference(column string) *TypedReference {
	for i := range t.Typed {
		if t.Typed[i].Column == column {
			return &t.Typed[i]
		}
	}
	return nil
}

// Shipped returns the columns that travel, in table order: all but generated
// ones and a primary key that is the site's own.
func (t *Table) Shipped() []string {
	names := make([]string, 0, len(t.Columns))
	for _, c := range t.Columns {
		if c.Generated || t.localNumber(c.Name) {
			continue
		}
		names = append(names, c.Name)
	}
	return names
}

// localNumber reports whether the column is the number that this site alone
// gives its rows.
func (t *Table) localNumber(column string) bool {
	if !t.Identity.Local || len(t.PrimaryKey) != 1 || t.PrimaryKey[0] != column {
		return false
	}
	return t.Reference(column) == nil
}
