package rules

import (
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Conflict is what R4 and R5 did with a row, as replica.Conflict tells it.
type Conflict struct {
	ID merge.RowID
	crdt.Loss
	Place merge.Place
}

// Conflicts lists what R4 and R5 did, in no order.
func (v *View) Conflicts() (all []Conflict) {
	for _, n := range v.rows {
		switch {
		case !n.Live() && n.visible:
			all = append(all, Conflict{n.ID, crdt.Loss{Stamp: n.Deleted}, merge.Kept})
		case n.held:
			all = append(all, Conflict{n.ID, crdt.Loss{Stamp: n.greatest()}, merge.Held})
		case n.Live() && !n.visible:
			all = append(all, Conflict{n.ID, crdt.Loss{Stamp: n.greatest(), Winner: n.tookIt(), WinnerDelete: true}, merge.Gone})
		}
		if n.visible && !n.held {
			all = append(all, n.notShown()...)
		}
	}
	return all
}

// notShown lists the values that R4 and R5 do not show in a visible row.
func (n *node) notShown() (all []Conflict) {
	for _, c := range n.Cells {
		if to := n.nulled(c.Column); to != nil {
			all = append(all, Conflict{n.ID, crdt.Loss{
				Column: c.Column, Value: c.Value, Stamp: c.Stamp, Winner: to.tookIt(), WinnerDelete: true,
			}, merge.Nulled})
		}
		if _, is := n.instead[c.Column]; is {
			all = append(all, Conflict{n.ID, crdt.Loss{Column: c.Column, Value: c.Value, Stamp: c.Stamp}, merge.Held})
		}
	}
	return all
}

// tookIt is the latest delete of those that took a row, or took what took it.
func (n *node) tookIt() (at clock.Stamp) {
	seen := map[*node]bool{}
	var up func(*node)
	up = func(n *node) {
		if seen[n] || n.visible {
			return
		}
		seen[n] = true
		if !n.Live() {
			if at.Less(n.Deleted) {
				at = n.Deleted
			}
			return
		}
		for _, ref := range n.refs {
			if ref.action == schema.Cascade {
				up(ref.to)
			}
		}
	}
	up(n)
	return at
}
