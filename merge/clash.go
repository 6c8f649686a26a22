package merge

import (
	"context"
	"encoding/base32"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"unicode/utf8"

	"baraza/clock"
	"baraza/crdt"
	"baraza/schema"
)

// R5: of two rows with the same value in a unique index, the one that has had it
// for longest keeps it: the one with the lesser stamp on the index's columns,
// between equals the one with the lesser key. What the other shows instead hangs
// on the index's columns and the table's setting alone (displacement), so that
// every site shows the same. Where it can show nothing, or is not to, it is held
// outside the table; but a row to which others may refer stays where it is. Its true value stays with its state, and is tried again whenever rows of
// the table change.

// clashMax bounds how often one row's clashes are settled in one transaction.
const clashMax = 8

// settling is what the rounds of one transaction know of clashes; mostly
// nothing.
type settling struct {
	// displaced are, by row, the indexes in which it does not show its value.
	displaced map[RowID]map[string]string // index name to the reason
	// passing are rows displaced only until others have moved.
	passing map[RowID]bool
	count   map[RowID]int
}

// begin makes room for the first clash.
func (s *settling) begin() {
	if s.count == nil {
		*s = settling{displaced: map[RowID]map[string]string{}, passing: map[RowID]bool{}, count: map[RowID]int{}}
	}
}

func (s *settling) displace(id RowID, index *schema.Index, by crdt.Key) {
	if s.displaced[id] == nil {
		s.displaced[id] = map[string]string{}
	}
	s.displaced[id][index.Name] = fmt.Sprintf("its %s is taken by row %s", strings.Join(index.Columns, ", "), by)
}

// settle decides about the rows that were refused in this round since another
// has a unique value, and returns those to place again.
func (pl *placing) settle(ctx context.Context) ([]RowID, error) {
	var again []RowID
	for id := range pl.settling.passing {
		if pl.find(id) != nil { // it has made room; now it can have its own value
			delete(pl.settling.passing, id)
			delete(pl.settling.displaced, id)
			again = append(again, id)
		}
	}
	slices.SortFunc(again, RowID.Compare)
	for _, w := range pl.clashes {
		pl.settling.begin()
		if pl.settling.count[w.id]++; w.pinned || pl.settling.count[w.id] > clashMax {
			continue
		}
		t := pl.m.Model.Tables[w.id.Table]
		holders, err := pl.tx.Holders(ctx, t, Row{Key: w.id.Key, Columns: w.row.Columns, Values: w.row.Values})
		if err != nil {
			return nil, fmt.Errorf("look for who has unique values in table %s: %w", t.Name, err)
		}
		more, err := pl.decide(t, w, holders)
		if err != nil {
			return nil, err
		}
		again = append(again, more...)
	}
	return again, nil
}

// decide settles the clashes of one row. When a row that is not locked must give
// its value up, this one is held and left for a piece of its own (lockHolders).
func (pl *placing) decide(t *schema.Table, w *work, holders []Holder) (again []RowID, err error) {
	others := make([]*work, len(holders))
	locked := make([]bool, len(holders))
	blocked := false
	for i, h := range holders {
		if others[i], locked[i], err = pl.holder(RowID{t.Name, h.Key}); err != nil {
			return nil, err
		}
		index := &t.Unique[h.Index]
		if others[i].pinned || pl.m.holds(t, index) && !others[i].moves(index) && !pl.before(t, w, others[i], index) {
			pl.settling.displace(w.id, index, h.Key)
			blocked = true
		}
	}
	if blocked { // it is held: nobody need give way to it
		return []RowID{w.id}, nil
	}
	wait := false
	for i, h := range holders {
		index, other := &t.Unique[h.Index], others[i]
		switch {
		case !locked[i] && h.Key != "" && pl.before(t, w, other, index):
			wait = true
		case other.moves(index):
			pl.settling.displace(other.id, index, w.id.Key)
			pl.settling.passing[other.id] = true
			again = append(again, other.id)
		case pl.before(t, w, other, index) && (pl.m.holds(t, index) || displacement(t, other, index, pl.m.way(t)) != nil):
			pl.settling.displace(other.id, index, w.id.Key)
			again = append(again, other.id)
			if other.row.Dead() { // it stays (R4), and is written only as one that comes back
				pl.revive = append(pl.revive, other.id)
			}
		default:
			pl.settling.displace(w.id, index, h.Key)
		}
	}
	if wait {
		if r := pl.rounds.rounds[0].find(w.id); r == nil || len(r.changes) > 0 {
			pl.rounds.rounds[0].Deferred = append(pl.rounds.rounds[0].Deferred, w.id)
		} // else it had a piece of its own: the next Retry sees what has changed
		return again, nil
	}
	return append(again, w.id), nil
}

// lockHolders locks the rows that have unique values of held rows, so that the
// piece can decide between them.
func (p *Piece) lockHolders(ctx context.Context, tx Tx, states States) error {
	return p.inOrder(func(tp *tablePiece) error {
		var keys []crdt.Key
		for _, w := range tp.order { // not those that this adds
			s, err := states.State(w.id)
			if err != nil {
				return err
			}
			if s == nil || s.Place != Held && s.Place != Kept {
				continue
			}
			row := load(&crdt.Row{}, w.inTable, s, nil)
			holders, err := tx.Holders(ctx, tp.t, Row{Key: w.id.Key, Columns: row.Columns, Values: row.Values})
			if err != nil {
				return fmt.Errorf("look for who has unique values in table %s: %w", tp.name, err)
			}
			for _, h := range holders {
				if id := (RowID{tp.name, h.Key}); h.Key != "" && p.find(id) == nil {
					p.work(id)
					keys = append(keys, h.Key)
				}
			}
		}
		if len(keys) == 0 {
			return nil
		}
		return p.lockRows(ctx, tx, tp, keys)
	})
}

// holder returns what is known of a row that has a unique value; of one that is
// not locked, no more than its stamps.
func (pl *placing) holder(id RowID) (w *work, locked bool, err error) {
	if w = pl.workOn(id); w != nil {
		return w, true, nil
	}
	w = &work{id: id, row: &crdt.Row{}}
	s, err := pl.states.State(id)
	if s != nil {
		w.row.Stamps = s.Stamps
	}
	return w, false, err
}

// before reports whether w has had its value in the index for longer. Rows that
// are held outside their table leave all their values to others; so they have
// one order for all indexes that hold, or it could depend on who came first.
func (pl *placing) before(t *schema.Table, w, other *work, index *schema.Index) bool {
	columns := index.Columns
	if pl.m.holds(t, index) {
		columns = nil
		for i := range t.Unique {
			if pl.m.holds(t, &t.Unique[i]) && !slices.Equal(t.Unique[i].Columns, t.Identity.Columns) {
				columns = append(columns, t.Unique[i].Columns...)
			}
		}
	}
	a, b := w.since(columns), other.since(columns)
	if a == b {
		return w.id.Key < other.id.Key
	}
	return a.Less(b)
}

func (w *work) since(columns []string) (at clock.Stamp) {
	for _, c := range columns {
		if s := w.row.Of(c); at.Less(s) {
			at = s
		}
	}
	return at
}

// moves reports whether a row that is in its table is to have another value in
// the index than it had, or to go.
func (w *work) moves(index *schema.Index) bool {
	if w.inTable == nil {
		return false
	}
	for _, c := range index.Columns {
		v, _ := w.row.Value(c)
		if at := find(w.inTable.Columns, c); at >= 0 && w.inTable.Values[at] != v {
			return true
		}
	}
	return false
}

// shown is what a row shows in a column instead of its value.
type shown struct {
	column string
	value  crdt.Value
}

// displacement is what a row shows that does not have its value in the index;
// nil where it is to be held, or can show nothing.
func displacement(t *schema.Table, w *work, index *schema.Index, way Way) *shown {
	null, mark := asNull(t, index), marked(t, w, index)
	switch {
	case way == WayHold:
		return nil
	case mark == nil, null != nil && way == WayNull:
		return null
	}
	return mark
}

// asNull shows NULL in the first column of an index that may be NULL.
func asNull(t *schema.Table, index *schema.Index) *shown {
	for _, name := range index.Columns {
		if mayNull(t, name) {
			return &shown{name, crdt.Null}
		}
	}
	return nil
}

// marked shows the first text of an index that has room for it with the row's
// mark.
func marked(t *schema.Table, w *work, index *schema.Index) *shown {
	for _, name := range index.Columns {
		v, ok := w.row.Value(name)
		if !ok || !mayMark(t, name) || v.Tag() != crdt.TagText {
			continue
		}
		c := t.Column(name)
		if text := v.Payload() + "~" + Suffix(w.id.Key); c.MaxChars == 0 || int64(utf8.RuneCountInString(text)) <= c.MaxChars {
			return &shown{name, crdt.Text(text)}
		}
	}
	return nil
}

// Suffix is the four characters by which a displaced text of a row is told from
// the value.
func Suffix(key crdt.Key) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // it never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil))[:4])
}

// displacedOf returns what a row shows instead of its values, by column, and
// why. ok is false when it cannot be in its table.
func (pl *placing) displacedOf(t *schema.Table, w *work) (values map[string]crdt.Value, reason string, ok bool) {
	indexes := pl.settling.displaced[w.id]
	if len(indexes) == 0 {
		return nil, "", true
	}
	way := pl.m.way(t)
	if pl.settling.passing[w.id] {
		way = WayNull // only until the others have moved
	}
	values = map[string]crdt.Value{}
	for i := range t.Unique {
		why, is := indexes[t.Unique[i].Name]
		if !is {
			continue
		}
		reason = why
		s := displacement(t, w, &t.Unique[i], way)
		if s == nil {
			return nil, reason, false
		}
		values[s.column] = s.value
	}
	return values, reason, true
}

// unmoved returns what a row in its table has where it cannot have its values,
// nor show anything else.
func (pl *placing) unmoved(t *schema.Table, w *work) map[string]crdt.Value {
	values := map[string]crdt.Value{}
	for i := range t.Unique {
		if _, is := pl.settling.displaced[w.id][t.Unique[i].Name]; !is {
			continue
		}
		for _, c := range t.Unique[i].Columns {
			if at := find(w.inTable.Columns, c); at >= 0 {
				values[c] = w.inTable.Values[at]
			}
		}
	}
	return values
}

// evict takes rows out of their table that are held from now on. Where the
// database refuses that, as with a table that refers to it and is not
// replicated, a row stays with what it has.
func (pl *placing) evict(ctx context.Context, tp *tablePiece, rows []*work, found *resolved, out *batch) error {
	if len(rows) == 0 {
		return nil
	}
	keys := make([]crdt.Key, len(rows))
	for i, w := range rows {
		keys[i] = w.id.Key
	}
	refused, err := pl.tx.Delete(ctx, tp.t, keys)
	if err != nil {
		return fmt.Errorf("take held rows out of table %s: %w", tp.name, err)
	}
	if len(refused) < len(rows) {
		pl.frees(tp.name)
	}
	bad := byKey(refused)
	for _, w := range rows {
		_, why, _ := pl.displacedOf(tp.t, w)
		if _, stays := bad[w.id.Key]; stays {
			err = pl.planColumns(tp, w, found, out, pl.unmoved(tp.t, w), why)
		} else {
			pl.releases(tp.t, w, w.inTable.Columns)
			w.inTable = nil
			err = pl.keepWhole(w, Held, why, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hold keeps a value that is not shown.
func (k *keptColumns) hold(column string, v crdt.Value, reason string) {
	k.add(column, v)
	k.place, k.reason = Held, reason
}
