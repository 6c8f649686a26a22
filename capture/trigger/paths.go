package trigger

import (
	"fmt"
	"slices"
	"strings"

	"baraza/internal/sqlrow"
	"baraza/schema"
)

// What foreign keys do by themselves is known before it happens: the ways from a
// table to the rows that a change of its row changes too are the same for all rows.

// path is one such way; the last hop says what happens to which table. It may
// lead through tables that are not replicated.
type path []hop

// hop is one step from a row to the rows that refer to it.
type hop struct {
	key *schema.ActingKey
	// gone: the child's rows are deleted. Otherwise moved are the columns that
	// change.
	gone  bool
	moved []moved
	// self are foreign keys of the child to its own table, with ON DELETE CASCADE:
	// they are followed any number of times.
	self []*schema.ActingKey
}

// moved is a column that a foreign key writes.
type moved struct {
	column string
	// from is the column of the first row whose new value it gets, "" where it is
	// set to NULL.
	from string
	// travels: the value is another one at other sites too. A reference is named
	// by the identity of the row that it refers to, whatever number that has.
	travels bool
}

// hopsMax is how deep InnoDB follows cascades.
const hopsMax = 15

func (p path) last() *hop { return &p[len(p)-1] }

func (h *hop) child() string { return h.key.Child }

func (h *hop) columns() []string {
	var names []string
	for _, mv := range h.moved {
		names = append(names, mv.column)
	}
	return names
}

// walker finds the paths of a model.
type walker struct {
	m     *schema.Model
	below map[string][]*schema.ActingKey // by parent
	found []path
}

func newWalker(m *schema.Model) *walker {
	w := &walker{m: m, below: make(map[string][]*schema.ActingKey)}
	for i := range m.Acting {
		k := &m.Acting[i]
		w.below[k.Table] = append(w.below[k.Table], k)
	}
	return w
}

// deleted returns what goes or changes with a deleted row of a table.
func (w *walker) deleted(table string) []path {
	w.found = nil
	w.visit(table, &hop{gone: true}, nil, []string{table})
	return w.found
}

// moved returns what changes when a row of a table gets other values in columns
// that foreign keys refer to.
func (w *walker) moved(table string) []path {
	first := &hop{}
	for _, k := range w.below[table] {
		for _, target := range k.Targets {
			if !slices.Contains(first.columns(), target) {
				first.moved = append(first.moved, moved{target, target, true})
			}
		}
	}
	w.found = nil
	w.visit(table, first, nil, []string{table})
	return w.found
}

// visit goes on from a table whose row has changed as at says.
func (w *walker) visit(table string, at *hop, p path, seen []string) {
	for _, k := range w.below[table] {
		next, ok := w.step(table, at, k)
		switch {
		case !ok || len(p) == hopsMax:
		case !next.gone && !at.gone && slices.Contains(seen, k.Child):
			// InnoDB refuses an update that comes round to a table again
		case next.gone && (k.Child == table && len(p) > 0 || k.Child != table && slices.Contains(seen, k.Child)):
			// the hop to table has it; circles of several tables are refused (schema.Check)
		default:
			next.self = w.selves(&next)
			longer := append(slices.Clone(p), next)
			w.add(longer)
			w.visit(k.Child, &next, longer, append(slices.Clone(seen), k.Child))
		}
	}
}

// add keeps a path that leads to rows that capture is to note.
func (w *walker) add(p path) {
	last := p.last()
	t := w.m.Tables[last.child()]
	if t == nil || !t.Replicated {
		return
	}
	if last.gone || slices.ContainsFunc(last.moved, func(mv moved) bool { return mv.travels || keyColumn(t, mv.column) }) {
		w.found = append(w.found, p)
	}
}

// step says what a foreign key does when the row that it refers to changes; false
// for nothing, or for an error.
func (w *walker) step(table string, at *hop, k *schema.ActingKey) (hop, bool) {
	next := hop{key: k}
	action := schema.ActionOf(k.OnDelete)
	if !at.gone {
		action = schema.ActionOf(k.OnUpdate)
		if !slices.ContainsFunc(k.Targets, func(c string) bool { return slices.Contains(at.columns(), c) }) {
			return next, false
		}
	}
	switch {
	case action == schema.Restrict:
		return next, false
	case action == schema.SetNull:
		for _, c := range k.Columns {
			next.moved = append(next.moved, moved{c, "", true})
		}
	case at.gone:
		next.gone = true
	default:
		for i, c := range k.Columns {
			if j := slices.Index(at.columns(), k.Targets[i]); j >= 0 {
				next.moved = append(next.moved, moved{c, at.moved[j].from, at.moved[j].null() || w.travels(table, at, k, i)})
			}
		}
	}
	return next, true
}

// travels reports whether a value that a foreign key passes on is another one at
// other sites too.
func (w *walker) travels(table string, at *hop, k *schema.ActingKey, i int) bool {
	parent, child := w.m.Tables[table], w.m.Tables[k.Child]
	if parent == nil || child == nil || child.Reference(k.Columns[i]) == nil || len(k.Columns) > 1 {
		return true
	}
	for _, mv := range at.moved {
		if mv.travels && slices.Contains(parent.Identity.Columns, mv.column) {
			return true
		}
	}
	return false
}

// roots are the columns of the first row on whose new values it depends whether
// the last hop does anything.
func (p path) roots() []string {
	null := slices.IndexFunc(p, func(h hop) bool { return slices.ContainsFunc(h.moved, moved.null) })
	switch {
	case null == 0:
		return p[0].key.Targets
	case null > 0:
		return p[null-1].froms(func(mv moved) bool { return slices.Contains(p[null].key.Targets, mv.column) })
	}
	return p.last().froms(func(moved) bool { return true })
}

// froms lists where some of the moved columns get their values from.
func (h *hop) froms(some func(moved) bool) []string {
	var names []string
	for _, mv := range h.moved {
		if some(mv) {
			names = append(names, mv.from)
		}
	}
	return names
}

func (mv moved) null() bool { return mv.from == "" }

func (w *walker) selves(h *hop) (self []*schema.ActingKey) {
	for _, k := range w.below[h.child()] {
		if h.gone && k.Child == h.child() && schema.ActionOf(k.OnDelete) == schema.Cascade {
			self = append(self, k)
		}
	}
	return self
}

// keyColumn reports whether a column is of the table's primary key or identity.
func keyColumn(t *schema.Table, column string) bool {
	return slices.Contains(t.PrimaryKey, column) || slices.Contains(t.Identity.Columns, column)
}

// rowsSQL is a query for the rows, named t, to which a path leads from the row
// that is called first, OLD or NEW; list is what it selects.
func (w *walker) rowsSQL(p path, first, list string) string {
	if slices.ContainsFunc(p, func(h hop) bool { return len(h.self) > 0 }) {
		return w.recursiveSQL(p, first, list)
	}
	last := len(p) - 1
	name := func(i int) string {
		if i == last {
			return "t"
		}
		return fmt.Sprintf("p%d", i)
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "SELECT %s FROM %s t", list, sqlrow.QuoteName(p[last].child()))
	for i := last; i > 0; i-- {
		fmt.Fprintf(b, " JOIN %s %s ON %s", sqlrow.QuoteName(p[i-1].child()), name(i-1), on(p[i].key, name(i), name(i-1)))
	}
	fmt.Fprintf(b, " WHERE %s", on(p[0].key, name(0), first))
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

// recursiveSQL is rowsSQL where a table on the way refers to itself: every step
// is a set, s0, s1 and so on.
func (w *walker) recursiveSQL(p path, first, list string) string {
	var steps []string
	end := w.m.Tables[p.last().child()]
	for i := range p {
		h := &p[i]
		var needs []string
		if i == len(p)-1 {
			needs = slices.Clone(end.PrimaryKey)
		} else {
			needs = slices.Clone(p[i+1].key.Targets)
		}
		for _, k := range h.self {
			needs = append(needs, k.Targets...)
		}
		slices.Sort(needs)
		columns := columnsOf("t", slices.Compact(needs))
		from := fmt.Sprintf("SELECT %s FROM %s t", columns, sqlrow.QuoteName(h.child()))
		step := fmt.Sprintf("s%d AS (%s WHERE %s", i, from, on(h.key, "t", first))
		if i > 0 {
			step = fmt.Sprintf("s%d AS (%s JOIN s%d p ON %s", i, from, i-1, on(h.key, "t", "p"))
		}
		for _, k := range h.self {
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
