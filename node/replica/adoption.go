package replica

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
)

const (
	// adoptionEntries is how many log entries the adoption batch keeps in
	// memory before they go to the staging area.
	adoptionEntries = 32
	// takenRows is how many remembered rows are read at a time.
	takenRows = 500
)

// Finish completes the bring-up: it writes the adoption batch, which has the
// rows that only this site has, the values that differ, and the local changes
// up to now; and it makes the member's vector this site's own. scan was opened
// after the last Put. From here on the site captures and applies.
func (b *BringUp) Finish(ctx context.Context, scan merge.Scan, alive func(table string, rows int64) error) error {
	r := b.r
	t := r.newTxn()
	a := &adoption{bringUp: b, local: r.newLocal(t)}
	a.clock.Observe(b.header.Clock)
	a.applied.Merge(b.header.Vector)
	a.context = b.header.Vector
	if err := a.fill(ctx, scan, alive); err != nil {
		return r.abandon(t, fmt.Errorf("write the adoption batch: %w", err))
	}
	a.finish()
	contexts := maps.Clone(b.header.Contexts)
	if contexts == nil {
		contexts = map[clock.SiteID]clock.VersionVector{}
	}
	maps.Copy(contexts, a.contexts())
	r.saveVectors(t, a.applied, contexts, a.clock.Last())
	t.set(metaTaken, encodeIDs(a.ids))
	t.set(metaBringUp, nil)
	if err := r.log.jump(b.header.Vector, t); err != nil {
		return r.abandon(t, fmt.Errorf("complete the bring-up: %w", err))
	}
	r.bringingUp = false
	r.taken = a.ids
	r.applied = a.applied
	r.contexts = contexts
	a.adopt()
	if err := dropKeys(r.cfg.Store, keyTaken); err != nil {
		return fmt.Errorf("forget the bring-up: %w", err)
	}
	return r.releaseTaken(ctx)
}

// adoption is the adoption batch in the making.
type adoption struct {
	*local
	bringUp *BringUp
	written uint64 // entries that are in the staging area
}

func (a *adoption) fill(ctx context.Context, scan merge.Scan, alive func(table string, rows int64) error) error {
	for _, table := range a.bringUp.Tables() {
		if err := a.onlyHere(ctx, scan, table, alive); err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	if err := a.differing(); err != nil {
		return err
	}
	return a.captured(ctx)
}

// bound keeps the batch from growing in memory.
func (a *adoption) bound() error {
	if a.seq < a.first+a.written+adoptionEntries {
		return nil
	}
	a.written = a.seq + 1 - a.first
	return a.t.spill()
}

// onlyHere adds the rows that the member does not have: those in buckets that
// differ that were not taken over. The references among them are followed by
// each site as for any batch.
func (a *adoption) onlyHere(ctx context.Context, scan merge.Scan, table string, alive func(table string, rows int64) error) error {
	d, ok := a.bringUp.different[table]
	if !ok {
		return fmt.Errorf("it was not compared")
	}
	if !d.Any() {
		return nil
	}
	looked := int64(0)
	return scan.Rows(ctx, a.r.cfg.Model.Tables[table], func(part []merge.Row) error {
		for i := range part {
			row := &part[i]
			if !d.has(row.Key) {
				continue
			}
			if err := a.onlyRow(merge.RowID{Table: table, Key: row.Key}, row); err != nil {
				return err
			}
		}
		looked += int64(len(part))
		return alive(table, looked)
	})
}

func (a *adoption) onlyRow(id merge.RowID, row *merge.Row) error {
	k, err := a.t.takeover(id)
	if err != nil || k != nil {
		return err
	}
	s := &merge.State{Stamps: crdt.Stamps{Row: clock.Stamp{Time: ownTime, Site: a.r.cfg.Self}}}
	if err := a.t.Put(id, s, nil); err != nil {
		return err
	}
	a.append(crdt.Change{
		Table: id.Table, Key: id.Key, Whole: true, Time: ownTime, Columns: row.Columns, Values: row.Values,
	})
	return a.bound()
}

// differing adds the values that lost to the member's. The states have them
// already.
func (a *adoption) differing() error {
	for lower := []byte{keyTaken}; lower != nil; {
		var values [][]byte
		next := []byte(nil)
		err := a.t.store.Scan(lower, []byte{keyTaken + 1}, func(k, v []byte) bool {
			if len(values) == takenRows {
				next = slices.Clone(k)
				return false
			}
			if len(v) > 0 {
				values = append(values, slices.Clone(v))
			}
			return true
		})
		if err != nil {
			return err
		}
		lower = next
		for _, v := range values {
			k, err := decodeTakeover(v)
			if err != nil {
				return err
			}
			changes, err := k.own()
			if err != nil {
				return err
			}
			for _, ch := range changes {
				a.append(ch)
			}
			if err := a.bound(); err != nil {
				return err
			}
		}
	}
	return nil
}

// captured adds the local changes up to now.
func (a *adoption) captured(ctx context.Context) error {
	reading, err := a.r.cfg.Source.Read(ctx)
	if err != nil {
		return fmt.Errorf("read local changes: %w", err)
	}
	defer reading.Close()
	for {
		part, err := reading.Next(ctx, a.r.limits.captureRows)
		if err != nil {
			return fmt.Errorf("read local changes: %w", err)
		}
		if part == nil {
			return nil
		}
		for i := range part.Rows {
			if err := a.capture(&part.Rows[i]); err != nil {
				return err
			}
		}
		a.ids = append(a.ids, part.IDs...)
	}
}

// capture adds one local change. What its writer had not seen of a row that
// was taken over is not among what it overwrote.
func (a *adoption) capture(row *capture.Row) error {
	id := merge.RowID{Table: row.Table, Key: row.Key}
	k, err := a.t.takeover(id)
	if err != nil {
		return err
	}
	if k == nil || len(k.Unseen) == 0 && !k.Gone {
		err = a.row(row)
	} else {
		err = a.unseen(id, k, row)
	}
	if err != nil {
		return err
	}
	return a.bound()
}

// unseen adds a change of a row that was taken over beneath it. Unlike row it
// works on the member's values, which are not in the table, since they may be
// lost.
func (a *adoption) unseen(id merge.RowID, k *takeover, captured *capture.Row) error {
	s, err := a.t.State(id)
	if err != nil {
		return err
	}
	row := &crdt.Row{Columns: k.Columns, Values: k.Values}
	if s != nil {
		row.Stamps, row.KnownRow, row.KnownCells = s.Stamps, s.KnownRow, s.KnownCells
		if row.Lost, err = a.t.Losses(id); err != nil {
			return err
		}
	}
	row.Exists = !row.Dead()
	if !row.Exists && captured.Delete { // deleted at both sites
		return a.putUnseen(id, s, row, nil, &takeover{})
	}
	ch := crdt.Change{Table: id.Table, Key: id.Key, Delete: captured.Delete, Time: a.stamp(captured)}
	if !ch.Delete {
		ch.Columns, ch.Values = captured.Columns, captured.Values
		ch.Whole = len(ch.Columns) == a.r.shipped[id.Table]
	}
	ch.Prior = k.prior(&row.Stamps)
	kept := a.keptAfter(s, &ch)
	row.Apply(&ch, a.r.cfg.Self, a.context)
	a.append(ch)
	if ch.Delete {
		k = &takeover{} // what comes after it is a row of this site
	} else {
		k.Columns, k.Values = row.Columns, row.Values
	}
	return a.putUnseen(id, s, row, kept, k)
}

// prior returns the stamps of what a local write overwrote: of the columns
// that its writer had not seen, the baseline's, which was here before.
func (k *takeover) prior(now *crdt.Stamps) crdt.Stamps {
	if k.Gone {
		return crdt.Stamps{}
	}
	p := crdt.Stamps{Row: now.Row}
	for _, c := range now.Cells {
		if !slices.Contains(k.Unseen, c.Column) {
			p.Cells = append(p.Cells, c)
		}
	}
	if p.Row.IsZero() {
		return p
	}
	for _, c := range k.Unseen {
		p.Cells = append(p.Cells, crdt.CellStamp{Column: c})
	}
	slices.SortFunc(p.Cells, byColumn)
	return p
}

// putUnseen stores the state of a row whose values are in the table if it
// exists, but for those of the kept columns, and what the row's next change is
// to work on.
func (a *adoption) putUnseen(id merge.RowID, s *merge.State, row *crdt.Row, kept []string, k *takeover) error {
	encoded, err := k.encode()
	if err != nil {
		return err
	}
	a.t.set(rowKey(keyTaken, id), encoded)
	next := &merge.State{Stamps: row.Stamps, KnownRow: row.KnownRow, KnownCells: row.KnownCells, HasLoss: len(row.Lost) > 0}
	if !row.Exists {
		next.Columns, next.Values = row.Columns, row.Values
		return a.t.Put(id, next, row.Lost)
	}
	for _, c := range kept {
		v, _ := row.Value(c)
		next.Columns, next.Values = append(next.Columns, c), append(next.Values, v)
	}
	if len(kept) > 0 && s != nil {
		next.Place, next.Reason, next.Missing = s.Place, s.Reason, s.Missing
	}
	return a.t.Put(id, next, row.Lost)
}
