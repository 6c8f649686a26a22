package node

import (
	"context"
	"fmt"

	"baraza/crdt"
	"baraza/merge"
	"baraza/node/admin"
	"baraza/node/replica"
	"baraza/schema"
)

// Undo of a conflict is a write like any other: in a transaction of an application's,
// which capture sees, stamps and ships. So nothing is said to the other sites but what
// they would have heard from an application that wrote the value anew.

// undoing is what is to be written to undo a conflict.
type undoing struct {
	replica.Conflict
	m     *schema.Model
	t     *schema.Table
	force bool
	// last is a deleted row as it last was.
	last merge.Row
	did  string
}

// UndoConflict implements admin.Service.
func (s service) UndoConflict(ctx context.Context, req admin.UndoRequest) (*admin.Undone, error) {
	n := s.n
	var u *undoing
	err := s.eachConflict(ctx, func(c replica.Conflict) bool {
		if conflictID(&c) == req.ID {
			u = &undoing{Conflict: c, force: req.Force}
		}
		return u == nil
	})
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, admin.Nof("there is no conflict %s: `baraza conflicts list` shows them", req.ID)
	}
	u.m = n.tables()
	if u.t = u.m.Tables[u.ID.Table]; u.t == nil || !u.t.Replicated {
		return nil, admin.Nof("table %s is not replicated here: undo the conflict at a site that has it", u.ID.Table)
	}
	if why := u.cannot(); why != "" {
		return nil, admin.Nof("conflict %s cannot be undone by one write: %s", req.ID, why)
	}
	if u.WinnerDelete {
		err := n.engine.do(ctx, func() (err error) { u.last, err = n.replica.LastOf(u.ID); return err })
		if err != nil {
			return nil, err
		}
	}
	if err := n.db.AsApplication(ctx, u.m, u.write); err != nil {
		return nil, err
	}
	n.log.Info("a conflict was undone", "conflict", req.ID, "table", u.ID.Table, "key", u.ID.Key.String(), "did", u.did)
	return &admin.Undone{Conflict: n.conflict(&u.Conflict), Did: u.did}, nil
}

// cannot says why no single write undoes the conflict, and what does; "" when one
// does.
func (u *undoing) cannot() string {
	_, _, part := crdt.PartOf(u.Column)
	switch {
	case u.Apart && !u.WinnerDelete:
		return "another row has the number; insert the row again, with a number that is free, or with none"
	case part:
		return "a counter adds up what is written to it; UPDATE it by what is missing"
	case u.Place == merge.Kept:
		return "rows refer to the row; delete them, and it goes by itself"
	case u.Place == merge.Gone, u.Place == merge.Nulled:
		return "a row that it refers to was deleted; insert that one again, and this is back by itself"
	case u.Place == merge.Held:
		return "another row has the value; change that one, and this is back by itself"
	case u.Column != "" && u.t.Column(u.Column) == nil:
		return "this site's table has no column " + u.Column + "; undo it at a site that has it"
	}
	return ""
}

// write does it, in a transaction of an application's.
func (u *undoing) write(ctx context.Context, tx merge.Tx) error {
	rows, err := tx.Lock(ctx, u.t, []crdt.Key{u.ID.Key})
	if err != nil {
		return err
	}
	row := &crdt.Row{}
	if len(rows) == 1 {
		row.Columns, row.Values = rows[0].Columns, rows[0].Values
	}
	var refused []merge.RowError
	switch there := len(rows) == 1; {
	case u.Column == "" && !there:
		return admin.Nof("the row is not there any more: there is nothing to do")
	case u.Column == "":
		u.did = "deleted the row"
		refused, err = tx.Delete(ctx, u.t, []crdt.Key{u.ID.Key})
	case there:
		refused, err = u.set(ctx, tx, row)
	case !u.WinnerDelete:
		return admin.Nof("the row was deleted since: insert it again first, if it is wanted")
	default:
		refused, err = u.insert(ctx, tx)
	}
	if err == nil && len(refused) > 0 {
		return admin.Nof("the database refuses it: %s", refused[0].Detail)
	}
	return err
}

// set writes the value that lost over the one that won.
func (u *undoing) set(ctx context.Context, tx merge.Tx, row *crdt.Row) ([]merge.RowError, error) {
	now, _ := row.Value(u.Column)
	if crdt.Same(now, u.Value) {
		return nil, admin.Nof("%s is %s already: there is nothing to do", u.Column, now)
	}
	if !u.force && (u.WinnerDelete || !crdt.Same(now, u.WinnerValue)) {
		return nil, admin.Nof("%s is %s now, which someone wrote since: --force writes %s over it", u.Column, now, u.Value)
	}
	u.did = fmt.Sprintf("wrote %s over %s", u.Value, now)
	return tx.Update(ctx, u.t, []merge.Row{{Key: u.ID.Key, Columns: []string{u.Column}, Values: []crdt.Value{u.Value}}})
}

// insert brings a deleted row back, as it last was and with the value that lost.
func (u *undoing) insert(ctx context.Context, tx merge.Tx) ([]merge.RowError, error) {
	last := crdt.Row{Columns: u.last.Columns, Values: u.last.Values}
	last.SetValue(u.Column, u.Value)
	back := merge.Row{Key: u.ID.Key}
	for _, c := range u.t.Shipped() {
		if v, ok := last.Value(c); ok {
			back.Columns, back.Values = append(back.Columns, c), append(back.Values, v)
		}
	}
	for _, ref := range u.t.References {
		v, _ := last.Value(ref.Column)
		key, is := v.Key()
		if !is {
			continue
		}
		parent := u.m.Tables[ref.Table]
		if parent == nil {
			continue
		}
		if found, err := tx.Resolve(ctx, parent, []crdt.Key{key}); err != nil || !found[0] {
			if err == nil {
				err = admin.Nof("row %s of table %s, to which it refers, is not there: bring that one back first", key, ref.Table)
			}
			return nil, err
		}
	}
	u.did = "inserted the row again, as it last was"
	return tx.Insert(ctx, u.t, []merge.Row{back})
}
