package merge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"baraza/clock"
	"baraza/crdt"
	"baraza/schema"
)

// Incoming is the changes of one batch, or of a piece of one.
type Incoming struct {
	Origin  clock.SiteID
	Context clock.VersionVector
	// Settled: a tombstone that it covers is, for the writes of this batch, as
	// if it were not there (see the function of that name).
	Settled clock.VersionVector
	// After is, of a batch whose writers had seen nothing, what it is applied after
	// (crdt.Entry.Unseen); nil of others.
	After   clock.VersionVector
	Changes []crdt.Change
}

// Merger applies changes of other sites to the tables of a model. It keeps no
// state between calls, only memory.
type Merger struct {
	Model *schema.Model
	Rules Rules
	// Order lists the replicated tables, parents before children.
	Order []string
	// rank is the place of each of them in Order, and shipped, by place, its
	// Table.Shipped.
	rank    map[string]int
	shipped [][]string
	// referrers are what refers to each table.
	referrers map[string][]schema.Referrer
	// takes are the tables whose rows, when they go, take others with them, or
	// references to them, or may be kept by rows that go with others or are kept
	// themselves.
	takes map[string]bool
	// above are, by table, those that CascadesAbove lists.
	above map[string][]string
	// spare is a piece that is done.
	spare *Piece
	// Memory, when set, has what becomes of the rows of a step (crdt.Memory). The
	// caller resets it between two steps; rows that are taken over by state are
	// not in it.
	Memory *crdt.Memory
}

// NewMerger returns a merger for the replicated tables of a model.
func NewMerger(m *schema.Model) *Merger {
	mg := &Merger{Model: m, rank: map[string]int{}, referrers: schema.Referrers(m), takes: map[string]bool{}}
	for _, t := range schema.Order(m) {
		if t.Replicated {
			mg.rank[t.Name] = len(mg.Order)
			mg.Order, mg.shipped = append(mg.Order, t.Name), append(mg.shipped, t.Shipped())
		}
	}
	mg.above = cascadesAbove(m, mg.Order)
	for name, list := range mg.referrers {
		mg.takes[name] = slices.ContainsFunc(list, func(by schema.Referrer) bool {
			return by.OnDelete != schema.Restrict || len(mg.above[by.Child.Name]) > 0 || len(mg.referrers[by.Child.Name]) > 0
		})
	}
	return mg
}

// Lock locks the rows that the changes are about, those that the database, or
// R4, may change or remove with them, and those that R5 may make give way. After it the caller takes the local
// changes that capture has not taken yet, so that no local write is overwritten
// unseen, and only then calls Merge.
func (p *Piece) Lock(ctx context.Context, tx Tx, states States) error {
	if err := p.lockAll(ctx, tx); err != nil {
		return err
	}
	if p.adopting && p.following {
		return p.lockReferrers(ctx, tx, states)
	}
	if p.adopting {
		return nil // what has referrers stays
	}
	if err := p.lockHolders(ctx, tx, states); err != nil {
		return err
	}
	return p.lockReferrers(ctx, tx, states)
}

// lockAll locks the piece's rows and no others.
func (p *Piece) lockAll(ctx context.Context, tx Tx) error {
	return p.inOrder(func(tp *tablePiece) error { return p.lockRows(ctx, tx, tp, tp.keys) })
}

func (p *Piece) lockRows(ctx context.Context, tx Tx, tp *tablePiece, keys []crdt.Key) error {
	rows, err := tx.Lock(ctx, tp.t, keys)
	if err != nil {
		return fmt.Errorf("lock rows of table %s: %w", tp.t.Name, err)
	}
	for i := range rows {
		if w := tp.find(rows[i].Key); w != nil {
			w.inTable = &rows[i]
		}
	}
	return nil
}

// Merge applies the changes by the rules and writes the outcome: rows to the
// database, states and losses to states.
func (p *Piece) Merge(ctx context.Context, tx Tx, states States) error {
	for _, tp := range p.strangers {
		if err := p.mergeStrangers(tp, states); err != nil {
			return err
		}
	}
	if err := p.applyAll(states); err != nil {
		return err
	}
	return p.place(ctx, tx, states)
}

// applyAll brings every row to what the rules say it should be.
func (p *Piece) applyAll(states States) error {
	return p.inOrder(func(tp *tablePiece) error {
		for _, w := range tp.order {
			if err := p.applyRules(tp, w, states); err != nil {
				return err
			}
		}
		return nil
	})
}

// applyRules brings one row to what the rules say it should be.
func (p *Piece) applyRules(tp *tablePiece, w *work, states States) error {
	s, err := states.State(w.id)
	if err != nil {
		return err
	}
	var losses []crdt.Loss
	if s != nil && s.HasLoss {
		if losses, err = states.Losses(w.id); err != nil {
			return err
		}
	}
	w.state = s
	w.row = load(&w.loaded, w.inTable, s, losses)
	w.row.Number = tp.number
	w.row.Use(p.memory())
	stays := s != nil && s.Stays()
	for _, c := range w.changes {
		g := &p.groups[c.group]
		ch := tp.here(c.ch)
		if Inserts(tp.t, c.ch) {
			Answer(w.row, c.ch, g.Origin, g.Settled)
			switch {
			case g.ends(c.ch) && tp.number == "":
				w.row.End(g.After)
			case Settled(w.row, g.Settled):
				ch = anew(w, ch, stays)
			}
		}
		if Begins(tp.t, c.ch) {
			w.row.EndParts(g.Settled)
			w.row.EndSeen(c.ch, clock.Stamp{Time: c.ch.Time, Site: g.Origin}, g.After)
		}
		w.row.Apply(ch, g.Origin, g.Context)
	}
	// A dead row that is not in its table, and waits, was to come back; one of which no
	// more than the delete was ever seen, while the table was left out, was not.
	w.revive = w.inTable == nil && !w.row.Exists && s != nil && s.Dead() && s.Place != InDatabase && len(w.row.Columns) > 0
	p.m.splitCounters(w)
	return nil
}

// here returns the change as this site's table sees it: a write of every column
// that its writer had is no whole write here if this table has more columns,
// for nobody has written those.
func (tp *tablePiece) here(ch *crdt.Change) *crdt.Change {
	if !ch.Whole || tp.t == nil || covers(ch.Columns, tp.shipped) {
		return ch
	}
	part := *ch
	part.Whole = false
	return &part
}

// covers reports whether columns has all of names. Mostly the two are the same
// list.
func covers(columns, names []string) bool {
	if slices.Equal(columns, names) {
		return true
	}
	for _, n := range names {
		if find(columns, n) < 0 {
			return false
		}
	}
	return true
}

// mergeStrangers keeps rows of a table that this database does not have with
// their state; they appear when the table does.
func (p *Piece) mergeStrangers(tp *tablePiece, states States) error {
	for _, w := range tp.order {
		if err := p.applyRules(tp, w, states); err != nil {
			return err
		}
		if err := p.putStranger(states, w); err != nil {
			return err
		}
	}
	return nil
}

func (p *Piece) putStranger(states States, w *work) error {
	place, reason := Aside, fmt.Sprintf("table %s is not replicated here", w.id.Table)
	if IsSystem(w.id.Table) {
		place, reason = InDatabase, ""
	}
	return put(states, w, p.newState(w, place, reason, w.row.Columns, w.row.Values))
}

// SystemPrefix begins the names of baraza's own tables that travel as data,
// such as the members. They live in the store, not in the database.
const SystemPrefix = "baraza."

// IsSystem reports whether a table lives in the store only.
func IsSystem(table string) bool { return strings.HasPrefix(table, SystemPrefix) }

// newState is the state to keep of a row with its present stamps.
func (p *Piece) newState(w *work, place Place, reason string, columns []string, values []crdt.Value) *State {
	r := w.row
	inTable := place != Gone && (r.Exists || place == Kept || place == Aside)
	columns, values = w.counters.join(w, inTable, columns, values)
	if len(p.states) == cap(p.states) {
		p.states = make([]State, 0, max(few, min(2*cap(p.states), slabMax)))
	}
	p.states = append(p.states, State{
		Stamps: r.Stamps, KnownRow: r.KnownRow, KnownCells: r.KnownCells, HasLoss: len(r.Lost) > 0,
		Place: place, Reason: reason, Columns: columns, Values: values,
	})
	return &p.states[len(p.states)-1]
}

// put stores a row's state; a row that is in its table as it was at the
// baseline needs none.
func put(states States, w *work, s *State) error {
	if s.plain() {
		s = nil
	}
	return states.Put(w.id, s, w.row.Lost)
}
