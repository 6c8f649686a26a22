package memdb

import (
	"fmt"
	"slices"
	"strings"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// table is one table with its rows and indexes.
type table struct {
	def       *schema.Table
	position  map[string]int // of columns
	folding   []folding      // of columns
	identity  []int
	shipped   []int
	names     []string     // of the shipped columns
	refs      []*reference // by column, nil for plain ones
	referrers []*reference // those that point here, in order of their tables
	unique    []*index     // the primary key is the first
	// keyed are the columns of the identity and of unique indexes, and those that
	// references lead to: who writes none of them changes no other row. self are the
	// columns that refer to the table itself.
	keyed   []bool
	self    selfReferences
	auto    int // the auto-increment column, -1 for none
	next    int64
	stride  int64
	rows    map[crdt.Key]*record
	changes uint64 // of rows, those of open transactions and taken back ones too
	// spare are values that no row has any more, to be written to again.
	spare [][]crdt.Value
}

// spareMax bounds table.spare.
const spareMax = 64

// copyOf returns a copy of a row's values.
func (t *table) copyOf(vals []crdt.Value) []crdt.Value {
	last := len(t.spare) - 1
	if last < 0 {
		return slices.Clone(vals)
	}
	c := t.spare[last]
	t.spare = t.spare[:last]
	copy(c, vals)
	return c
}

// giveUp takes values that nothing leads to any more.
func (t *table) giveUp(vals []crdt.Value) {
	if len(t.spare) < spareMax {
		t.spare = append(t.spare, vals)
	}
}

// record is one row. Its values are the local ones, one for each column.
type record struct {
	key      crdt.Key
	ref      crdt.Value // a reference to it, once someone needed it
	vals     []crdt.Value
	deleting bool // a cascade is under way
}

// index finds rows by the canonical values of some columns. Rows with a NULL
// among them are not in it.
type index struct {
	name    string
	columns []int
	rows    map[crdt.Key]*record
}

// reference is a column that holds a value of another table's column.
type reference struct {
	def    *schema.Reference
	from   *table
	column int
	to     *table
	target int
	lookup *index             // of the target column
	count  map[crdt.Value]int // rows that refer to each canonical value
}

func newTable(def *schema.Table, config Config) *table {
	t := &table{
		def:      def,
		position: make(map[string]int),
		refs:     make([]*reference, len(def.Columns)),
		names:    def.Shipped(),
		auto:     -1,
		next:     config.First,
		stride:   config.Stride,
		rows:     make(map[crdt.Key]*record),
	}
	for i, c := range def.Columns {
		t.folding = append(t.folding, foldingOf(c.Collation))
		t.position[c.Name] = i
		if c.Name == def.AutoIncrement {
			t.auto = i
		}
	}
	if def.Numbered() {
		t.next, t.stride = config.Offset, config.Increment
	}
	t.identity = t.positions(def.Identity.Columns)
	t.shipped = t.positions(t.names)
	t.addIndex("PRIMARY", def.PrimaryKey)
	for _, u := range def.Unique {
		t.addIndex(u.Name, u.Columns)
	}
	return t
}

func (t *table) positions(columns []string) []int {
	return t.positionsIn(make([]int, 0, len(columns)), columns)
}

// positionsIn is positions with room for the list.
func (t *table) positionsIn(list []int, columns []string) []int {
	for _, name := range columns {
		p, ok := t.column(name)
		if !ok {
			panic(fmt.Sprintf("memdb: table %s has no column %s", t.def.Name, name))
		}
		list = append(list, p)
	}
	return list
}

func (t *table) addIndex(name string, columns []string) *index {
	ix := &index{name: name, columns: t.positions(columns), rows: make(map[crdt.Key]*record)}
	t.unique = append(t.unique, ix)
	return ix
}

// link connects a table's references to the tables that they point to. A
// referenced column is found through an index of its own.
func (db *DB) link(t *table) {
	for i := range t.def.References {
		def := &t.def.References[i]
		to := db.tables[def.Table]
		if to == nil {
			continue // not in the model: a plain column
		}
		ref := &reference{
			def: def, from: t, column: t.position[def.Column],
			to: to, target: to.position[def.Target], count: make(map[crdt.Value]int),
		}
		for _, ix := range to.unique {
			if len(ix.columns) == 1 && ix.columns[0] == ref.target {
				ref.lookup = ix
			}
		}
		if ref.lookup == nil {
			ref.lookup = to.addIndex(def.Target, []string{def.Target})
		}
		t.refs[ref.column] = ref
		to.referrers = append(to.referrers, ref)
	}
	t.self = t.selfReferences()
}

// setKeyed finds the columns that are more than a row's own, when all tables are
// linked.
func (t *table) setKeyed() {
	t.keyed = make([]bool, len(t.def.Columns))
	for _, column := range t.identity {
		t.keyed[column] = true
	}
	for _, ix := range t.unique {
		for _, column := range ix.columns {
			t.keyed[column] = true
		}
	}
	for _, ref := range t.referrers {
		t.keyed[ref.target] = true
	}
}

// sorted returns the rows in order of their keys.
func (t *table) sorted() []*record {
	rows := make([]*record, 0, len(t.rows))
	for _, r := range t.rows {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b *record) int { return strings.Compare(string(a.key), string(b.key)) })
	return rows
}

// portable returns a row as other sites know it.
func (t *table) portable(r *record) merge.Row {
	return t.portableIn(make([]crdt.Value, len(t.shipped)), r)
}

// portableIn is portable with room for the values.
func (t *table) portableIn(values []crdt.Value, r *record) merge.Row {
	for i, column := range t.shipped {
		values[i] = t.out(r.vals[column], column)
	}
	return merge.Row{Key: r.key, Columns: t.names, Values: values}
}

// out returns a local value as other sites know it: a reference that leads
// nowhere is NULL.
func (t *table) out(v crdt.Value, column int) crdt.Value {
	ref := t.refs[column]
	if ref == nil || v.IsNull() {
		return v
	}
	target := ref.find(v)
	if target == nil {
		return crdt.Null
	}
	return target.reference()
}

// reference returns a reference to the row in portable form.
func (r *record) reference() crdt.Value {
	if r.ref == crdt.Null {
		r.ref = crdt.Ref(r.key)
	}
	return r.ref
}

// find returns the row that a local value refers to.
func (ref *reference) find(v crdt.Value) *record {
	return ref.lookup.rows[crdt.MakeKey(ref.to.canonical(v, ref.target))]
}

// folding is what a column's collation takes as equal.
type folding uint8

const (
	trims   folding = 1 << iota // trailing blanks
	lowers                      // letter case
	nothing folding = 0
)

func foldingOf(collation string) (f folding) {
	if collation == "" {
		return nothing
	}
	if !strings.Contains(collation, "nopad") && !strings.Contains(collation, "0900") {
		f |= trims
	}
	if strings.HasSuffix(collation, "_ci") {
		f |= lowers
	}
	return f
}

// canonical returns the value that stands for all that the column's collation
// takes as equal to v: mostly v itself.
func (t *table) canonical(v crdt.Value, column int) crdt.Value {
	f := t.folding[column]
	if f == nothing || v.Tag() != crdt.TagText {
		return v
	}
	if f&trims != 0 && v[len(v)-1] == ' ' {
		v = crdt.Value(strings.TrimRight(string(v), " "))
	}
	if f&lowers != 0 {
		if lower := strings.ToLower(v.Payload()); lower != v.Payload() {
			v = crdt.Text(lower)
		}
	}
	return v
}

// column returns the place of a column; false when there is none.
func (t *table) column(name string) (int, bool) {
	if len(t.def.Columns) > fewColumns {
		at, ok := t.position[name]
		return at, ok
	}
	for i := range t.def.Columns {
		if t.def.Columns[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// fewColumns is how many columns are looked through one by one.
const fewColumns = 8

// entry returns the key of a row in an index; false when it is not in it.
func (ix *index) entry(t *table, vals []crdt.Value) (crdt.Key, bool) {
	if len(ix.columns) == 1 {
		v := vals[ix.columns[0]]
		return crdt.MakeKey(t.canonical(v, ix.columns[0])), !v.IsNull()
	}
	list := make([]crdt.Value, len(ix.columns))
	for i, column := range ix.columns {
		if vals[column].IsNull() {
			return "", false
		}
		list[i] = t.canonical(vals[column], column)
	}
	return crdt.MakeKey(list...), true
}

// taken returns the index in which another row than self has these values.
func (t *table) taken(vals []crdt.Value, self *record) *index {
	for _, ix := range t.unique {
		if self != nil && ix.same(vals, self.vals) {
			continue
		}
		key, in := ix.entry(t, vals)
		if other := ix.rows[key]; in && other != nil && other != self {
			return ix
		}
	}
	return nil
}

// same reports whether two rows have the same bytes in the index's columns.
func (ix *index) same(a, b []crdt.Value) bool {
	for _, column := range ix.columns {
		if a[column] != b[column] {
			return false
		}
	}
	return true
}
