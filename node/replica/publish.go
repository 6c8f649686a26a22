package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/schema"
)

// publishTries bounds how often one piece of a table is tried when the
// database asks to try again.
const publishTries = 20

// Publish makes the rows that a table has already known to all sites, when the
// table begins to be replicated at a site that is up. Each site that adds the
// table does so with its own rows. They get the time that they tell themselves,
// else the lowest stamp, so that whatever was written since wins; of two rows of
// one key that differ, the later wins, between equals the site with the greater
// id, and the other value becomes a conflict. Rows that
// came from other sites before the table was here are placed. scan is a view
// that was opened after the triggers were installed.
//
// After an error nothing of the table is applied until Publish went well: the site's own
// rows would be overwritten, and nobody would know that they were there.
func (r *Replica) Publish(ctx context.Context, scan merge.Scan, table string) error {
	t := r.cfg.Model.Tables[table]
	if t == nil || !t.Replicated {
		return fmt.Errorf("table %s is not replicated", table)
	}
	r.setTold(table, true)
	err := r.publish(ctx, scan, t)
	if err != nil {
		r.setTold(table, false)
	}
	return err
}

// Untold returns the tables whose rows are still to be published, in order of their names.
// A Driver lets nothing be applied before, in any table: a delete in another one may take
// rows of theirs along.
func (r *Replica) Untold() []string {
	if len(r.untold) == 0 { // asked before each apply
		return nil
	}
	return slices.Sorted(maps.Keys(r.untold))
}

// setTold notes whether all rows of a table are told.
func (r *Replica) setTold(table string, yes bool) {
	switch {
	case yes == !r.untold[table]:
	case yes:
		delete(r.untold, table)
		r.SetModel(r.cfg.Model)
	default:
		r.SetModel(r.cfg.Model, table)
	}
}

// leaveUntold adds to the untold tables, and takes those out that the model has no more.
func (r *Replica) leaveUntold(m *schema.Model, more []string) {
	if r.untold == nil {
		r.untold = map[string]bool{}
	}
	for _, table := range more {
		r.untold[table] = true
	}
	maps.DeleteFunc(r.untold, func(table string, _ bool) bool {
		t := m.Tables[table]
		return t == nil || !t.Replicated
	})
}

// toldOnly is a model that leaves out the tables whose rows are not all told.
func (r *Replica) toldOnly(m *schema.Model) *schema.Model {
	if len(r.untold) == 0 {
		return m
	}
	only := *m
	only.Tables = maps.Clone(m.Tables)
	for name := range r.untold {
		if t := only.Tables[name]; t != nil {
			left := *t
			left.Replicated = false
			only.Tables[name] = &left
		}
	}
	return &only
}

func (r *Replica) publish(ctx context.Context, scan merge.Scan, t *schema.Table) error {
	table := t.Name
	err := scan.Rows(ctx, t, func(rows []merge.Row) error {
		keys := make([]crdt.Key, len(rows))
		for i := range rows {
			keys[i] = rows[i].Key
		}
		return r.persist(ctx, func() error { return r.publishRows(ctx, table, keys) })
	})
	if err != nil {
		return fmt.Errorf("publish table %s: %w", table, err)
	}
	ids, err := r.asideRows(table)
	for ; err == nil && len(ids) > 0; ids = ids[min(len(ids), r.limits.groupRows):] {
		some := ids[:min(len(ids), r.limits.groupRows)]
		err = r.persist(ctx, func() error {
			g := r.newGroup()
			g.retry = some
			_, err := r.applyGroup(ctx, g)
			return err
		})
	}
	return err
}

// persist repeats a step while the database asks for it.
func (r *Replica) persist(ctx context.Context, step func() error) error {
	for try := 1; ; try++ {
		err := r.begin(ctx)
		if err == nil {
			err = step()
		}
		switch {
		case err == nil || try == publishTries:
			return err
		case errors.Is(err, ErrCaptureFirst):
			if _, err := r.Capture(ctx); err != nil {
				return err
			}
		case !errors.Is(err, merge.ErrRetry):
			return err
		}
	}
}

// publishRows writes the rows with these keys as one batch of this site, and
// merges them with what other sites said of the same rows.
func (r *Replica) publishRows(ctx context.Context, table string, keys []crdt.Key) error {
	tx, err := r.cfg.Database.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	t := r.newTxn()
	l := r.newLocal(t)
	if err := r.fillPublished(ctx, table, keys, tx, t, l); err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return r.abandon(t, err)
	}
	if l.changes == 0 {
		return tx.Rollback()
	}
	if err := r.commitBoth(tx, t); err != nil {
		return err
	}
	l.adopt()
	return nil
}

func (r *Replica) fillPublished(ctx context.Context, table string, keys []crdt.Key, tx merge.Tx, t *txn, l *local) error {
	rows, err := tx.Lock(ctx, r.cfg.Model.Tables[table], keys)
	if err != nil {
		return err
	}
	if err := r.takePending(ctx, tx, l); err != nil {
		return err
	}
	dates := dating{model: r.cfg.Model, latest: clock.At(r.cfg.NowMillis(), 0)}
	var changes []crdt.Change
	for i := range rows {
		s, err := t.State(merge.RowID{Table: table, Key: rows[i].Key})
		if err != nil {
			return err
		}
		ch := unsaid(table, &rows[i], s, r.number(table), r.cfg.Self)
		if ch == nil {
			continue
		}
		ch.Time = crdt.PublishedAt(dates.of(table, rows[i].Columns, rows[i].Values, r.cfg.Model.ZoneSeconds))
		if s != nil && r.number(table) == "" && r.lostBefore(s, ch) {
			if len(ch.Columns) == 0 {
				continue // the same: it goes with what is aside
			}
		}
		l.clock.Observe(ch.Time)
		if s == nil && r.number(table) != "" { // it begins where it stands
			if err := t.Put(merge.RowID{Table: table, Key: ch.Key}, &merge.State{Stamps: crdt.Stamps{Row: clock.Stamp{Time: ch.Time, Site: r.cfg.Self}}}, nil); err != nil {
				return err
			}
			l.append(*ch)
			continue
		}
		changes = append(changes, *ch)
	}
	p := r.merger.NewPiece([]merge.Incoming{{Origin: r.cfg.Self, Context: l.context, Settled: r.settledOf(r.cfg.Self), Changes: changes}})
	if err := p.Lock(ctx, tx, t); err != nil {
		return err
	}
	if err := p.Merge(ctx, tx, t); err != nil {
		return err
	}
	for _, ch := range changes {
		l.append(ch)
	}
	if err := l.finish(); err != nil {
		return err
	}
	r.saveVectors(t, l.applied, l.gains(), l.clock.Last())
	return tx.SetMark(ctx, r.mark, r.mark.Next())
}

// unsaid returns the change that says what no change has said of a row yet;
// nil when all of it was.
// number is the column that alone names the row, if one does.
func unsaid(table string, row *merge.Row, s *merge.State, number string, self clock.SiteID) *crdt.Change {
	ch := &crdt.Change{Table: table, Key: row.Key, Columns: row.Columns, Values: row.Values, Whole: true}
	if s == nil {
		return ch
	}
	if s.Place != merge.InDatabase { // what the state has is of others
		written := func(c string) bool { return s.Of(c).Site == self && !slices.Contains(s.Columns, c) }
		if !slices.ContainsFunc(row.Columns, written) {
			return ch
		}
		ch.Whole, ch.Columns, ch.Values = false, nil, nil
		for i, c := range row.Columns {
			if !written(c) {
				ch.Columns, ch.Values = append(ch.Columns, c), append(ch.Values, row.Values[i])
			}
		}
		return ch
	}
	ch.Whole, ch.Columns, ch.Values = false, nil, nil
	for i, c := range row.Columns {
		if stamp := s.Of(c); stamp.IsZero() && c != number {
			ch.Columns, ch.Values = append(ch.Columns, c), append(ch.Values, asBase(&crdt.Row{Stamps: s.Stamps, Columns: s.Columns, Values: s.Values}, c, row.Values[i]))
		}
	}
	if len(ch.Columns) == 0 {
		return nil
	}
	if number != "" {
		ch.Prior = ch.Prior.WithLife(number, s.Of(number))
	}
	return ch
}

// lostBefore makes a copy of a row that others have deleted one that has lost to that
// delete, as where sites join (crdt.LostToDelete), and reports whether it did: not where
// the delete is settled, by which the copy is a new row, nor where the copy is later.
// Whoever publishes it too, and knows that the delete is settled, says a new row; which
// of the two sites hear of first must make no difference.
func (r *Replica) lostBefore(s *merge.State, ch *crdt.Change) bool {
	if !ch.Whole || !s.Dead() || r.settledOf(r.cfg.Self).Covers(s.Deleted) || ch.Time >= s.Deleted.Time {
		return false
	}
	had := *ch
	ch.Whole, ch.Columns, ch.Values, ch.Prior.Deleted = false, nil, nil, s.Deleted
	for i, c := range had.Columns {
		if j := slices.Index(s.Columns, c); j < 0 || s.Values[j] != had.Values[i] {
			ch.Columns, ch.Values = append(ch.Columns, c), append(ch.Values, had.Values[i])
		}
	}
	return true
}

// asideRows lists the rows of a table that are held or set aside.
func (r *Replica) asideRows(table string) ([]merge.RowID, error) {
	prefix := appendString([]byte{keyAside}, table)
	var ids []merge.RowID
	err := r.cfg.Store.Scan(prefix, kv.After(prefix), func(k, _ []byte) bool {
		ids = append(ids, rowIDs(k)[0])
		return true
	})
	return ids, err
}
