package trigger

import (
	"fmt"
	"hash/crc32"
	"maps"
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
	c := &cascader{walker: newWalker(m), plans: map[string]*plan{}, ids: ids}
	for _, p := range plans {
		c.plans[p.table.Def.Name] = p
	}
	for _, table := range slices.Sorted(maps.Keys(c.below)) {
		if strings.Contains(table, ".") {
			continue // in another database; Check refuses what refers to it
		}
		c.onDelete(table)
		c.onUpdate(table)
	}
	return c.all
}

// Outside lists the tables that are not replicated and get triggers all the same,
// since the database changes rows of replicated tables with theirs; each with those
// tables.
func Outside(m *schema.Model) map[string][]string {
	w := newWalker(m)
	found := make(map[string][]string)
	for table := range w.below {
		if t := m.Tables[table]; t != nil && t.Replicated || strings.Contains(table, ".") {
			continue
		}
		var names []string
		for _, p := range slices.Concat(w.deleted(table), w.moved(table)) {
			names = append(names, p.last().child())
		}
		slices.Sort(names)
		if names = slices.Compact(names); len(names) > 0 {
			found[table] = names
		}
	}
	return found
}

// cascader makes the triggers.
type cascader struct {
	*walker
	plans map[string]*plan // by table
	ids   map[string]int
	all   []cascade
}

func (c *cascader) onDelete(table string) {
	paths := c.deleted(table)
	var body strings.Builder
	for _, p := range paths {
		body.WriteString(c.note(p))
	}
	c.add(table, "BEFORE", "DELETE", paths, local, body.String())
}

func (c *cascader) onUpdate(table string) {
	paths := c.moved(table)
	var before, after strings.Builder
	for _, p := range paths {
		t := c.plans[p.last().child()].table.Def
		key := p.last().froms(func(mv moved) bool { return keyColumn(t, mv.column) && !mv.null() })
		note := "IF NOT (" + sameBits(p.roots()) + ") THEN\n" + c.note(p) + "END IF;\n"
		if len(key) == 0 {
			before.WriteString(note)
			continue
		}
		another := "IF NOT (" + sameKey(key) + ") THEN\n"
		before.WriteString(another + c.noteGone(p))
		last := another + c.noteInsert(p, "NEW") + "END IF;\n"
		if slices.ContainsFunc(p.last().columns(), func(name string) bool { return slices.Contains(t.PrimaryKey, name) }) {
			after.WriteString(last)
		} else {
			before.WriteString(c.noteInsert(p, "OLD"))
		}
		before.WriteString("ELSEIF NOT (" + sameBits(p.roots()) + ") THEN\n" + c.noteUpdate(p) + "END IF;\n")
	}
	var targets []string
	for _, p := range paths {
		targets = append(targets, p[0].key.Targets...)
	}
	slices.Sort(targets)
	changed := local + " AND NOT (" + sameBits(slices.Compact(targets)) + ")"
	c.add(table, "BEFORE", "UPDATE", paths, changed, before.String())
	c.add(table, "AFTER", "UPDATE", paths, changed, after.String())
}

// add adds a trigger, if it has anything to do. Its name tells triggers of one
// schema apart, so that a new one is there before the old one goes.
func (c *cascader) add(table, timing, event string, paths []path, condition, body string) {
	if body == "" {
		return
	}
	var instead []string
	for _, p := range paths {
		if lost := noteLost(c.ids[p.last().child()]); !slices.Contains(instead, lost) {
			instead = append(instead, lost)
		}
	}
	text := guarded(strings.Join(instead, ""), "IF "+condition+" THEN\n"+body)
	suffix := fmt.Sprintf("c%08x", crc32.ChecksumIEEE([]byte(strings.Join([]string{table, timing, event, text}, " "))))
	id := c.ids[table]
	if id == 0 {
		id = outsideID
	}
	c.all = append(c.all, cascade{triggerName(id, suffix), table, text, timing, event})
}

// note notes what the last hop of a path does, where it finds its rows by the keys
// that they have now.
func (c *cascader) note(p path) string {
	t := c.plans[p.last().child()].table.Def
	switch {
	case p.last().gone:
		return c.noteGone(p)
	case slices.ContainsFunc(p.last().columns(), func(name string) bool { return keyColumn(t, name) }):
		return c.noteGone(p) + c.noteInsert(p, "OLD") // of the identity, set to NULL
	}
	return c.noteUpdate(p)
}

// noteUpdate notes which columns of the rows change.
func (c *cascader) noteUpdate(p path) string {
	plan, id := c.plans[p.last().child()], c.ids[p.last().child()]
	same := make([]string, len(plan.names))
	for i, name := range plan.names {
		same[i] = "1"
		for _, mv := range p.last().moved {
			switch {
			case mv.column != name || !mv.travels && !plan.inKey(&plan.columns[i]):
			case mv.null():
				same[i] = "0"
			case plan.table.Def.Reference(name) != nil: // which letters it is spelled in does not travel
				same[i] = sameKey([]string{mv.from})
			default:
				same[i] = sameBits([]string{mv.from})
			}
		}
	}
	list := fmt.Sprintf("%d,%d,%s,CHAR(%s)", id, opUpdate, plan.keySQL("t"), strings.Join(same, ","))
	return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k,same) %s;\n", home, c.rowsSQL(p, "OLD", list))
}

// noteInsert notes the rows by their keys: those that they will have, or have got.
func (c *cascader) noteInsert(p path, first string) string {
	plan, id := c.plans[p.last().child()], c.ids[p.last().child()]
	list := fmt.Sprintf("%d,%d,%s", id, opInsert, plan.keySQL("t"))
	return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k) %s;\n", home, c.rowsSQL(p, first, list))
}

// noteGone copies the rows: one row of the log stands for all of them.
func (c *cascader) noteGone(p path) string {
	plan, id := c.plans[p.last().child()], c.ids[p.last().child()]
	names, values := plan.goneFields("t")
	return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k) SELECT %d,%d,'' FROM DUAL WHERE EXISTS (%s);\n", home, id, opDelete, c.rowsSQL(p, "OLD", "1")) +
		"IF ROW_COUNT() > 0 THEN\n" +
		fmt.Sprintf("INSERT INTO %s.%s (%s,%s,%s) %s;\n", home, goneTable(id), goneID, goneN, names,
			c.rowsSQL(p, "OLD", "LAST_INSERT_ID(),ROW_NUMBER() OVER (),"+values)) +
		"END IF;\n"
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
