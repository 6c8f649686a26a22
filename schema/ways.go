package schema

import (
	"slices"
	"strings"
)

// What foreign keys do by themselves is known before it happens: the ways from a
// table to the rows that a change of its row changes too are the same for all rows.

// Way is one such way; the last hop says what happens to which table. It may
// lead through tables that are not replicated, and round in circles.
type Way []Hop

// Hop is one step from a row to the rows that refer to it.
type Hop struct {
	Key *ActingKey
	// Gone: the child's rows are deleted. Otherwise Moved are the columns that
	// change.
	Gone  bool
	Moved []Moved
	// Self are foreign keys of the child to its own table, with ON DELETE CASCADE:
	// they are followed any number of times.
	Self []*ActingKey
}

// Moved is a column that a foreign key writes.
type Moved struct {
	Column string
	// From is the column of the first row whose new value it gets, "" where it is
	// set to NULL.
	From string
	// Travels: the value is another one at other sites too. A reference is named
	// by the identity of the row that it refers to, whatever number that has.
	Travels bool
}

const (
	// HopsMax is how deep InnoDB follows cascades: a statement that would need more
	// fails. So it bounds circles too.
	HopsMax = 15
	// WaysMax is how many ways from one table capture looks after.
	WaysMax = 100
)

// Last is where the way leads.
func (p Way) Last() *Hop { return &p[len(p)-1] }

// Child is the table that the hop leads to.
func (h *Hop) Child() string { return h.Key.Child }

// Columns are the columns that change.
func (h *Hop) Columns() []string {
	var names []string
	for _, mv := range h.Moved {
		names = append(names, mv.Column)
	}
	return names
}

// Null reports whether the column is set to NULL.
func (mv Moved) Null() bool { return mv.From == "" }

// Walker finds the ways of a model. It is used by one goroutine.
type Walker struct {
	m     *Model
	below map[string][]*ActingKey // by parent
	found []Way
	seen  int // ways, those that lead to no replicated table too
}

// NewWalker returns a walker for a model that stays as it is.
func NewWalker(m *Model) *Walker {
	w := &Walker{m: m, below: make(map[string][]*ActingKey)}
	for i := range m.Acting {
		k := &m.Acting[i]
		w.below[k.Table] = append(w.below[k.Table], k)
	}
	return w
}

// Parents lists the tables of the database to which acting keys refer.
func (w *Walker) Parents() []string {
	var names []string
	for name := range w.below {
		if !strings.Contains(name, ".") { // in another database; Check refuses what refers to it
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Deleted returns what goes or changes with a deleted row of a table: a way
// stands behind those that are its beginnings. False where there are more than
// WaysMax.
func (w *Walker) Deleted(table string) ([]Way, bool) {
	return w.walk(table, &Hop{Gone: true})
}

// Moved returns what changes when a row of a table gets other values in columns
// that foreign keys refer to, like Deleted.
func (w *Walker) Moved(table string) ([]Way, bool) {
	first := &Hop{}
	for _, k := range w.below[table] {
		for _, target := range k.Targets {
			if !slices.Contains(first.Columns(), target) {
				first.Moved = append(first.Moved, Moved{target, target, true})
			}
		}
	}
	return w.walk(table, first)
}

func (w *Walker) walk(table string, first *Hop) ([]Way, bool) {
	w.found, w.seen = nil, 0
	w.visit(table, first, nil, []string{table})
	return w.found, w.seen <= WaysMax
}

// Reached lists the replicated tables that any change of a table's row may reach.
func (w *Walker) Reached(table string) []string {
	all := []string{table}
	var replicated []string
	for i := 0; i < len(all); i++ {
		for _, k := range w.below[all[i]] {
			if slices.Contains(all, k.Child) {
				continue
			}
			all = append(all, k.Child)
			if t := w.m.Tables[k.Child]; t != nil && t.Replicated {
				replicated = append(replicated, k.Child)
			}
		}
	}
	slices.Sort(replicated)
	return replicated
}

// visit goes on from a table whose row has changed as at says.
func (w *Walker) visit(table string, at *Hop, p Way, seen []string) {
	for _, k := range w.below[table] {
		next, ok := w.step(table, at, k)
		switch {
		case !ok || len(p) == HopsMax || w.seen > WaysMax:
		case !next.Gone && !at.Gone && slices.Contains(seen, k.Child):
			// InnoDB refuses an update that comes round to a table again
		case next.Gone && k.Child == table && len(p) > 0:
			// the hop to table has it
		default:
			w.seen++
			next.Self = w.selves(&next)
			longer := append(slices.Clone(p), next)
			w.add(longer)
			w.visit(k.Child, &next, longer, append(slices.Clone(seen), k.Child))
		}
	}
}

// add keeps a path that leads to rows that capture is to note.
func (w *Walker) add(p Way) {
	last := p.Last()
	t := w.m.Tables[last.Child()]
	if t == nil || !t.Replicated {
		return
	}
	if last.Gone || slices.ContainsFunc(last.Moved, func(mv Moved) bool { return mv.Travels || t.InKey(mv.Column) }) {
		w.found = append(w.found, p)
	}
}

// step says what a foreign key does when the row that it refers to changes; false
// for nothing, or for an error.
func (w *Walker) step(table string, at *Hop, k *ActingKey) (Hop, bool) {
	next := Hop{Key: k}
	action := ActionOf(k.OnDelete)
	if !at.Gone {
		action = ActionOf(k.OnUpdate)
		if !slices.ContainsFunc(k.Targets, func(c string) bool { return slices.Contains(at.Columns(), c) }) {
			return next, false
		}
	}
	switch {
	case action == Restrict:
		return next, false
	case action == SetNull:
		for _, c := range k.Columns {
			next.Moved = append(next.Moved, Moved{c, "", true})
		}
	case at.Gone:
		next.Gone = true
	default:
		for i, c := range k.Columns {
			if j := slices.Index(at.Columns(), k.Targets[i]); j >= 0 {
				next.Moved = append(next.Moved, Moved{c, at.Moved[j].From, at.Moved[j].Null() || w.travels(table, at, k, i)})
			}
		}
	}
	return next, true
}

// travels reports whether a value that a foreign key passes on is another one at
// other sites too.
func (w *Walker) travels(table string, at *Hop, k *ActingKey, i int) bool {
	parent, child := w.m.Tables[table], w.m.Tables[k.Child]
	if parent == nil || child == nil || child.Reference(k.Columns[i]) == nil || len(k.Columns) > 1 {
		return true
	}
	for _, mv := range at.Moved {
		if mv.Travels && slices.Contains(parent.Identity.Columns, mv.Column) {
			return true
		}
	}
	return false
}

// Roots are the columns of the first row on whose new values it depends whether
// the last hop does anything.
func (p Way) Roots() []string {
	null := slices.IndexFunc(p, func(h Hop) bool { return slices.ContainsFunc(h.Moved, Moved.Null) })
	switch {
	case null == 0:
		return p[0].Key.Targets
	case null > 0:
		return p[null-1].Froms(func(mv Moved) bool { return slices.Contains(p[null].Key.Targets, mv.Column) })
	}
	return p.Last().Froms(func(Moved) bool { return true })
}

// Froms lists where some of the moved columns get their values from.
func (h *Hop) Froms(some func(Moved) bool) []string {
	var names []string
	for _, mv := range h.Moved {
		if some(mv) {
			names = append(names, mv.From)
		}
	}
	return names
}

func (w *Walker) selves(h *Hop) (self []*ActingKey) {
	for _, k := range w.below[h.Child()] {
		if h.Gone && k.Child == h.Child() && ActionOf(k.OnDelete) == Cascade {
			self = append(self, k)
		}
	}
	return self
}
