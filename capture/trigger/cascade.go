package trigger

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"baraza/internal/sqlrow"
	"baraza/schema"
)

// InnoDB runs the actions of foreign keys beneath triggers: those of the children
// do not fire. So triggers on the parent note what they do, however deep, also
// where the parent is not replicated itself. (MySQL 9.7 can be told to fire the
// children's as well: what is noted twice is read once.)
//
// Before the row changes, its children can be found by its old values: what is to
// go is copied, what is to get other values is noted. Where a child's own primary
// key changes, its new one is noted after it, found by the row's new values.
//
// All that is no more than what the statement is about to do. UPDATE IGNORE and
// DELETE IGNORE may leave it, and so does a session without foreign_key_checks: who
// reads the notes looks at what has become of the rows (stillThere).

// cascade is a trigger that notes what foreign keys do.
type cascade struct {
	name, table, body string
	timing, event     string
}

// outsideID stands in the names of triggers for the number of a table that is not
// replicated.
const outsideID = 0

// cascades returns the triggers that the actions of foreign keys need. ids are the
// generations of the tables.
func cascades(m *schema.Model, plans []*plan, ids map[string]int) []cascade {
	c := &cascader{m: m, ways: schema.NewWalker(m), plans: map[string]*plan{}, ids: ids}
	for _, p := range plans {
		c.plans[p.table.Def.Name] = p
	}
	for _, table := range c.ways.Parents() {
		c.onDelete(table)
		c.onUpdate(table)
	}
	return c.all
}

// Outside lists the tables that are not replicated and get triggers all the same,
// since the database changes rows of replicated tables with theirs; each with those
// tables.
func Outside(m *schema.Model) map[string][]string {
	w := schema.NewWalker(m)
	found := make(map[string][]string)
	for _, table := range w.Parents() {
		if t := m.Tables[table]; t != nil && t.Replicated {
			continue
		}
		deleted, _ := w.Deleted(table)
		moved, _ := w.Moved(table)
		if names := ends(slices.Concat(deleted, moved)); len(names) > 0 {
			found[table] = names
		}
	}
	return found
}

// ends lists the tables to which ways lead.
func ends(ways []schema.Way) []string {
	var names []string
	for _, p := range ways {
		names = append(names, p.Last().Child())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// cascader makes the triggers.
type cascader struct {
	m     *schema.Model
	ways  *schema.Walker
	plans map[string]*plan // by table
	ids   map[string]int
	all   []cascade
}

func (c *cascader) onDelete(table string) {
	ways, ok := c.ways.Deleted(table)
	lost := c.lost(ends(ways))
	body := c.notes(ways)
	if !ok { // of a table that is not replicated: another is refused (schema.Check)
		lost = c.lost(c.ways.Reached(table))
		body = lost
	}
	c.add(table, "BEFORE", "DELETE", lost, local, body)
}

// notes notes what the ways lead to. What lies behind rows that there are none of
// is not looked for.
func (c *cascader) notes(ways []schema.Way) string {
	var b strings.Builder
	for len(ways) > 0 {
		p := ways[0]
		n := 1
		for n < len(ways) && begins(p, ways[n]) {
			n++
		}
		behind := c.notes(ways[1:n])
		ways = ways[n:]
		if p.Last().Gone {
			b.WriteString(c.noteGone(p, behind))
		} else {
			b.WriteString(c.note(p) + behind)
		}
	}
	return b.String()
}

// begins reports whether a way is the beginning of another.
func begins(p, longer schema.Way) bool {
	return len(p) < len(longer) && slices.EqualFunc(p, longer[:len(p)], func(a, b schema.Hop) bool { return a.Key == b.Key })
}

func (c *cascader) onUpdate(table string) {
	ways, ok := c.ways.Moved(table)
	var before, after strings.Builder
	var targets []string
	for _, p := range ways {
		targets = append(targets, p[0].Key.Targets...)
		c.noteMoved(p, &before, &after)
	}
	lost := c.lost(ends(ways))
	if !ok {
		before.Reset()
		after.Reset()
		lost = c.lost(c.ways.Reached(table))
		before.WriteString(lost)
	}
	slices.Sort(targets)
	changed := local + " AND NOT (" + sameBits(slices.Compact(targets)) + ")"
	c.add(table, "BEFORE", "UPDATE", lost, changed, before.String())
	c.add(table, "AFTER", "UPDATE", lost, changed, after.String())
}

// noteMoved notes the rows to which a way leads, before and after they change.
func (c *cascader) noteMoved(p schema.Way, before, after *strings.Builder) {
	t := c.plans[p.Last().Child()].table.Def
	key := p.Last().Froms(func(mv schema.Moved) bool { return t.InKey(mv.Column) && !mv.Null() })
	if len(key) == 0 {
		before.WriteString("IF NOT (" + sameBits(p.Roots()) + ") THEN\n" + c.note(p) + "END IF;\n")
		return
	}
	another := "IF NOT (" + sameKey(key) + ") THEN\n"
	before.WriteString(another + c.noteGone(p, ""))
	if slices.ContainsFunc(p.Last().Columns(), func(name string) bool { return slices.Contains(t.PrimaryKey, name) }) {
		after.WriteString(another + c.noteInsert(p, "NEW") + "END IF;\n")
	} else {
		before.WriteString(c.noteInsert(p, "OLD"))
	}
	before.WriteString("ELSEIF NOT (" + sameBits(p.Roots()) + ") THEN\n" + c.noteUpdate(p) + "END IF;\n")
}

// lost notes that rows of some tables were changed.
func (c *cascader) lost(tables []string) string {
	var b strings.Builder
	for _, table := range tables {
		b.WriteString(noteLost(c.ids[table]))
	}
	return b.String()
}

// add adds a trigger, if it has anything to do. Its name tells triggers of one
// schema apart, so that a new one is there before the old one goes.
func (c *cascader) add(table, timing, event, instead, condition, body string) {
	if body == "" {
		return
	}
	text := guarded(instead, "IF "+condition+" THEN\n"+body)
	suffix := fmt.Sprintf("c%08x", crc32.ChecksumIEEE([]byte(strings.Join([]string{table, timing, event, text}, " "))))
	id := c.ids[table]
	if id == 0 {
		id = outsideID
	}
	c.all = append(c.all, cascade{triggerName(id, suffix), table, text, timing, event})
}

// note notes what the last hop of a way does, where it finds its rows by the keys
// that they have now.
func (c *cascader) note(p schema.Way) string {
	t := c.plans[p.Last().Child()].table.Def
	if !slices.ContainsFunc(p.Last().Columns(), t.InKey) {
		return c.noteUpdate(p)
	}
	return c.noteGone(p, "") + c.noteInsert(p, "OLD") // a column of the identity is set to NULL
}

// noteUpdate notes which columns of the rows change.
func (c *cascader) noteUpdate(p schema.Way) string {
	plan, id := c.plans[p.Last().Child()], c.ids[p.Last().Child()]
	same := make([]string, len(plan.names))
	for i, name := range plan.names {
		same[i] = "1"
		for _, mv := range p.Last().Moved {
			switch {
			case mv.Column != name || !mv.Travels && !plan.inKey(&plan.columns[i]):
			case mv.Null():
				same[i] = "0"
			case plan.table.Def.Reference(name) != nil: // which letters it is spelled in does not travel
				same[i] = sameKey([]string{mv.From})
			default:
				same[i] = sameBits([]string{mv.From})
			}
		}
	}
	list := fmt.Sprintf("%d,%d,%s,CHAR(%s)", id, opUpdate, plan.keySQL("t"), strings.Join(same, ","))
	return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k,same) %s;\n", home, c.rowsSQL(p, "OLD", list))
}

// noteInsert notes the rows by their keys: those that they will have, or have got.
func (c *cascader) noteInsert(p schema.Way, first string) string {
	plan, id := c.plans[p.Last().Child()], c.ids[p.Last().Child()]
	list := fmt.Sprintf("%d,%d,%s", id, opInsert, plan.keySQL("t"))
	return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k) %s;\n", home, c.rowsSQL(p, first, list))
}

// noteGone copies the rows: one row of the log stands for all of them. Where there
// are any, it notes what lies behind them too.
func (c *cascader) noteGone(p schema.Way, behind string) string {
	plan, id := c.plans[p.Last().Child()], c.ids[p.Last().Child()]
	names, values := plan.goneFields("t")
	return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k) SELECT %d,%d,'' FROM DUAL WHERE EXISTS (%s);\n", home, id, opDelete, c.rowsSQL(p, "OLD", "1")) +
		"IF ROW_COUNT() > 0 THEN\n" +
		fmt.Sprintf("INSERT INTO %s.%s (%s,%s,%s) %s;\n", home, goneTable(id), goneID, goneN, names,
			c.rowsSQL(p, "OLD", "LAST_INSERT_ID(),ROW_NUMBER() OVER (),"+values)) +
		behind + "END IF;\n"
}

// sameBits is a condition: an update leaves these columns, which may be of a table
// that is in no model, as they were.
func sameBits(columns []string) string {
	return compare(columns, "CAST(NEW.%[1]s AS BINARY) <=> CAST(OLD.%[1]s AS BINARY)")
}

// sameKey is sameBits by the columns' collations, as foreign keys compare.
func sameKey(columns []string) string { return compare(columns, "NEW.%[1]s <=> OLD.%[1]s") }

func compare(columns []string, format string) string {
	terms := make([]string, len(columns))
	for i, name := range columns {
		terms[i] = fmt.Sprintf(format, sqlrow.QuoteName(name))
	}
	return strings.Join(terms, " AND ")
}
