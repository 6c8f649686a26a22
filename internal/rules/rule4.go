package rules

import (
	"iter"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// View is what there is to be shown of some rows by all rules.
type View struct {
	model *schema.Model
	rules merge.Rules
	rows  map[merge.RowID]*node
}

// node is a row among the others.
type node struct {
	*Row
	table   *schema.Table
	refs    []reference
	visible bool
	// held: R5 keeps it outside its table.
	held bool
	// instead is what R5 lets it show, by column.
	instead map[string]crdt.Value
}

// reference leads to another row of which there is a change.
type reference struct {
	column string
	to     *node
	action schema.Action
}

// Show works out what is shown of rows, by the settings of tables.
func Show(m *schema.Model, settings merge.Rules, rows iter.Seq[*Row]) *View {
	v := &View{model: m, rules: settings, rows: map[merge.RowID]*node{}}
	for r := range rows {
		v.rows[r.ID] = &node{Row: r, table: m.Tables[r.ID.Table]}
	}
	for _, n := range v.rows {
		for i := range n.table.References {
			ref := &n.table.References[i]
			key, is := n.Value(ref.Column).Key()
			if to := v.rows[merge.RowID{Table: ref.Table, Key: key}]; is && to != nil && to != n {
				n.refs = append(n.refs, reference{ref.Column, to, schema.ActionOf(ref.OnDelete)})
			}
		}
	}
	v.rule4()
	v.rule5()
	return v
}

// rule4 finds the rows that are visible: all but the dead ones, and those that
// go with these, as long as no visible row needs them. Of all sets of needed rows that
// fit this it is the least: it begins with none, and what is visible then can only need
// more. So rows that need nothing but each other all go, also in circles.
func (v *View) rule4() {
	needed := map[*node]bool{}
	repeat(func() (changed bool) {
		v.goes(needed)
		for _, n := range v.rows {
			for _, ref := range n.refs {
				if n.visible && ref.action != schema.SetNull && !ref.to.visible {
					needed[ref.to], changed = true, true
				}
			}
		}
		return changed
	})
}

// goes finds what goes, with the dead rows that are not needed, down the
// references with CASCADE. All else is visible.
func (v *View) goes(needed map[*node]bool) {
	for _, n := range v.rows {
		n.visible = n.Live() || needed[n]
	}
	repeat(func() (changed bool) {
		for _, n := range v.rows {
			for _, ref := range n.refs {
				if n.visible && !needed[n] && ref.action == schema.Cascade && !ref.to.visible {
					n.visible, changed = false, true
				}
			}
		}
		return changed
	})
}

func repeat(step func() bool) {
	for step() {
	}
}

// nulled returns the row that is not there to which a column would refer, but
// reads NULL; nil when it does not.
func (n *node) nulled(column string) *node {
	for _, ref := range n.refs {
		if ref.column == column && ref.action == schema.SetNull && !ref.to.visible {
			return ref.to
		}
	}
	return nil
}

// own is what a column shows but for R5.
func (n *node) own(column string) crdt.Value {
	if n.nulled(column) != nil {
		return crdt.Null
	}
	return n.Shows(column)
}

// Visible reports whether a row is in its table.
func (v *View) Visible(id merge.RowID) bool {
	return v.rows[id] != nil && v.rows[id].visible && !v.rows[id].held
}

// Value is what a visible row shows in a column.
func (v *View) Value(id merge.RowID, column string) crdt.Value {
	n := v.rows[id]
	if other, is := n.instead[column]; is {
		return other
	}
	return n.own(column)
}
