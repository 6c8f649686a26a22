package merge

import (
	"context"
	"fmt"

	"baraza/crdt"
)

// Logical returns a row as the rules see it, from what its table holds (nil
// when it is not there) and its state (nil when it has none).
func Logical(inTable *Row, s *State, losses []crdt.Loss) *crdt.Row {
	return load(&crdt.Row{}, inTable, s, losses)
}

// NewAdoption returns a piece for rows that are taken over by state from
// another site rather than changed: Lock, then Adopt.
func (m *Merger) NewAdoption(ids []RowID) *Piece {
	p := m.newPiece()
	p.room(len(ids))
	p.adopting = true
	for _, id := range ids {
		p.work(id)
	}
	return p
}

// InTable returns a row as Lock found it; nil when the table does not have it.
func (p *Piece) InTable(id RowID) *Row {
	if w := p.find(id); w != nil {
		return w.inTable
	}
	return nil
}

// Pin tells of a row that an application has written it, and that capture reads
// it only when all is adopted: until then the row stays with what was written. In
// a clash (R5) the other row gives way, and it does not go with others (R4); both
// are settled when the row is placed the next time.
func (p *Piece) Pin(id RowID) {
	if w := p.find(id); w != nil {
		w.pinned = true
	}
}

// Away tells of which rows an application may have deleted them, so that capture reads
// it only when all is adopted: until then they do not come into their tables, for
// whatever row they would (R4). What is read then would not fit the table.
func (p *Piece) Away(is func(RowID) bool) { p.away = is }

// Follow makes Lock lock what refers to those of the rows that are deleted, as for Merge,
// so that it goes with them, or reads NULL, by the foreign key's action (R4). Adopt is
// given these rows too, as they are. Without it what has referrers stays.
func (p *Piece) Follow() { p.following = true }

// LeaveOut takes a row out of the piece that Lock found to refer to others: it stays as
// it is, and they for it.
func (p *Piece) LeaveOut(id RowID) {
	if tp := p.table(id.Table); tp != nil {
		tp.leaveOut(func(w *work) bool { return w.id == id })
	}
}

// Adopt makes the rows what they are given as, whatever their states were, and
// places them as Merge does. A row that is not to exist is taken from its
// table, unless rows refer to it that are not to go with it, which other sites may
// not know yet; its stamps say whether that is for good.
func (p *Piece) Adopt(ctx context.Context, tx Tx, states States, rows map[RowID]*crdt.Row) error {
	for _, tp := range p.strangers {
		for _, w := range tp.order {
			w.row = rows[w.id]
			if err := p.putStranger(states, w); err != nil {
				return err
			}
		}
	}
	err := p.inOrder(func(tp *tablePiece) error {
		for _, w := range tp.order {
			w.row = rows[w.id]
			p.m.splitCounters(w)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.place(ctx, tx, states)
}

// Fill is NewAdoption, Away and Adopt for rows of one replicated table that neither it
// nor states have.
func (m *Merger) Fill(ctx context.Context, tx Tx, states States, table string, keys []crdt.Key, rows []crdt.Row, away func(RowID) bool) error {
	at, ok := m.rank[table]
	if !ok {
		return fmt.Errorf("table %s is not replicated here", table)
	}
	p := m.newPiece()
	p.adopting, p.away = true, away
	tp := &tablePiece{name: table, t: m.Model.Tables[table], shipped: m.shipped[at], keys: keys}
	p.tables[at], p.last = tp, tp
	tp.order = make([]*work, len(keys))
	p.slab = make([]work, len(keys))
	for i, key := range keys {
		w := &p.slab[i]
		w.id, w.row = RowID{table, key}, &rows[i]
		tp.order[i] = w
		m.splitCounters(w)
	}
	return p.place(ctx, tx, states)
}
