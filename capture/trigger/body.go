package trigger

import (
	"fmt"
	"slices"
	"strings"

	"baraza/internal/sqlrow"
	"baraza/schema"
)

// The operations in baraza.log.
const (
	opInsert = 1
	opUpdate = 2
	opDelete = 3
	// opLost: a row was changed, and the trigger could not tell which.
	opLost = 4
)

const (
	home     = "baraza" // the schema that holds our tables
	maskBits = 64
	goneID   = "baraza_id"      // in a gone table: the id of the log row
	goneN    = "baraza_n"       // in a gone table: numbers the rows of one log row
	goneLeaf = "baraza_leaf_%d" // in a gone table: a leaf of the identity
)

// plan is everything that Install makes for one table: a pure function of the
// model.
type plan struct {
	table *sqlrow.Table
	// columns have the places 0, 1, 2 … in this order.
	columns []sqlrow.Column
	names   []string
	leaves  []sqlrow.Leaf
	keyed   []string // columns of the gone table with an index
	// signedZero: the server tells 0 from -0.
	signedZero bool
	mysql      bool
}

func newPlan(ts *sqlrow.Tables, name string) (*plan, error) {
	p := &plan{table: ts.Table(name)}
	p.columns = p.table.Fields()
	if len(p.columns) > schema.ColumnsMax {
		return nil, fmt.Errorf("table %s: %d columns are more than %d", name, len(p.columns), schema.ColumnsMax)
	}
	if len(p.table.PrimaryKey()) == 0 || len(p.table.Def.Identity.Columns) == 0 {
		return nil, fmt.Errorf("table %s: it has no key; exclude it", name)
	}
	for i := range p.columns {
		c := &p.columns[i]
		p.names = append(p.names, c.Name)
		if c.IsNumber() && ts.LookedUp(name, c.Name) {
			p.keyed = append(p.keyed, c.Name)
		}
	}
	p.leaves = p.table.Leaves("OLD")
	return p, nil
}

// event is one of the three triggers of a table.
type event struct {
	suffix, name string
	body         func(p *plan, id int) string
}

var events = []event{
	{"i", "INSERT", (*plan).onInsert},
	{"u", "UPDATE", (*plan).onUpdate},
	{"d", "DELETE", (*plan).onDelete},
}

func triggerName(id int, suffix string) string { return fmt.Sprintf("%s_%d_%s", home, id, suffix) }

func (p *plan) onInsert(id int) string {
	return guarded(noteLost(id), "IF "+local+" THEN\n"+p.note(id, opInsert, "NEW", ""))
}

func (p *plan) onDelete(id int) string {
	return guarded(p.deleteInstead(id), "IF "+local+" THEN\n"+p.noteDelete(id))
}

// onUpdate: a row whose key changes is another row. What an update costs is
// mostly the preparing of every expression anew for every row: no IF within
// another, and no expression that is not needed. So it asks first whether the
// key kept its bits, as it nearly always does; only then whether it is the same
// key in other letters.
func (p *plan) onUpdate(id int) string {
	bits, key := []string{local}, []string{local}
	for i := range p.columns {
		if c := &p.columns[i]; p.inKey(c) {
			bits = append(bits, c.SameSQL("NEW", "OLD", p.signedZero))
			key = append(key, c.SameKeySQL("NEW", "OLD"))
		}
	}
	body := "IF " + strings.Join(bits, " AND ") + " THEN\n" +
		p.note(id, opUpdate, "NEW", p.same(true))
	if !slices.Equal(bits, key) {
		body += "ELSEIF " + strings.Join(key, " AND ") + " THEN\n" +
			p.note(id, opUpdate, "NEW", p.same(false))
	}
	return guarded(p.updateInstead(id), body+
		"ELSEIF "+local+" THEN\n"+
		p.noteDelete(id)+
		p.note(id, opInsert, "NEW", ""))
}

func (p *plan) inKey(c *sqlrow.Column) bool {
	return p.table.Def.InKey(c.Name)
}

// local keeps what baraza itself writes out of the log.
const local = "@baraza_apply IS NULL"

// note is the statement that adds a log row; same are the columns of an update
// that it left as they were. What a log row costs is the statement and its
// bytes, in the table, in the undo and in the redo log, so what need not be
// written is NULL, and the time is the column's default.
func (p *plan) note(id, op int, row, same string) string {
	k := p.keySQL(row)
	if same == "" {
		return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k) VALUES (%d,%d,%s);\n", home, id, op, k)
	}
	return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k,same) VALUES (%d,%d,%s,%s);\n", home, id, op, k, same)
}

// keySQL is an expression for the k of a log row.
func (p *plan) keySQL(row string) string {
	var key []string
	for _, c := range p.table.PrimaryKey() {
		key = append(key, c.KeySQL(row))
	}
	if len(key) == 1 {
		return key[0]
	}
	return "CONCAT_WS(','," + strings.Join(key, ",") + ")"
}

// same is an expression that gives a byte for each column, 1 where the update
// left it as it was and 0 where not; sameKey says that those of the key are known
// to be as they were. A bitmap would be shorter and costs an operation more for
// each column: on a table of ten columns twice the time.
func (p *plan) same(sameKey bool) string {
	var columns []string
	for i := range p.columns {
		c := &p.columns[i]
		same := c.SameSQL("NEW", "OLD", p.signedZero)
		if sameKey && p.inKey(c) {
			same = "1"
		}
		columns = append(columns, same)
	}
	return "CHAR(" + strings.Join(columns, ",") + ")"
}

func (p *plan) noteDelete(id int) string {
	names, values := p.goneFields("OLD")
	return p.note(id, opDelete, "OLD", "") +
		fmt.Sprintf("INSERT INTO %s.%s (%s,%s) VALUES (LAST_INSERT_ID(),%s);\n", home, goneTable(id), goneID, names, values)
}

// goneFields are the columns of the gone table that come from the row.
func (p *plan) goneFields(row string) (names, values string) {
	return p.goneFieldsOf(row, func(*sqlrow.Column) bool { return true })
}

// goneFieldsOf is goneFields with some of the columns, and all that names the
// row at other sites.
func (p *plan) goneFieldsOf(row string, some func(*sqlrow.Column) bool) (names, values string) {
	var ns, vs []string
	for i := range p.columns {
		if !some(&p.columns[i]) {
			continue
		}
		ns = append(ns, sqlrow.QuoteName(p.names[i]))
		vs = append(vs, p.columns[i].CopySQL(row, p.mysql))
	}
	for i, leaf := range p.table.Leaves(row) {
		ns = append(ns, fmt.Sprintf(goneLeaf, i))
		vs = append(vs, leaf.SQL)
	}
	return strings.Join(ns, ","), strings.Join(vs, ",")
}

func goneTable(id int) string { return fmt.Sprintf("gone_%d", id) }

// createGone is the statement for the table that takes deleted rows.
func (p *plan) createGone(id int) string {
	defs := []string{goneID + " BIGINT UNSIGNED", goneN + " INT UNSIGNED DEFAULT 0"}
	for _, name := range p.names {
		defs = append(defs, sqlrow.QuoteName(name)+" "+nullableType(p.table.Def.Column(name)))
	}
	for i, leaf := range p.leaves {
		defs = append(defs, fmt.Sprintf(goneLeaf, i)+" "+nullableType(leaf.Def))
	}
	for _, name := range p.keyed {
		if name != p.table.Def.PrimaryKey[0] {
			defs = append(defs, "KEY ("+sqlrow.QuoteName(name)+")")
		}
	}
	defs = append(defs, p.keyIndex()...)
	defs = append(defs, "PRIMARY KEY ("+goneID+","+goneN+")")
	return fmt.Sprintf("CREATE TABLE %s.%s (%s) ENGINE=InnoDB", home, goneTable(id), strings.Join(defs, ", "))
}

// keyIndex is the index by which a gone table is searched for primary keys: on
// the first column, which leaves few rows, or of a text on its first characters;
// none for what has neither.
func (p *plan) keyIndex() []string {
	const chars = 16
	name := p.table.Def.PrimaryKey[0]
	c := p.table.Def.Column(name)
	switch {
	case p.table.Column(name).IsNumber():
		return []string{"KEY (" + sqlrow.QuoteName(name) + ")"}
	case c.MaxChars > chars:
		return []string{fmt.Sprintf("KEY (%s(%d))", sqlrow.QuoteName(name), chars)}
	}
	return nil
}

func nullableType(c *schema.Column) string {
	s := c.Type
	if c.Charset != "" {
		s += " CHARACTER SET " + c.Charset + " COLLATE " + c.Collation
	}
	return s + " NULL"
}
