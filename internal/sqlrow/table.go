package sqlrow

import (
	"context"
	"fmt"
	"slices"

	"baraza/crdt"
	"baraza/schema"
)

// Tables are the tables of a model, ready to be read and written.
type Tables struct {
	byName map[string]*Table
}

// Table is one table.
type Table struct {
	Def *schema.Table
	// Columns are the names of the shipped columns, to be shared by all rows.
	Columns []string

	// cols are the shipped columns and then those of the primary key that are
	// not shipped. Of a table that is only referred to they are no more than
	// others need of it.
	cols     []Column
	pk       []int        // in cols
	identity []int        // in cols
	refs     []*reference // of each of cols; nil for a plain column
	typed    []*typed
}

// reference is where a column points.
type reference struct {
	to     *Table
	target int // in to.cols
	// direct: the target is the whole identity, and no lookup is needed.
	direct bool
}

// Row is one row as it was read.
type Row struct {
	// PK is the primary key, local values.
	PK []crdt.Value
	// Values are those of Table.Columns.
	Values []crdt.Value
	// Key is the portable key, set by Refs.Portable; "" for a row that cannot
	// be named, because part of its identity is NULL or refers to nothing.
	Key crdt.Key
}

// NewTables prepares the tables of a model.
func NewTables(m *schema.Model) (*Tables, error) {
	ts := &Tables{byName: make(map[string]*Table)}
	needed := neededColumns(m)
	for name, def := range m.Tables {
		t, err := newTable(def, needed[name])
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
		ts.byName[name] = t
	}
	for _, t := range ts.byName {
		ts.link(t)
	}
	for _, t := range ts.byName {
		if err := ts.linkTyped(t); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Def.Name, err)
		}
	}
	return ts, nil
}

// neededColumns lists per table the columns that references point to.
func neededColumns(m *schema.Model) map[string][]string {
	needed := make(map[string][]string)
	for _, t := range m.Tables {
		for _, ref := range t.References {
			needed[ref.Table] = append(needed[ref.Table], ref.Target)
		}
	}
	return needed
}

func newTable(def *schema.Table, targets []string) (*Table, error) {
	t := &Table{Def: def}
	if def.Replicated {
		t.Columns = def.Shipped()
	}
	names := slices.Clone(t.Columns)
	for _, name := range slices.Concat(def.PrimaryKey, def.Identity.Columns, targets) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		c := def.Column(name)
		if c == nil {
			return nil, fmt.Errorf("it has no column %s", name)
		}
		col, err := NewColumn(c)
		if err != nil {
			return nil, err
		}
		t.cols = append(t.cols, col)
	}
	t.refs = make([]*reference, len(t.cols))
	t.pk = t.positions(def.PrimaryKey)
	t.identity = t.positions(def.Identity.Columns)
	return t, nil
}

func (t *Table) positions(names []string) []int {
	list := make([]int, len(names))
	for i, name := range names {
		list[i] = t.position(name)
	}
	return list
}

func (t *Table) position(name string) int {
	return slices.IndexFunc(t.cols, func(c Column) bool { return c.Name == name })
}

func (ts *Tables) link(t *Table) {
	for i := range t.cols {
		def := t.Def.Reference(t.cols[i].Name)
		if def == nil {
			continue
		}
		to := ts.byName[def.Table]
		if to == nil || len(to.identity) == 0 {
			continue // Check refuses the table, or nobody asks for this column
		}
		target := to.position(def.Target)
		t.refs[i] = &reference{to: to, target: target, direct: len(to.identity) == 1 && to.identity[0] == target}
	}
}

// Table returns the named table; nil when the model does not have it.
func (ts *Tables) Table(name string) *Table { return ts.byName[name] }

// Column returns the reader and writer of a column; nil when the table does
// not have it or it is not shipped nor part of the primary key.
func (t *Table) Column(name string) *Column {
	if i := t.position(name); i >= 0 {
		return &t.cols[i]
	}
	return nil
}

// PrimaryKey returns the columns of the primary key.
func (t *Table) PrimaryKey() []Column { return t.pick(t.pk) }

// Read reads the rows that a condition selects, which may end in FOR UPDATE or
// the like. References are local values still; see Refs.Portable.
func (t *Table) Read(ctx context.Context, q Queryer, where string) ([]Row, error) {
	var rows []Row
	query := "SELECT " + SelectList(t.cols) + " FROM " + QuoteName(t.Def.Name) + " WHERE " + where
	err := Each(ctx, q, query, t.cols, func(v []crdt.Value) { rows = append(rows, t.Row(v)) })
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", t.Def.Name, err)
	}
	return rows, nil
}

// Fields are the columns that Read reads: the shipped ones and then those of
// the primary key that are not shipped.
func (t *Table) Fields() []Column { return t.cols }

// Row makes a row of the values of Fields; it keeps the slice.
func (t *Table) Row(values []crdt.Value) Row {
	n := len(t.Columns)
	r := Row{Values: values[:n:n]}
	if len(t.pk) == 1 && t.refs[t.pk[0]] == nil {
		i := t.pk[0]
		r.PK = values[i : i+1 : i+1]
		return r
	}
	r.PK = make([]crdt.Value, len(t.pk)) // Portable writes over references
	for i, p := range t.pk {
		r.PK[i] = values[p]
	}
	return r
}

// Key returns the portable key of a row with these portable values of
// Table.Columns, "" for a row that cannot be named.
func (t *Table) Key(values []crdt.Value) crdt.Key {
	if len(t.identity) == 1 {
		i := t.identity[0]
		if values[i].IsNull() {
			return ""
		}
		return crdt.MakeKey(t.cols[i].Canonical(values[i]))
	}
	parts := make([]crdt.Value, len(t.identity))
	for j, i := range t.identity {
		if values[i].IsNull() {
			return ""
		}
		parts[j] = t.cols[i].Canonical(values[i])
	}
	return crdt.MakeKey(parts...)
}

// LocalKey returns a name for a primary key that is equal exactly when the
// database says that the primary keys are.
func (t *Table) LocalKey(pk []crdt.Value) string {
	if len(pk) == 1 {
		return string(t.cols[t.pk[0]].Canonical(pk[0]))
	}
	parts := make([]crdt.Value, len(pk))
	for i, p := range t.pk {
		parts[i] = t.cols[p].Canonical(pk[i])
	}
	return string(crdt.MakeKey(parts...))
}

func (t *Table) pick(positions []int) []Column {
	columns := make([]Column, len(positions))
	for i, p := range positions {
		columns[i] = t.cols[p]
	}
	return columns
}

// AppendMatch appends a condition that is true for the rows whose columns have
// one of these tuples of values. None of the values is a reference.
func AppendMatch(b []byte, columns []Column, tuples [][]crdt.Value) (_ []byte, err error) {
	if len(columns) == 1 {
		b = append(append(b, QuoteName(columns[0].Name)...), " IN ("...)
		for i, tuple := range tuples {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = AppendLiteral(b, tuple[0]); err != nil {
				return nil, err
			}
		}
		return append(b, ')'), nil
	}
	// Row values in an IN list are not looked up by index everywhere; this is.
	b = append(b, '(')
	for i, tuple := range tuples {
		if i > 0 {
			b = append(b, " OR "...)
		}
		for j := range columns {
			if j > 0 {
				b = append(b, " AND "...)
			}
			b = append(append(b, QuoteName(columns[j].Name)...), '=')
			if b, err = AppendLiteral(b, tuple[j]); err != nil {
				return nil, err
			}
		}
	}
	return append(b, ')'), nil
}

// Batch is how many keys one statement looks up.
const Batch = 500

// ByPK reads the rows with these primary keys.
func (t *Table) ByPK(ctx context.Context, q Queryer, keys [][]crdt.Value, lock string) ([]Row, error) {
	var rows []Row
	for chunk := range slices.Chunk(keys, Batch) {
		where, err := AppendMatch(nil, t.PrimaryKey(), chunk)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Def.Name, err)
		}
		more, err := t.Read(ctx, q, string(where)+" "+lock)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// Shipped returns the place of a column in Table.Columns, -1 when it is not
// there.
func (t *Table) Shipped(name string) int { return slices.Index(t.Columns, name) }
