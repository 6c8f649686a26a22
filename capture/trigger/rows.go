package trigger

import (
	"fmt"
	"slices"
	"strings"

	"baraza/internal/sqlrow"
	"baraza/schema"
)

// rowsSQL is a query for the rows, named t, to which a way leads from the row
// that is called first, OLD or NEW; list is what it selects.
func (c *cascader) rowsSQL(p schema.Way, first, list string) string {
	if slices.ContainsFunc(p, func(h schema.Hop) bool { return len(h.Self) > 0 }) {
		return c.recursiveSQL(p, first, list)
	}
	last := len(p) - 1
	name := func(i int) string {
		if i == last {
			return "t"
		}
		return fmt.Sprintf("p%d", i)
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "SELECT %s FROM %s t", list, sqlrow.QuoteName(p[last].Child()))
	for i := last; i > 0; i-- {
		fmt.Fprintf(b, " JOIN %s %s ON %s", sqlrow.QuoteName(p[i-1].Child()), name(i-1), on(p[i].Key, name(i), name(i-1)))
	}
	fmt.Fprintf(b, " WHERE %s", on(p[0].Key, name(0), first))
	for i := range p {
		b.WriteString(c.notAgain(p, i, name(i), first))
	}
	return b.String()
}

// on is the condition that a child refers to a parent.
func on(k *schema.ActingKey, child, parent string) string {
	var terms []string
	for i := range k.Columns {
		terms = append(terms, child+"."+sqlrow.QuoteName(k.Columns[i])+"="+parent+"."+sqlrow.QuoteName(k.Targets[i]))
	}
	return strings.Join(terms, " AND ")
}

// notAgain is a further condition for a way that goes round in a circle: it does
// not come to the first row again.
func (c *cascader) notAgain(p schema.Way, i int, row, first string) string {
	table := p[0].Key.Table
	t := c.m.Tables[table]
	if i == 0 || p[i].Child() != table || t == nil || len(t.PrimaryKey) == 0 {
		return ""
	}
	var same []string
	for _, name := range t.PrimaryKey {
		same = append(same, row+"."+sqlrow.QuoteName(name)+"="+first+"."+sqlrow.QuoteName(name))
	}
	return " AND NOT (" + strings.Join(same, " AND ") + ")"
}

// recursiveSQL is rowsSQL where a table on the way refers to itself: every step
// is a set, s0, s1 and so on.
func (c *cascader) recursiveSQL(p schema.Way, first, list string) string {
	var steps []string
	end := c.m.Tables[p.Last().Child()]
	for i := range p {
		h := &p[i]
		var needs []string
		if i == len(p)-1 {
			needs = slices.Clone(end.PrimaryKey)
		} else {
			needs = slices.Clone(p[i+1].Key.Targets)
		}
		for _, k := range h.Self {
			needs = append(needs, k.Targets...)
		}
		slices.Sort(needs)
		columns := columnsOf("t", slices.Compact(needs))
		from := fmt.Sprintf("SELECT %s FROM %s t", columns, sqlrow.QuoteName(h.Child()))
		step := fmt.Sprintf("s%d AS (%s WHERE %s", i, from, on(h.Key, "t", first))
		if i > 0 {
			step = fmt.Sprintf("s%d AS (%s JOIN s%d p ON %s", i, from, i-1, on(h.Key, "t", "p")+c.notAgain(p, i, "t", first))
		}
		for _, k := range h.Self {
			step += fmt.Sprintf(" UNION %s JOIN s%d p ON %s", from, i, on(k, "t", "p"))
		}
		steps = append(steps, step+")")
	}
	var same []string
	for _, c := range end.PrimaryKey {
		same = append(same, "t."+sqlrow.QuoteName(c)+"=p."+sqlrow.QuoteName(c))
	}
	return fmt.Sprintf("WITH RECURSIVE %s SELECT %s FROM %s t JOIN s%d p ON %s",
		strings.Join(steps, ","), list, sqlrow.QuoteName(end.Name), len(p)-1, strings.Join(same, " AND "))
}

func columnsOf(row string, names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = row + "." + sqlrow.QuoteName(name)
	}
	return strings.Join(quoted, ",")
}
