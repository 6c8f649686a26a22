package replica

import (
	"context"
	"fmt"
	"slices"

	"baraza/capture"
	"baraza/crdt"
	"baraza/merge"
)

// Affirmed is a row that was written around capture and becomes an ordinary
// change: what is in the table now, as of now.
type Affirmed struct {
	Key crdt.Key
	// Columns are those to write; none means the whole row.
	Columns []string
	// Last are the values that the row had, as another site has it, in case it is
	// not there any more: then it is deleted, and they stay with the tombstone.
	Last Item
}

// Affirm makes ordinary changes of this site of rows as they are in their table.
// It returns of how many. A row that an application has changed meanwhile is
// taken as it is then.
func (r *Replica) Affirm(ctx context.Context, table string, rows []Affirmed) (changes int, err error) {
	if t := r.cfg.Model.Tables[table]; t == nil || !t.Replicated {
		return 0, fmt.Errorf("table %s is not replicated", table)
	}
	for some := range slices.Chunk(rows, r.limits.groupRows) {
		err := r.persist(ctx, func() error {
			n, err := r.affirm(ctx, table, some)
			changes += n
			return err
		})
		if err != nil {
			return changes, fmt.Errorf("affirm rows of table %s: %w", table, err)
		}
	}
	return changes, nil
}

func (r *Replica) affirm(ctx context.Context, table string, rows []Affirmed) (int, error) {
	tx, err := r.cfg.Database.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("begin a transaction: %w", err)
	}
	t := r.newTxn()
	l := r.newLocal(t)
	n, err := r.fillAffirmed(ctx, table, rows, tx, l)
	if err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return 0, r.abandon(t, err)
	}
	if l.changes == 0 {
		return 0, tx.Rollback()
	}
	if err := r.commitBoth(tx, t); err != nil {
		return 0, err
	}
	l.adopt()
	return n, nil
}

func (r *Replica) fillAffirmed(ctx context.Context, table string, rows []Affirmed, tx merge.Tx, l *local) (int, error) {
	keys := make([]crdt.Key, len(rows))
	for i := range rows {
		keys[i] = rows[i].Key
	}
	found, err := tx.Lock(ctx, r.cfg.Model.Tables[table], keys)
	if err != nil {
		return 0, err
	}
	if err := r.takePending(ctx, tx, l); err != nil {
		return 0, err
	}
	inTable := make(map[crdt.Key]*merge.Row, len(found))
	for i := range found {
		inTable[found[i].Key] = &found[i]
	}
	n := 0
	for i := range rows {
		change, err := l.affirmed(table, &rows[i], inTable[rows[i].Key])
		if err != nil {
			return 0, err
		}
		if change == nil {
			continue
		}
		if err := l.row(change); err != nil {
			return 0, err
		}
		n++
	}
	if err := l.finish(); err != nil {
		return 0, err
	}
	r.saveVectors(l.t, l.applied, l.gains(), l.clock.Last())
	return n, tx.SetMark(ctx, r.mark, r.mark.Next())
}

// affirmed is the change that says what became of a row; nil where that is said
// already.
func (l *local) affirmed(table string, a *Affirmed, row *merge.Row) (*capture.Row, error) {
	change := &capture.Row{Table: table, Key: a.Key, At: l.r.cfg.NowMillis() * 1000}
	s, err := l.t.State(merge.RowID{Table: table, Key: a.Key})
	if err != nil {
		return nil, err
	}
	if row == nil {
		if s != nil && (s.Dead() || s.Place != merge.InDatabase) {
			return nil, nil
		}
		change.Delete, change.Columns, change.Values = true, a.Last.Columns, a.Last.Values
		return change, nil
	}
	if s != nil && s.Stays() {
		return nil, nil
	}
	change.Columns, change.Values = row.Columns, row.Values
	if len(a.Columns) == 0 || s != nil && s.Dead() {
		return change, nil
	}
	change.Columns, change.Values = nil, nil
	for i, c := range row.Columns {
		if slices.Contains(a.Columns, c) {
			change.Columns, change.Values = append(change.Columns, c), append(change.Values, row.Values[i])
		}
	}
	return change, nil
}
