package replica

import (
	"bytes"
	"cmp"
	"slices"

	"baraza/crdt"
	"baraza/merge"
)

// A join that was cut goes on from whichever member is there. Of a row that differed,
// the table then has what the first member gave, and the adoption batch has what this
// site had. Where the second member has not got that row, what this site had is all
// that there is until the row's entries come: the row is one that only this site has.

// givenUp reports whether a row was taken over by an earlier attempt alone, and what
// this site had of it.
func (a *adoption) givenUp(id merge.RowID, k *takeover) (own []crdt.Change, err error) {
	if a.bringUp.again || len(k.Own) == 0 || a.r.number(id.Table) != "" {
		return nil, nil
	}
	if s, err := a.t.State(id); err != nil || s != nil { // its member's stamps, and this site's
		return nil, err
	}
	return k.own()
}

// fromAnother reports whether all that is remembered of a row is what an application had
// not seen of another member's: this one has not got the row, so there is nothing that
// it beat, and nothing that it was added to.
func (a *adoption) fromAnother(id merge.RowID, k *takeover) bool {
	return len(k.From) > 0 && len(k.Own) == 0 && !bytes.Equal(k.From, a.bringUp.header.Site[:]) && a.r.number(id.Table) == ""
}

// ownAgain makes a row that is in its table what this site had, if it is such a row.
// Columns that did not differ are the same.
func (a *adoption) ownAgain(id merge.RowID, row *merge.Row) error {
	k, err := a.t.takeover(id)
	if err != nil || k == nil {
		return err
	}
	own, err := a.givenUp(id, k)
	if err != nil || len(own) == 0 {
		return err
	}
	k.Other = notSeen(own)
	first := &own[0]
	values := slices.Clone(row.Values)
	for i, c := range first.Columns {
		if j := slices.Index(row.Columns, c); j >= 0 {
			values[j] = first.Values[i]
		}
	}
	first.Columns, first.Values, first.Whole, first.Prior = row.Columns, values, true, crdt.Stamps{}
	k.Own = (&crdt.Entry{Changes: own}).Encode()
	return a.putOwn(id, k, own, row)
}

// putOwn stores the state of a row of which there is nothing but what this site had.
// What its table does not have of that, but for what applications wrote since, is
// written when what is set aside is tried again, as it is at once.
func (a *adoption) putOwn(id merge.RowID, k *takeover, own []crdt.Change, inTable *merge.Row) error {
	row := &crdt.Row{}
	for i := range own {
		row.Apply(&own[i], a.r.cfg.Self, nil)
	}
	s := &merge.State{Stamps: row.Stamps, KnownRow: row.KnownRow, KnownCells: row.KnownCells, HasLoss: len(row.Lost) > 0}
	for i, c := range row.Columns {
		if inTable != nil {
			j := slices.Index(inTable.Columns, c)
			if slices.Contains(k.Unseen, c) || j >= 0 && inTable.Values[j] == row.Values[i] {
				continue
			}
		}
		s.Columns, s.Values = append(s.Columns, c), append(s.Values, row.Values[i])
	}
	if len(s.Columns) > 0 {
		s.Place, s.Reason = merge.Aside, "is still as a member had it from which the site began to get its rows"
	}
	k.Columns, k.Values = row.Columns, row.Values
	for _, c := range k.Other {
		if !slices.Contains(k.Unseen, c) {
			k.Unseen = append(k.Unseen, c)
		}
	}
	if err := a.t.remember(id, k); err != nil {
		return err
	}
	return a.t.Put(id, s, row.Lost)
}

// notSeen are the columns of which who wrote to the table had not seen what the batch
// says: what it says of the others last is the baseline's, which the table had.
func notSeen(own []crdt.Change) (columns []string) {
	for _, c := range own[0].Columns {
		if len(own) == 1 || !slices.Contains(own[1].Columns, c) {
			columns = append(columns, c)
		}
	}
	return columns
}

// otherSeen returns what a writer had seen of a row, without the columns of which the
// table had what another member gave. He sees what he wrote to them himself.
func (k *takeover) otherSeen(prior crdt.Stamps, ch *crdt.Change) crdt.Stamps {
	for _, c := range k.Other {
		prior.Cells = slices.DeleteFunc(slices.Clone(prior.Cells), func(cell crdt.CellStamp) bool { return cell.Column == c })
		if ch.Delete || slices.Contains(ch.Columns, c) {
			prior.Cells = append(prior.Cells, crdt.CellStamp{Column: c}) // nothing
		}
	}
	k.Other = slices.DeleteFunc(k.Other, func(c string) bool { return slices.Contains(ch.Columns, c) })
	slices.SortFunc(prior.Cells, func(x, y crdt.CellStamp) int { return cmp.Compare(x.Column, y.Column) })
	return prior
}
