package merge

import (
	"slices"

	"baraza/crdt"
	"baraza/schema"
)

// Piece is a group of changes on its way into the database: Lock, then Merge.
type Piece struct {
	m      *Merger
	groups []Incoming
	// tables are those of the piece by their place in Merger.Order, and strangers
	// those that this database does not have.
	tables    []*tablePiece
	strangers []*tablePiece
	last      *tablePiece // that was looked for last
	// slab is memory for the work to come, states for what becomes of the rows,
	// ids for Rows, and rooms for the parts of tables.
	slab   []work
	states []State
	ids    []RowID
	rooms  []*tablePiece
	// first and placing are behind those of place, mostly.
	first   rounds
	placing placing
	// Deferred, after Merge, are rows that can perhaps be placed now, in a piece
	// of their own (PieceOf).
	Deferred []RowID
	// adopting: rows are taken over by state.
	adopting  bool
	following bool             // see Follow
	away      func(RowID) bool // see Away; nil for none
}

// tablePiece is the part of a piece that concerns one table.
type tablePiece struct {
	t    *schema.Table // nil for a table that this database does not have
	name string
	// shipped is t.Shipped(), number t.Number().
	shipped []string
	number  string
	keys    []crdt.Key
	order   []*work // in the order of keys
	// fewKeys and fewWork are behind keys and order while there are few.
	fewKeys [few]crdt.Key
	fewWork [few]*work
	// rows finds the work on a row; nil while there are few.
	rows map[crdt.Key]*work
	// found, inserts, updates and makeRoom are what placing.writeTable finds and
	// plans.
	found                      resolved
	toInsert, toUpdate, toMove batch
}

// few is how many rows of a table need no memory of their own.
const few = 4

// fewRows is how many rows of a table are looked through one by one.
const fewRows = 8

// work is one row on its way.
type work struct {
	id      RowID
	inTable *Row
	state   *State
	row     *crdt.Row
	loaded  crdt.Row // behind row, as a rule
	changes []change
	first   [1]change // behind changes, mostly
	// revive: the row is dead or gone, but is to be in its table, as a row to be
	// placed refers to it (R4).
	revive bool
	// pinned: see Pin.
	pinned bool
	// doomed are removed rows that the row, which is in its table, refers to from
	// now on, with ON DELETE CASCADE.
	doomed []target
	// lacks are other rows to which it is to refer and that are not there.
	lacks []target
	// counters is what is put by of the row while it is placed; nil for nothing.
	counters *counters
}

// target is a reference of a row to a row that is not there.
type target struct {
	column string
	id     RowID
	// revives: it was deleted, and comes back for the reference.
	revives bool
}

type change struct {
	group int
	ch    *crdt.Change
}

// NewPiece collects the changes by row, keeping each row's changes in order.
func (m *Merger) NewPiece(groups []Incoming) *Piece {
	p := m.newPiece()
	p.groups = groups
	n := 0
	for g := range groups {
		n += len(groups[g].Changes)
	}
	p.room(n)
	for g := range groups {
		for i := range groups[g].Changes {
			ch := &groups[g].Changes[i]
			w := p.work(RowID{ch.Table, ch.Key})
			if w.changes == nil {
				w.changes = w.first[:0]
			}
			w.changes = append(w.changes, change{g, ch})
		}
	}
	return p
}

func (m *Merger) newPiece() *Piece {
	if p := m.spare; p != nil {
		m.spare = nil
		return p
	}
	return &Piece{m: m, tables: make([]*tablePiece, len(m.Order))}
}

// Done gives a piece up when its transaction has ended: its memory serves the next
// one. Nothing of it may be used any more.
func (m *Merger) Done(p *Piece) {
	if p.m != m || cap(p.slab) > spareRows || len(p.strangers) > 0 {
		return
	}
	for at, tp := range p.tables {
		if tp != nil {
			tp.clear()
			p.rooms = append(p.rooms, tp)
			p.tables[at] = nil
		}
	}
	clear(p.slab)
	clear(p.states)
	clear(p.ids)
	p.placing.clear()
	*p = Piece{m: m, tables: p.tables, slab: p.slab[:0], states: p.states[:0], ids: p.ids[:0], rooms: p.rooms, placing: p.placing}
	m.spare = p
}

// memory is where the piece keeps what becomes of its rows.
func (p *Piece) memory() *crdt.Memory {
	if p.adopting {
		return nil // the database may go on with them (Behind)
	}
	return p.m.Memory
}

// spareRows bounds the pieces, and parts of them, whose memory is kept for the
// next one, in rows.
const spareRows = 64

// clear makes a part of a piece a new one that has room.
func (tp *tablePiece) clear() {
	found := tp.found.list
	clear(found)
	for _, b := range []*batch{&tp.toInsert, &tp.toUpdate, &tp.toMove} {
		b.clear()
	}
	*tp = tablePiece{found: resolved{list: found[:0]}, toInsert: tp.toInsert, toUpdate: tp.toUpdate, toMove: tp.toMove}
}

// slabMax bounds how many rows share an allocation.
const slabMax = 256

// room prepares for n rows.
func (p *Piece) room(n int) {
	if len(p.slab) > 0 || cap(p.slab) < n {
		p.slab = make([]work, 0, min(n, slabMax))
	}
}

// newTable returns a part for a table, with what was kept of an earlier one.
func (p *Piece) newTable(name string) *tablePiece {
	last := len(p.rooms) - 1
	if last < 0 {
		return &tablePiece{name: name}
	}
	tp := p.rooms[last]
	p.rooms = p.rooms[:last]
	tp.name = name
	return tp
}

// table returns the piece's part of a table; nil when it has none.
func (p *Piece) table(name string) *tablePiece {
	if p.last != nil && p.last.name == name {
		return p.last
	}
	if at, ok := p.m.rank[name]; ok {
		return p.tables[at]
	}
	for _, tp := range p.strangers {
		if tp.name == name {
			return tp
		}
	}
	return nil
}

// empty reports whether the piece has no rows.
func (p *Piece) empty() bool { return p.last == nil }

// work returns the piece's work on a row, new if need be.
func (p *Piece) work(id RowID) *work {
	tp := p.table(id.Table)
	if tp == nil {
		tp = p.newTable(id.Table)
		if at, ok := p.m.rank[id.Table]; ok {
			tp.t, tp.shipped = p.m.Model.Tables[id.Table], p.m.shipped[at]
			tp.number = tp.t.Number()
			p.tables[at] = tp
		} else {
			p.strangers = append(p.strangers, tp)
		}
	}
	p.last = tp
	w := tp.find(id.Key)
	if w == nil {
		if len(p.slab) == cap(p.slab) {
			p.room(max(1, min(2*cap(p.slab), slabMax)))
		}
		p.slab = append(p.slab, work{id: id})
		w = &p.slab[len(p.slab)-1]
		tp.add(w)
	}
	return w
}

// find returns the work on a row; nil when there is none.
func (tp *tablePiece) find(key crdt.Key) *work {
	if len(tp.order) <= fewRows {
		for _, w := range tp.order {
			if w.id.Key == key {
				return w
			}
		}
		return nil
	}
	if tp.rows == nil {
		tp.rows = make(map[crdt.Key]*work, 2*len(tp.order))
		for _, w := range tp.order {
			tp.rows[w.id.Key] = w
		}
	}
	return tp.rows[key]
}

func (tp *tablePiece) add(w *work) {
	if tp.keys == nil {
		tp.keys, tp.order = tp.fewKeys[:0], tp.fewWork[:0]
	}
	tp.keys, tp.order = append(tp.keys, w.id.Key), append(tp.order, w)
	if tp.rows != nil {
		tp.rows[w.id.Key] = w
	}
}

// leaveOut takes out the work for which drop is true.
func (tp *tablePiece) leaveOut(drop func(*work) bool) {
	tp.order = slices.DeleteFunc(tp.order, drop)
	tp.rows = nil
}

// Rows names the rows of the piece. The list is valid until the piece is done.
func (p *Piece) Rows() []RowID {
	ids := slices.Grow(p.ids[:0], len(p.slab))
	for _, tables := range [][]*tablePiece{p.strangers, p.tables} {
		for _, tp := range tables {
			if tp == nil {
				continue
			}
			for _, w := range tp.order {
				ids = append(ids, w.id)
			}
		}
	}
	p.ids = ids
	return ids
}

// inOrder calls each for the piece's tables, parents first; those that it adds
// after the one at hand too.
func (p *Piece) inOrder(each func(*tablePiece) error) error {
	for _, tp := range p.tables {
		if tp != nil {
			if err := each(tp); err != nil {
				return err
			}
		}
	}
	return nil
}

// find returns the piece's work on a row; nil when it has none.
func (p *Piece) find(id RowID) *work {
	if tp := p.table(id.Table); tp != nil {
		return tp.find(id.Key)
	}
	return nil
}
