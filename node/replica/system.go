package replica

import (
	"context"
	"fmt"

	"baraza/capture"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// WriteSystem writes rows of system tables (merge.SystemPrefix) as a batch of
// this site.
func (r *Replica) WriteSystem(ctx context.Context, rows []capture.Row) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	t := r.newTxn()
	l := r.newLocal(t)
	if err := l.add(&capture.Part{Rows: rows}); err != nil {
		return r.abandon(t, err)
	}
	if err := l.finish(); err != nil {
		return r.abandon(t, err)
	}
	r.saveVectors(t, l.applied, l.gains(), l.clock.Last())
	if err := t.commit(); err != nil {
		return r.abandon(t, fmt.Errorf("write %s: %w", rows[0].Table, err))
	}
	l.adopt()
	return nil
}

// SystemRows calls each for the rows of a system table, in key order.
func (r *Replica) SystemRows(table string, each func(merge.Row) error) error {
	prefix := appendString([]byte{keyState}, table)
	var rows []merge.Row
	var bad error
	err := r.cfg.Store.Scan(prefix, kv.After(prefix), func(k, v []byte) bool {
		s, err := r.names.decodeState(v)
		if err != nil {
			bad = err
			return false
		}
		if !s.Dead() {
			rows = append(rows, merge.Row{Key: rowIDs(k)[0].Key, Columns: s.Columns, Values: s.Values})
		}
		return true
	})
	if err == nil {
		err = bad
	}
	for i := range rows {
		if err == nil {
			err = each(rows[i])
		}
	}
	return err
}

// Conflict is a loss with the row it belongs to.
type Conflict struct {
	ID merge.RowID
	crdt.Loss
	// Place is InDatabase for what R1 and R2 decided. What R4 did has Kept: the
	// delete with the stamp has no effect, as rows refer to the row, and there is
	// no winner; Gone: the row went with one that was deleted; Nulled: so did the
	// reference. Held: R5 gave the value to another row; there is no winner.
	Place merge.Place
}

// Conflicts calls each for every conflict in key order, those of R4 and R5 last, until
// it returns false.
// Losses whose value is visible all the same are left out, and those whose
// winner wrote the very same value: nothing was lost. So are deletes of which all had
// heard who wrote to the row since.
func (r *Replica) Conflicts(each func(Conflict) bool) error {
	var bad error
	stopped := false
	err := r.cfg.Store.Scan([]byte{keyLoss}, []byte{keyLoss + 1}, func(k, v []byte) bool {
		l, err := r.names.decodeLoss(v)
		if err != nil {
			bad = err
			return false
		}
		if l.Visible || l.Column == "" && l.WinnerGone() || !l.Apart && (l.Column != "" && !l.WinnerDelete && l.Value == l.WinnerValue) {
			return true
		}
		rd := reader{s: string(k[1:])}
		stopped = !each(Conflict{ID: merge.RowID{Table: rd.string(), Key: unpackKey(rd.string())}, Loss: l})
		return !stopped
	})
	if err == nil {
		err = bad
	}
	if err != nil || stopped {
		return err
	}
	return r.eachPlaced(each)
}

// NotPlaced is a row that is not, or not wholly, in its table.
type NotPlaced struct {
	ID     merge.RowID
	Place  merge.Place
	Reason string
}

// Counts are figures for status.
type Counts struct {
	Waiting, Held, Aside, Conflicts int
	PendingApply                    uint64 // log entries not applied yet
}

// Counts counts what status shows.
func (r *Replica) Counts() (Counts, error) {
	var c Counts
	s := r.cfg.Store
	waiting := map[merge.RowID]bool{}
	err := s.Scan([]byte{keyWaiting}, []byte{keyWaiting + 1}, func(k, v []byte) bool {
		if ids := rowIDs(k); len(ids) == 2 && placeOf(v) == merge.Waiting {
			waiting[ids[1]] = true
		}
		return true
	})
	if err != nil {
		return c, err
	}
	c.Waiting = len(waiting)
	err = s.Scan([]byte{keyAside}, []byte{keyAside + 1}, func(_, v []byte) bool {
		switch placeOf(v) {
		case merge.Held:
			c.Held++
		case merge.Aside:
			c.Aside++
		default: // in the database, or counted above
		}
		return true
	})
	if err != nil {
		return c, err
	}
	c.PendingApply = r.applied.Behind(r.log.Vector())
	return c, r.Conflicts(func(Conflict) bool { c.Conflicts++; return true })
}

// AsideRows lists rows that the database does not take, up to limit.
func (r *Replica) AsideRows(limit int) ([]NotPlaced, error) {
	var out []NotPlaced
	var bad error
	err := r.cfg.Store.Scan([]byte{keyAside}, []byte{keyAside + 1}, func(k, v []byte) bool {
		if placeOf(v) != merge.Aside {
			return true // held, or kept: no fault of the database's
		}
		id := rowIDs(k)[0]
		s, err := r.stateOf(id)
		if err == nil && s != nil {
			out = append(out, NotPlaced{ID: id, Place: s.Place, Reason: s.Reason})
		}
		bad = err
		return err == nil && len(out) < limit
	})
	if err == nil {
		err = bad
	}
	return out, err
}

// LastOf returns a deleted row as it last was; a row without columns where nobody
// knows.
func (r *Replica) LastOf(id merge.RowID) (merge.Row, error) {
	last := merge.Row{Key: id.Key}
	s, err := r.stateOf(id)
	if err != nil || s == nil || !s.Dead() {
		return last, err
	}
	columns, values := merge.WithoutShown(s.Columns, s.Values)
	row := crdt.Row{Stamps: s.Stamps, Columns: columns, Values: values}
	for _, c := range columns {
		if v, ok := row.Shows(c); ok && !crdt.IsPart(c) {
			last.Columns, last.Values = append(last.Columns, c), append(last.Values, v)
		}
	}
	return last, nil
}
