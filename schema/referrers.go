package schema

import (
	"maps"
	"slices"
)

// Referrer is a foreign key, or a declared reference, as the table that it
// points to sees it.
type Referrer struct {
	// Child has the columns; Targets are the columns of the other table that
	// they refer to.
	Child            *Table
	Columns, Targets []string
	// OnDelete is what the database does with the child's rows when the row that
	// they refer to is deleted.
	OnDelete Action
	// Typed is set where the column refers to the table by its type only.
	Typed *TypedReference
}

// Action is what a foreign key does.
type Action uint8

// The actions. NO ACTION is the same as RESTRICT in InnoDB, and a reference
// without a foreign key is treated so too: no reference is left dangling.
const (
	Restrict Action = iota
	Cascade
	SetNull
)

// ActionOf returns the action that the database calls so.
func ActionOf(name string) Action {
	switch name {
	case "CASCADE":
		return Cascade
	case "SET NULL":
		return SetNull
	}
	return Restrict
}

// tables lists the tables in order of their names, each once.
func (x *TypedReference) tables() []string {
	names := slices.Sorted(maps.Values(x.Tables))
	return slices.Compact(names)
}

// Referrers lists for each table what refers to it from replicated tables, in
// an order that depends on nothing but the model.
func Referrers(m *Model) map[string][]Referrer {
	all := make(map[string][]Referrer)
	for _, t := range m.sorted() {
		if !t.Replicated {
			continue
		}
		for _, ref := range t.References {
			all[ref.Table] = append(all[ref.Table], Referrer{
				Child: t, Columns: []string{ref.Column}, Targets: []string{ref.Target}, OnDelete: ActionOf(ref.OnDelete),
			})
		}
		for i := range t.Typed {
			x := &t.Typed[i]
			for _, to := range x.tables() {
				ref := x.Reference(m, to)
				all[to] = append(all[to], Referrer{Child: t, Columns: []string{x.Column}, Targets: []string{ref.Target}, OnDelete: Restrict, Typed: x})
			}
		}
		for _, fk := range t.Composite {
			all[fk.Table] = append(all[fk.Table], Referrer{Child: t, Columns: fk.Columns, Targets: fk.Targets, OnDelete: ActionOf(fk.OnDelete)})
		}
	}
	return all
}
