package merge

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"baraza/crdt"
	"baraza/schema"
)

// referrersMax bounds how many rows that refer to one row are looked at, in
// rows. A row with more stays.
const referrersMax = 100_000

// removal decides which rows leave their tables (R2, R4). A dead row goes, and
// with it what refers to it with ON DELETE CASCADE; but not as long as another
// row, which stays, refers to any of them: then that one stays and all that it
// refers to. The outcome depends only on which rows are dead and who refers to
// whom.
type removal struct {
	pl         *placing
	order      []*candidate
	candidates map[RowID]*candidate // nil while there are few
	checks     []check
}

// candidate is a row in its table that is dead, or goes with one that is.
type candidate struct {
	w     *work
	stays bool
	// parents are candidates that it refers to, without SET NULL; with are those
	// with CASCADE, and children the other way round.
	parents, with, children []*candidate
	// nulled are references to it that become NULL when it goes.
	nulled []nulled
}

type nulled struct {
	child  RowID
	column string
}

// check is a row that refers to a candidate with RESTRICT.
type check struct {
	child  RowID
	parent *candidate
}

func (c *candidate) id() RowID { return c.w.id }

// removeRows removes the rows that the rules say are gone, children before
// parents.
func (pl *placing) removeRows(ctx context.Context) error {
	rm := &removal{pl: pl}
	err := pl.inOrder(func(tp *tablePiece) error {
		for _, w := range tp.order {
			switch {
			case w.inTable == nil && !w.row.Exists && !w.revive:
				if len(w.changes) > 0 {
					pl.departed = append(pl.departed, w.id)
				}
				if err := pl.keepWhole(w, InDatabase, "", nil); err != nil {
					return err
				}
			case w.inTable != nil && !w.revive && (!w.row.Exists || len(w.doomed) > 0):
				rm.add(w)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(rm.order) > 0 {
		err = rm.removeAll(ctx)
	}
	if err != nil {
		return err
	}
	return pl.keptOnly(ctx)
}

func (rm *removal) removeAll(ctx context.Context) error {
	if err := rm.plan(ctx); err != nil {
		return err
	}
	if err := rm.apart(ctx); err != nil {
		return err
	}
	for _, name := range slices.Backward(rm.pl.m.Order) {
		if err := rm.remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (rm *removal) add(w *work) *candidate {
	c := rm.find(w.id)
	if c == nil {
		c = &candidate{w: w}
		rm.order = append(rm.order, c)
		if rm.candidates != nil {
			rm.candidates[w.id] = c
		}
	}
	return c
}

// find returns the candidate of a row; nil when it is none. A few are looked
// through one by one.
func (rm *removal) find(id RowID) *candidate {
	if len(rm.order) <= fewRows {
		for _, c := range rm.order {
			if c.w.id == id {
				return c
			}
		}
		return nil
	}
	if rm.candidates == nil {
		rm.candidates = make(map[RowID]*candidate, 2*len(rm.order))
		for _, c := range rm.order {
			rm.candidates[c.w.id] = c
		}
	}
	return rm.candidates[id]
}

// plan finds what goes with the candidates, and what stays.
func (rm *removal) plan(ctx context.Context) error {
	for done := 0; done < len(rm.order); {
		front := rm.order[done:]
		done = len(rm.order)
		for _, name := range rm.pl.m.Order {
			if err := rm.follow(ctx, name, front); err != nil {
				return err
			}
		}
	}
	for _, k := range rm.checks {
		child := rm.find(k.child)
		if child == nil {
			k.parent.stay()
			continue
		}
		child.refersTo(k.parent)
	}
	for rm.keepCircles() {
	}
	return nil
}

// keepCircles keeps rows that would go with nothing but each other, since the
// dead row with which they would have gone stays. It reports whether there were
// any: what they need stays too, and so perhaps further ones.
func (rm *removal) keepCircles() (any bool) {
	goes := map[*candidate]bool{}
	var down []*candidate
	reach := func(c *candidate) {
		if !c.stays && !goes[c] {
			goes[c] = true
			down = append(down, c)
		}
	}
	for _, c := range rm.order {
		if !c.w.row.Exists || len(c.w.doomed) > 0 {
			reach(c)
		}
	}
	for i := 0; i < len(down); i++ {
		for _, child := range down[i].children {
			reach(child)
		}
	}
	for _, c := range rm.order {
		if !c.stays && !goes[c] {
			c.stay()
			any = true
		}
	}
	return any
}

// refersTo notes that a candidate refers to another, which stays if it does.
func (c *candidate) refersTo(parent *candidate) {
	c.parents = append(c.parents, parent)
	if c.stays {
		parent.stay()
	}
}

// stay keeps a candidate and all that it needs; and what would only have gone
// with it.
func (c *candidate) stay() {
	if c.stays {
		return
	}
	c.stays = true
	for _, p := range c.parents {
		p.stay()
	}
	for _, child := range c.children {
		alone := child.w.row.Exists && len(child.w.doomed) == 0
		if alone && !slices.ContainsFunc(child.with, func(p *candidate) bool { return !p.stays }) {
			child.stay()
		}
	}
}

// follow looks at what refers to the candidates of one table.
func (rm *removal) follow(ctx context.Context, table string, front []*candidate) error {
	var keys []crdt.Key
	for _, c := range front {
		if c.w.id.Table == table {
			keys = append(keys, c.w.id.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	m := rm.pl.m
	for i := range m.referrers[table] {
		by := &m.referrers[table][i]
		links, many, err := referrers(ctx, rm.pl.tx, m.Model.Tables[table], by, keys)
		if err != nil {
			return err
		}
		for _, key := range many {
			rm.find(RowID{table, key}).stay()
		}
		for _, l := range links {
			rm.link(rm.find(RowID{table, l.Parent}), by, RowID{by.Child.Name, l.Child})
		}
	}
	return nil
}

func (rm *removal) link(parent *candidate, by *schema.Referrer, child RowID) {
	if child == parent.id() {
		return
	}
	w := rm.pl.workOn(child)
	switch {
	case rm.pl.adopting && w != nil && w.inTable != nil && !w.row.Exists && !w.revive && !w.pinned:
		rm.add(w).refersTo(parent) // it is to go, too
	case rm.pl.adopting && !rm.pl.following || by.OnDelete != schema.Restrict && w == nil:
		// It was not locked, or other sites may not know it yet.
		parent.stay()
		if !rm.pl.adopting && child.Key != "" { // one without a name is never locked
			rm.pl.unsure = true
		}
	case by.OnDelete == schema.Cascade:
		c := rm.add(w)
		c.with, parent.children = append(c.with, parent), append(parent.children, c)
		c.refersTo(parent)
	case by.OnDelete == schema.SetNull:
		parent.nulled = append(parent.nulled, nulled{child, by.Columns[0]})
	default:
		rm.checks = append(rm.checks, check{child, parent})
	}
}

// workOn returns the latest work of this transaction on a row; nil when it has
// none.
func (pl *placing) workOn(id RowID) *work {
	for _, p := range slices.Backward(pl.rounds.rounds) {
		if w := p.find(id); w != nil && w.row != nil {
			return w
		}
	}
	return nil
}

// apart takes away the references by which rows of different tables that go
// form a circle.
func (rm *removal) apart(ctx context.Context) error {
	pl := rm.pl
	for _, name := range pl.m.Order {
		t := pl.m.Model.Tables[name]
		tp := &tablePiece{t: t, name: name}
		var rows []Row
		for _, c := range rm.order {
			if c.stays || c.id().Table != name {
				continue
			}
			if columns := rm.backward(tp, c); len(columns) > 0 {
				rows = append(rows, Row{Key: c.id().Key, Columns: columns, Values: make([]crdt.Value, len(columns))}) // NULLs
			}
		}
		if len(rows) == 0 {
			continue
		}
		if _, err := pl.tx.Update(ctx, t, rows); err != nil {
			return fmt.Errorf("update table %s: %w", name, err)
		}
	}
	return nil
}

// backward lists the columns through which a row that goes refers to one that
// goes after it.
func (rm *removal) backward(tp *tablePiece, c *candidate) (columns []string) {
	for i := range tp.t.References { // a typed one keeps nothing from going
		ref := &tp.t.References[i]
		if !tp.t.Column(ref.Column).Nullable || !rm.pl.backward(tp, ref) {
			continue
		}
		if find(c.w.inTable.Columns, ref.Column) < 0 {
			continue
		}
		for _, v := range c.w.mayShow(ref.Column) {
			key, _ := v.Key()
			if to := rm.find(RowID{ref.Table, key}); to != nil && !to.stays {
				columns = append(columns, ref.Column)
				break
			}
		}
	}
	return columns
}

// mayShow lists what the table may have in a column: what it had when the row was
// locked, or what this transaction may have written since.
func (w *work) mayShow(column string) (values []crdt.Value) {
	if at := find(w.inTable.Columns, column); at >= 0 {
		values = append(values, w.inTable.Values[at])
	}
	if v, ok := w.row.Value(column); ok {
		values = append(values, v)
	}
	return values
}

// remove removes the candidates of one table that go, and settles the states of
// all of them.
func (rm *removal) remove(ctx context.Context, table string) error {
	pl := rm.pl
	t := pl.m.Model.Tables[table]
	var all []*candidate
	var keys []crdt.Key
	for _, c := range rm.order {
		if c.id().Table != table {
			continue
		}
		all = append(all, c)
		if !c.stays {
			keys = append(keys, c.id().Key)
		}
	}
	var refused []RowError
	if len(keys) > 0 {
		var err error
		if refused, err = pl.tx.Delete(ctx, t, keys); err != nil {
			return fmt.Errorf("delete from table %s: %w", table, err)
		}
		if len(refused) < len(keys) {
			pl.frees(table)
		}
	}
	bad := byKey(refused)
	for _, c := range all {
		e, isBad := bad[c.id().Key]
		var err error
		switch {
		case isBad:
			err = rm.refused(c, e)
		case c.stays:
			err = rm.stayed(c)
		default:
			err = rm.removed(t, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refused settles a row that the database keeps, as with a table that refers to
// it and is not replicated.
func (rm *removal) refused(c *candidate, e RowError) error {
	rm.pl.arrived = append(rm.pl.arrived, c.id()) // for what went with it
	if c.w.row.Exists {
		return nil
	}
	return rm.pl.keepWhole(c.w, Aside, e.Detail, nil)
}

func (rm *removal) stayed(c *candidate) error {
	switch {
	case !c.w.row.Exists:
		if !c.w.asInTable() {
			rm.pl.revive = append(rm.pl.revive, c.id()) // to write the rest
		}
		return rm.pl.keepWhole(c.w, Kept, keptReason, nil)
	case len(c.w.doomed) == 0:
		return nil
	}
	// It is needed, and needs what it refers to.
	var kept keptColumns
	lacks := slices.Concat(c.w.doomed, c.w.lacks)
	for _, d := range lacks {
		v, _ := c.w.row.Value(d.column)
		kept.wait(d.column, v, d.id)
	}
	rm.pl.revives(lacks)
	rm.pl.kept = append(rm.pl.kept, c.id())
	for i, name := range c.w.row.Columns { // its other columns were not written
		if at := find(c.w.inTable.Columns, name); at < 0 || c.w.inTable.Values[at] != c.w.row.Values[i] {
			if find(kept.columns, name) < 0 {
				kept.add(name, c.w.row.Values[i])
			}
		}
	}
	return rm.pl.keepColumns(c.w, kept)
}

// asInTable reports whether the table holds the row's values.
func (w *work) asInTable() bool {
	for i, name := range w.row.Columns {
		if at := find(w.inTable.Columns, name); at >= 0 && w.inTable.Values[at] != w.row.Values[i] {
			return false
		}
	}
	return true
}

func (rm *removal) removed(t *schema.Table, c *candidate) error {
	pl := rm.pl
	pl.departed = append(pl.departed, c.id())
	pl.releases(t, c.w, c.w.inTable.Columns)
	pl.releasesOf(t, c.w.row.Columns, c.w.row.Values, c.w.inTable.Columns) // written since it was locked
	for _, n := range c.nulled {
		if child := rm.find(n.child); child != nil && !child.stays {
			continue
		}
		if err := pl.nullify(n, c.id()); err != nil {
			return err
		}
	}
	if !c.w.row.Exists {
		return pl.keepWhole(c.w, InDatabase, "", nil)
	}
	var with []RowID
	for _, d := range c.w.doomed {
		with = append(with, d.id)
	}
	for _, p := range c.with {
		if !p.stays {
			with = append(with, p.id())
		}
	}
	return pl.keepWhole(c.w, Gone, goneWith(with[0]), with)
}

// nullify keeps a reference that the database has made NULL.
func (pl *placing) nullify(n nulled, to RowID) error {
	w := pl.workOn(n.child)
	was, err := pl.states.State(n.child)
	if err != nil {
		return err
	}
	s := pl.newState(w, InDatabase, "", nil, nil)
	if was != nil {
		*s = *was
	}
	if at := find(s.Columns, n.column); at >= 0 {
		return nil // the whole row is with the state, or the column is
	}
	s.Columns, s.Values = append(clip(s.Columns), n.column), append(s.Values[:len(s.Values):len(s.Values)], crdt.Ref(to.Key))
	s.Missing = append(s.Missing[:len(s.Missing):len(s.Missing)], to)
	if s.Place == InDatabase {
		s.Place, s.Reason = Nulled, goneWith(to)
	}
	return put(pl.states, w, s)
}

// referrers returns what refers to the rows; many are those to which more rows
// refer than one looks at.
func referrers(ctx context.Context, tx Tx, t *schema.Table, by *schema.Referrer, keys []crdt.Key) (links []Link, many []crdt.Key, err error) {
	links, err = tx.Referrers(ctx, t, by, keys, referrersMax)
	switch {
	case errors.Is(err, ErrTooMany) && len(keys) == 1:
		return nil, keys, nil
	case errors.Is(err, ErrTooMany):
		half := len(keys) / 2
		links, many, err = referrers(ctx, tx, t, by, keys[:half])
		if err != nil {
			return nil, nil, err
		}
		more, moreMany, err := referrers(ctx, tx, t, by, keys[half:])
		return append(links, more...), append(many, moreMany...), err
	case err != nil:
		return nil, nil, fmt.Errorf("look for rows of table %s that refer to table %s: %w", by.Child.Name, t.Name, err)
	}
	return links, nil, nil
}
