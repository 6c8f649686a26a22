package replica

import (
	"context"
	"fmt"
	"slices"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
)

// onlyHere adds the rows that the member does not have: those in buckets that
// differ that were not taken over. The references among them are followed by
// each site as for any batch. After a restore they are rows that applications
// have inserted since, and rows that were deleted since the backup and stay for
// what applications have written.
func (a *adoption) onlyHere(ctx context.Context, scan merge.Scan, table string, alive func(table string, rows int64) error) error {
	d, ok := a.bringUp.different[table]
	if !ok {
		return fmt.Errorf("it was not compared")
	}
	remembered := a.bringUp.remembered[table]
	left, err := a.anyLeft(table)
	if err != nil {
		return err
	}
	if !left && (!d.Any() && !remembered || a.bringUp.bare[table]) || a.bringUp.notAsked(table) {
		return nil
	}
	looked := int64(0)
	return scan.Rows(ctx, a.r.cfg.Model.Tables[table], func(part []merge.Row) error {
		for i := range part {
			row := &part[i]
			id := merge.RowID{Table: table, Key: row.Key}
			if left {
				if err := a.leftHere(id, row); err != nil {
					return err
				}
			}
			if remembered {
				if err := a.ownAgain(id, row); err != nil {
					return err
				}
			}
			if a.bringUp.bare[table] || !d.has(row.Key) {
				continue
			}
			if err := a.onlyRow(id, row); err != nil {
				return err
			}
		}
		looked += int64(len(part))
		return alive(table, looked)
	})
}

func (a *adoption) onlyRow(id merge.RowID, row *merge.Row) error {
	k, err := a.t.takeover(id)
	if err != nil || k != nil && !k.Back {
		return err
	}
	losses, err := a.t.Losses(id)
	if err != nil {
		return err
	}
	at := a.bringUp.dating.of(id.Table, row.Columns, row.Values, a.r.cfg.Model.ZoneSeconds)
	if a.bringUp.again || a.bringUp.countsFromNow(id.Table) { // others have seen all that this site wrote at a lower stamp
		at = a.stamp(&capture.Row{At: a.r.cfg.NowMillis() * 1000})
	}
	ch := crdt.Change{Table: id.Table, Key: id.Key, Whole: true, Time: at, Columns: row.Columns, Values: row.Values}
	losses = a.lostBefore(id, losses, &ch)
	s := &merge.State{Stamps: crdt.Stamps{Row: clock.Stamp{Time: at, Site: a.r.cfg.Self}}, HasLoss: len(losses) > 0}
	life, others, err := a.shows(id)
	if err != nil {
		return err
	}
	if number := a.r.number(id.Table); others {
		ch.Prior, s.Stamps = goesOn(number, life), withCell(s.Stamps, number, life)
	}
	if err := a.t.Put(id, s, losses); err != nil {
		return err
	}
	a.append(ch)
	if a.bringUp.again {
		if err := a.t.remember(id, &takeover{Here: true, Columns: row.Columns, Values: row.Values}); err != nil {
			return err
		}
	}
	return a.bound()
}

// lostBefore brings the conflicts of an earlier row of that name up to the insert, as
// every site does that merges it: its writer had seen nothing of them.
func (a *adoption) lostBefore(id merge.RowID, losses []crdt.Loss, insert *crdt.Change) []crdt.Loss {
	if len(losses) == 0 {
		return nil
	}
	row := &crdt.Row{Lost: losses, Number: a.r.number(id.Table)}
	merge.Answer(row, insert, a.r.cfg.Self, a.saidSettled())
	row.Apply(insert, a.r.cfg.Self, a.context)
	return row.Lost
}

// countsFromNow reports whether rows of a table that only this site has begin now. Where
// the database is a member's, which lost its data directory, and a number alone names
// them, some member may have the row, and this one's not yet: then what it says of it is
// a copy, perhaps an old one, and must not take the number from the row (R3).
func (b *BringUp) countsFromNow(table string) bool { return b.member && b.r.number(table) != "" }

// What an application wrote to a row that only this site has, its writer wrote
// before any other site could see the row. So it is in one batch with the row:
// between two, another site would show the written values, and overwrite them
// knowingly, before it hears when they were written.

// addedHere returns what a joining site remembers of a row that it added to the batch;
// nil when it did not. It has no stamps but its own.
func (a *adoption) addedHere(id merge.RowID) (*takeover, error) {
	s, err := a.t.State(id)
	if err != nil || s == nil || s.Row.Site != a.r.cfg.Self {
		return nil, err
	}
	return &takeover{Here: true}, nil
}

// writtenHere adds what was written to such a row. After a restore the row itself has
// it already, as of now; where sites join it is of its own time.
func (a *adoption) writtenHere(id merge.RowID, k *takeover, captured *capture.Row) error {
	s, err := a.t.State(id)
	if err != nil {
		return err
	}
	row := a.noInsert(captured, s)
	if a.bringUp.again {
		row = k.news(row)
	}
	if len(row.Columns) > 0 {
		if err := a.unseen(id, k, row); err != nil {
			return err
		}
	}
	a.notesReferences(&crdt.Change{Table: id.Table, Columns: captured.Columns})
	waiting, err := a.t.WaitingFor(id)
	a.wake = append(a.wake, waiting...)
	return err
}

// news returns a write without the values that the batch says already.
func (k *takeover) news(row *capture.Row) *capture.Row {
	rest := *row
	rest.Columns, rest.Values = nil, nil
	for i, c := range row.Columns {
		if j := slices.Index(k.Columns, c); j < 0 || k.Values[j] != row.Values[i] {
			rest.Columns, rest.Values = append(rest.Columns, c), append(rest.Values, row.Values[i])
		}
	}
	return &rest
}

// deletedHere adds a row that perhaps only this site ever had, as it was before
// it was deleted: whoever brings it back brings back all of it.
func (a *adoption) deletedHere(id merge.RowID, row *capture.Row) error {
	s, err := a.t.State(id)
	if err != nil || s != nil && !(s.Deleted.IsZero() && s.Greatest().IsZero()) { // but for what it lost
		return err
	}
	return a.onlyRow(id, &merge.Row{Key: row.Key, Columns: row.Columns, Values: row.Values})
}
