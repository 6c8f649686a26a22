package trigger

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"baraza/internal/sqlrow"
	"baraza/schema"
)

// InnoDB runs ON DELETE CASCADE and SET NULL beneath triggers: those of the
// children do not fire. So a trigger on the parent notes what they are about to
// do, before the row goes, however deep.

// hop is one step from a parent to the rows that refer to it.
type hop struct {
	by *schema.Referrer
	// self are foreign keys of the child to its own table, with CASCADE: they are
	// followed any number of times.
	self []*schema.Referrer
}

func (h *hop) child() *schema.Table { return h.by.Child }

// hopsMax is how deep InnoDB follows cascades.
const hopsMax = 15

// paths lists the ways from a table to all that its foreign keys' ON DELETE
// actions change. The last hop says what happens.
func paths(referrers map[string][]schema.Referrer, table string) [][]hop {
	var all [][]hop
	selves := func(t string) (self []*schema.Referrer) {
		for i := range referrers[t] {
			if by := &referrers[t][i]; by.Child.Name == t && by.OnDelete == schema.Cascade {
				self = append(self, by)
			}
		}
		return self
	}
	var visit func(t string, path []hop, seen []string)
	visit = func(t string, path []hop, seen []string) {
		for i := range referrers[t] {
			by := &referrers[t][i]
			child := by.Child.Name
			switch {
			case by.OnDelete == schema.Restrict || len(path) == hopsMax:
			case by.OnDelete == schema.SetNull:
				all = append(all, append(slices.Clone(path), hop{by: by}))
			case child == t && len(path) > 0 || child != t && slices.Contains(seen, child):
				// the hop to t has it; circles of several tables are refused (schema.Check)
			default:
				next := append(slices.Clone(path), hop{by, selves(child)})
				all = append(all, next)
				visit(child, next, append(slices.Clone(seen), child))
			}
		}
	}
	visit(table, nil, []string{table})
	return all
}

// rowsSQL is a query for the rows, named t, to which a path leads from the row
// OLD; list is what it selects.
func rowsSQL(path []hop, list string) string {
	if slices.ContainsFunc(path, func(h hop) bool { return len(h.self) > 0 }) {
		return recursiveSQL(path, list)
	}
	last := len(path) - 1
	name := func(i int) string {
		if i == last {
			return "t"
		}
		return fmt.Sprintf("p%d", i)
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "SELECT %s FROM %s t", list, sqlrow.QuoteName(path[last].child().Name))
	for i := last; i > 0; i-- {
		fmt.Fprintf(b, " JOIN %s %s ON %s", sqlrow.QuoteName(path[i-1].child().Name), name(i-1), on(path[i].by, name(i), name(i-1)))
	}
	fmt.Fprintf(b, " WHERE %s", on(path[0].by, name(0), "OLD"))
	return b.String()
}

// on is the condition that a child refers to a parent.
func on(by *schema.Referrer, child, parent string) string {
	var terms []string
	for i := range by.Columns {
		terms = append(terms, child+"."+sqlrow.QuoteName(by.Columns[i])+"="+parent+"."+sqlrow.QuoteName(by.Targets[i]))
	}
	return strings.Join(terms, " AND ")
}

// recursiveSQL is rowsSQL where a table on the way refers to itself: every step
// is a set, s0, s1 and so on.
func recursiveSQL(path []hop, list string) string {
	var steps []string
	for i := range path {
		h := &path[i]
		t := h.child()
		needs := slices.Clone(t.PrimaryKey)
		for _, by := range h.self {
			needs = append(needs, by.Targets...)
		}
		if i+1 < len(path) {
			needs = append(needs, path[i+1].by.Targets...)
		}
		slices.Sort(needs)
		columns := columnsOf("t", slices.Compact(needs))
		from := fmt.Sprintf("SELECT %s FROM %s t", columns, sqlrow.QuoteName(t.Name))
		step := fmt.Sprintf("s%d AS (%s WHERE %s", i, from, on(h.by, "t", "OLD"))
		if i > 0 {
			step = fmt.Sprintf("s%d AS (%s JOIN s%d p ON %s", i, from, i-1, on(h.by, "t", "p"))
		}
		for _, by := range h.self {
			step += fmt.Sprintf(" UNION %s JOIN s%d p ON %s", from, i, on(by, "t", "p"))
		}
		steps = append(steps, step+")")
	}
	last := path[len(path)-1].child()
	var same []string
	for _, c := range last.PrimaryKey {
		same = append(same, "t."+sqlrow.QuoteName(c)+"=p."+sqlrow.QuoteName(c))
	}
	return fmt.Sprintf("WITH RECURSIVE %s SELECT %s FROM %s t JOIN s%d p ON %s",
		strings.Join(steps, ","), list, sqlrow.QuoteName(last.Name), len(path)-1, strings.Join(same, " AND "))
}

func columnsOf(row string, names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = row + "." + sqlrow.QuoteName(name)
	}
	return strings.Join(quoted, ",")
}

// cascade is a trigger that notes what foreign keys do.
type cascade struct {
	name, table, body string
}

// cascades returns the triggers that the ON DELETE actions of a model need. ids
// are the generations of the tables. The name tells triggers of one table apart,
// so that a new one is there before the old one goes.
func cascades(m *schema.Model, plans []*plan, ids map[string]int) []cascade {
	referrers := schema.Referrers(m)
	byName := map[string]*plan{}
	for _, p := range plans {
		byName[p.table.Def.Name] = p
	}
	var all []cascade
	for _, p := range plans {
		name := p.table.Def.Name
		var body strings.Builder
		var instead []string
		for _, path := range paths(referrers, name) {
			child := path[len(path)-1].child().Name
			if lost := noteLost(ids[child]); !slices.Contains(instead, lost) {
				instead = append(instead, lost)
			}
			body.WriteString(byName[child].noteAction(ids[child], path))
		}
		if body.Len() > 0 {
			text := guarded(strings.Join(instead, ""), "IF "+local+" THEN\n"+body.String())
			suffix := fmt.Sprintf("c%08x", crc32.ChecksumIEEE([]byte(text)))
			all = append(all, cascade{name: triggerName(ids[name], suffix), table: name, body: text})
		}
	}
	return all
}

// noteAction notes what the last foreign key of a path does to this table.
func (p *plan) noteAction(id int, path []hop) string {
	by := path[len(path)-1].by
	if by.OnDelete == schema.SetNull {
		same := make([]string, len(p.names))
		for i, name := range p.names {
			same[i] = "1"
			if slices.Contains(by.Columns, name) {
				same[i] = "0"
			}
		}
		list := fmt.Sprintf("%d,%d,%s,CHAR(%s)", id, opUpdate, p.keySQL("t"), strings.Join(same, ","))
		return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k,same) %s;\n", home, rowsSQL(path, list))
	}
	names, values := p.goneFields("t")
	return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k) SELECT %d,%d,'' FROM DUAL WHERE EXISTS (%s);\n", home, id, opDelete, rowsSQL(path, "1")) +
		"IF ROW_COUNT() > 0 THEN\n" +
		fmt.Sprintf("INSERT INTO %s.%s (%s,%s,%s) %s;\n", home, goneTable(id), goneID, goneN, names,
			rowsSQL(path, "LAST_INSERT_ID(),ROW_NUMBER() OVER (),"+values)) +
		"END IF;\n"
}
