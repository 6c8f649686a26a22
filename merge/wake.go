package merge

import (
	"context"
	"slices"
)

// retryRowsMax bounds how many held rows of a table one transaction tries
// again, in rows.
const retryRowsMax = 200

// tryMax bounds how often a row is tried again in one transaction, but for the
// arrival of what it waits for. What is left is tried later.
const tryMax = 3

// wake returns the next round: rows that waited for what came in or was
// removed, rows of tables where a unique value may have been freed, and rows
// that R4 brings back or lets go. nil when none.
func (pl *placing) wake() (ids []RowID, err error) {
	revive := pl.revive
	for _, id := range pl.arrived { // each arrives once, so this ends
		waiting, err := pl.states.WaitingFor(id)
		if err != nil {
			return nil, err
		}
		ids = append(ids, waiting...)
		for _, id := range waiting {
			if pl.revived[id] { // it still is to come back, now with what it waited for
				pl.revive = append(pl.revive, id)
				delete(pl.seen, id)
			}
		}
	}
	var again []RowID
	for _, id := range pl.departed {
		waiting, err := pl.states.WaitingFor(id)
		if err != nil {
			return nil, err
		}
		again = append(again, waiting...)
	}
	slices.Sort(pl.freed)
	for _, at := range slices.Compact(pl.freed) {
		held, err := pl.states.NotPlaced(pl.m.Order[at], retryRowsMax)
		if err != nil {
			return nil, err
		}
		for _, id := range held {
			if pl.seen[id] == 0 {
				again = append(again, id)
			}
		}
	}
	again = append(append(append(again, pl.released...), pl.rings...), revive...)
	return append(ids, pl.tried(again)...), nil
}

// tried returns the rows that may be tried once more, each once, however many reasons
// there are.
func (pl *placing) tried(again []RowID) (ids []RowID) {
	if len(again) == 0 {
		return nil
	}
	if pl.seen == nil {
		pl.seen = map[RowID]int{}
	}
	slices.SortFunc(again, RowID.Compare)
	for _, id := range slices.Compact(again) {
		if pl.seen[id]++; pl.seen[id] <= tryMax {
			ids = append(ids, id)
		}
	}
	return ids
}

// next returns the round after this one; nil when there is nothing to do.
func (pl *placing) next(ctx context.Context) (*Piece, error) {
	ids, err := pl.settle(ctx)
	if err != nil {
		return nil, err
	}
	more, err := pl.wake()
	if err != nil {
		return nil, err
	}
	ids = append(ids, more...)
	circle, err := pl.circle()
	if err != nil {
		return nil, err
	}
	ids = append(ids, circle...)
	if len(ids) == 0 {
		if ids, err = pl.quiet(ctx); err != nil {
			return nil, err
		}
	}
	root := pl.rounds.rounds[0]
	if len(ids) == 0 {
		return nil, nil
	}
	next := pl.m.newPiece()
	next.room(len(ids))
	next.adopting, next.following = root.adopting, root.following
	for _, id := range ids {
		if w := root.find(id); !pl.m.replicated(id.Table) || w != nil && w.pinned || root.away != nil && root.away(id) {
			continue
		}
		later, err := pl.inTableUnlocked(id)
		if err != nil {
			return nil, err
		}
		if later {
			root.Deferred = append(root.Deferred, id)
			continue
		}
		next.work(id)
	}
	if next.empty() {
		return nil, nil
	}
	if err := next.reload(ctx, pl.tx, pl.states); err != nil {
		return nil, err
	}
	for _, id := range pl.revive {
		if w := next.find(id); w != nil {
			w.revive = true
		}
	}
	next.deferTo(pl)
	return next, nil
}

// circle returns rows that wait, not in their tables, for rows that are to come
// back, and so on: where rows refer to each other in a circle, none can come in
// before the others. Those that were to come back before still are; but what has
// not come back in tryMax rounds waits for something else, and they with it.
func (pl *placing) circle() (ids []RowID, err error) {
	if len(pl.revive) == 0 {
		return nil, nil
	}
	done := map[RowID]bool{}
	if pl.revived == nil {
		pl.revived = map[RowID]bool{}
	}
	for i := 0; i < len(pl.revive); i++ {
		if done[pl.revive[i]] || pl.seen[pl.revive[i]] > tryMax {
			continue
		}
		done[pl.revive[i]], pl.revived[pl.revive[i]] = true, true
		waiting, err := pl.states.WaitingFor(pl.revive[i])
		if err != nil {
			return nil, err
		}
		for _, id := range waiting {
			s, err := pl.states.State(id)
			if err != nil {
				return nil, err
			}
			if s == nil || s.Place != Waiting {
				continue
			}
			later, err := pl.inTableUnlocked(id)
			if err != nil {
				return nil, err
			}
			if later {
				continue
			}
			ids = append(ids, id)
			if pl.revived[id] && !done[id] {
				pl.revive = append(pl.revive, id)
			}
		}
	}
	return ids, nil
}

// inTableUnlocked reports whether a row is in its table by its state, and not
// locked by the first round: then it is not locked only to be deferred, since
// there may be very many.
func (pl *placing) inTableUnlocked(id RowID) (bool, error) {
	if pl.workOn(id) != nil {
		return false, nil
	}
	s, err := pl.states.State(id)
	if err != nil || s == nil {
		return false, err
	}
	for _, c := range pl.m.Model.Tables[id.Table].Identity.Columns {
		if find(s.Columns, c) < 0 {
			return true, nil
		}
	}
	return false, nil
}

// deferTo leaves out rows that are in their table and that no round before
// locked or wrote: an application may have changed them since the local changes
// were taken, and no local write may be overwritten unseen. A row that is not in
// its table has no such danger; should it be there by now, the insert says so.
func (p *Piece) deferTo(pl *placing) {
	root := pl.rounds.rounds[0]
	for _, tp := range p.tables {
		if tp == nil {
			continue
		}
		tp.leaveOut(func(w *work) bool {
			if w.inTable == nil || pl.workOn(w.id) != nil {
				return false
			}
			root.Deferred = append(root.Deferred, w.id)
			return true
		})
	}
}

// deferKept leaves dead rows that are in their tables, and those that wait for one, to a
// piece of their own, where one of them may be there only because a row was not locked:
// that piece locks all that would go with them. One that had such a piece already is left
// to the next Retry, so that this ends.
func (p *Piece) deferKept(all *rounds, states States) error {
	if !all.unsure {
		return nil
	}
	slices.SortFunc(all.kept, RowID.Compare)
	for _, id := range slices.Compact(all.kept) {
		if w := p.find(id); w != nil && w.inTable != nil && len(w.changes) == 0 {
			continue
		}
		s, err := states.State(id)
		if err != nil {
			return err
		}
		if s != nil && (s.Place == Kept || s.Place == Waiting) {
			p.Deferred = append(p.Deferred, id)
		}
	}
	return nil
}

// reload locks and loads rows that have no new change.
func (p *Piece) reload(ctx context.Context, tx Tx, states States) error {
	if err := p.lockAll(ctx, tx); err != nil {
		return err
	}
	return p.applyAll(states)
}

// PieceOf returns a piece of rows that have no new change, to be placed once
// more; nil when none of them is in a replicated table.
func (m *Merger) PieceOf(ids []RowID) *Piece {
	if len(ids) == 0 {
		return nil
	}
	p := m.newPiece()
	p.room(len(ids))
	for _, id := range ids {
		if m.replicated(id.Table) {
			p.work(id)
		}
	}
	if p.empty() {
		return nil
	}
	return p
}
