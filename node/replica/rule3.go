package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// What an application writes in a row that a number alone names is of the life
// (crdt.Row.Number) that its table shows. As a rule that is the one that has the row.
// It is another one where the application inserted a number of which the site has a
// row that is not in its table, as it waits for another: until that row is put in
// its place the state remembers which life the table shows.

// number names the column that alone names a table's rows; "" for most tables.
func (r *Replica) number(table string) string { return r.cfg.Model.Tables[table].Number() }

// shownLife returns the life that the table shows of a row.
func shownLife(number string, s *merge.State) clock.Stamp {
	if i := slices.Index(s.Columns, crdt.Shown(number)); i >= 0 {
		return crdt.LifeOf(s.Values[i])
	}
	return s.Of(number)
}

// showsOther reports whether the table shows another life of a row than the one that
// has it.
func (l *local) showsOther(table string, s *merge.State) bool {
	number := l.r.number(table)
	return number != "" && shownLife(number, s) != s.Of(number)
}

// noInsert takes the number out of a write of a row that the table has: only an
// insert has it.
func (l *local) noInsert(row *capture.Row, s *merge.State) *capture.Row {
	number := l.r.number(row.Table)
	if number == "" || row.Delete || s == nil || s.Dead() || l.outside(row.Table, s) {
		return row
	}
	at := slices.Index(row.Columns, number)
	if at < 0 {
		return row
	}
	update := *row
	update.Columns = slices.Delete(slices.Clone(row.Columns), at, at+1)
	update.Values = slices.Delete(slices.Clone(row.Values), at, at+1)
	return &update
}

// withLife adds to what a local change overwrites of which life it is.
func (l *local) withLife(id merge.RowID, s *merge.State, ch *crdt.Change, prior crdt.Stamps) (crdt.Stamps, error) {
	number := l.r.number(id.Table)
	if number == "" || s == nil {
		return prior, nil
	}
	life := shownLife(number, s)
	inserts := !ch.Delete && slices.Contains(ch.Columns, number)
	switch {
	case inserts && prior.Deleted.IsZero():
		return losing(prior, number, s.Of(number)), nil
	case life != s.Of(number) && !inserts:
		return l.priorOfShown(id, life, ch)
	case !prior.Deleted.IsZero():
		return prior.WithLife(number, s.Of(number)), nil
	case !slices.Contains(ch.Columns, number):
		return prior.WithLife(number, life), nil
	}
	return prior, nil
}

// losing returns what an insert overwrites where the site has a row of that number, of
// which the life is zero where nothing is known.
func losing(prior crdt.Stamps, number string, life clock.Stamp) crdt.Stamps {
	if life.IsZero() {
		prior.Cells = slices.DeleteFunc(slices.Clone(prior.Cells), func(c crdt.CellStamp) bool { return c.Column == number })
		return prior
	}
	return prior.LosesTo(number, life)
}

// priorOfShown returns the stamps of what a change overwrites of a life that the table
// shows and that does not have the row. What is known of it are its losses; those that
// this site wrote are in the table.
func (l *local) priorOfShown(id merge.RowID, life clock.Stamp, ch *crdt.Change) (crdt.Stamps, error) {
	prior := crdt.Stamps{Row: life}
	losses, err := l.t.Losses(id)
	for i := range losses { // by column, and then by stamp
		x := &losses[i]
		if !x.Apart || x.Stamp.Site != l.r.cfg.Self || !life.Less(x.Stamp) || !ch.Delete && !slices.Contains(ch.Columns, x.Column) {
			continue
		}
		if n := len(prior.Cells); n > 0 && prior.Cells[n-1].Column == x.Column {
			prior.Cells = prior.Cells[:n-1]
		}
		prior.Cells = append(prior.Cells, crdt.CellStamp{Column: x.Column, Stamp: x.Stamp})
	}
	return prior, err
}

// otherLife reports whether a local change was of another life than the one that has
// the row, and which one the table shows.
func (l *local) otherLife(row *crdt.Row, ch *crdt.Change, s *merge.State) (life clock.Stamp, other bool) {
	if row.Number == "" {
		return life, false
	}
	life = row.LifeOf(ch, clock.Stamp{Time: ch.Time, Site: l.r.cfg.Self})
	return life, life != row.Life()
}

// putOtherLife stores the state of a row that a local change of another life left as
// it was. What has the row is not in the table, and the row is tried again at once.
func (l *local) putOtherLife(id merge.RowID, s *merge.State, row *crdt.Row, ch *crdt.Change, life clock.Stamp) error {
	next := merge.State{} // of a row from before, of which nobody wrote anything
	if s != nil {
		next = *s
	}
	next.HasLoss = len(row.Lost) > 0
	next.Columns, next.Values = merge.WithoutShown(next.Columns, next.Values)
	if !ch.Delete {
		next.Columns = append(slices.Clone(next.Columns), crdt.Shown(row.Number))
		next.Values = append(slices.Clone(next.Values), crdt.LifeValue(life))
	}
	l.wake = append(l.wake, id)
	return l.t.Put(id, &next, row.Lost)
}

// A site that joins may have rows from before under numbers that the network has
// given to other rows. They are two things each, and which of the two a reference
// means nobody can tell afterwards, so the join stops. Where the database was that of
// a member, which lost its data directory, a number means one row.

// errNumberTaken says that a row here is another one than the network's of that
// number.
var errNumberTaken = errors.New("the network has another row of this number")

// alike reports whether a row here, which may have been written since, is the
// network's as far as can be told: it has a value that was not written and is the
// same.
func alike(row *crdt.Row, mine *merge.Row, number string, pending *localWrites) bool {
	if pending == nil {
		return true // compared whole
	}
	for i, c := range mine.Columns {
		v, ok := row.Shows(c)
		if ok && c != number && !mine.Values[i].IsNull() && !slices.Contains(pending.columns, c) && crdt.Same(v, mine.Values[i]) {
			return true
		}
	}
	return slices.Contains(pending.columns, number) // it was inserted since
}

// ErrNumbersTaken says that a site cannot be brought up with the rows that it has.
var ErrNumbersTaken = errors.New("two rows of one number are never made one")

// takenShown is how many numbers the message names.
const takenShown = 3

// NumbersTaken is an ErrNumbersTaken where rows of a table are other ones than the
// network's of those numbers; nil where none is.
func (b *BringUp) NumbersTaken(table string) error {
	var keys []crdt.Key
	for id := range b.taken {
		if id.Table == table {
			keys = append(keys, id.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.SortFunc(keys, func(x, y crdt.Key) int { return strings.Compare(x.String(), y.String()) })
	var shown []string
	for _, k := range keys[:min(len(keys), takenShown)] {
		shown = append(shown, k.String())
	}
	if len(keys) > takenShown {
		shown = append(shown, "…")
	}
	return fmt.Errorf("table %s: %d rows here have numbers (%s) under which the network has other rows, and %w: delete them, give them numbers of this site's own, or leave the table out with `exclude` in baraza.yaml; then start again",
		table, len(keys), strings.Join(shown, ", "), ErrNumbersTaken)
}

// metaBefore is which site the database was of before.
var metaBefore = []byte("mbefor")

// BeginBringUpOf is BeginBringUp for a database that was another site's before; the
// zero site for one that was nobody's.
func BeginBringUpOf(store kv.Store, before clock.SiteID) error {
	b := &kv.Batch{}
	b.Set(metaBefore, before[:])
	if err := store.Write(b, false); err != nil {
		return err
	}
	return BeginBringUp(store)
}

// wasMember reports whether the database is one of a site that was up in the network
// whose vector this is: one that never was has written nothing.
func wasMember(store kv.Store, v clock.VersionVector) (bool, error) {
	var before clock.SiteID
	b, err := store.Get(metaBefore)
	if err != nil || len(b) != len(before) {
		return false, err
	}
	copy(before[:], b)
	return v.Seq(before) > 0, nil
}
