package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Capture takes everything that local applications committed since the last
// call and logs it as one batch. It returns how many row changes it took.
func (r *Replica) Capture(ctx context.Context) (int, error) {
	if err := r.begin(ctx); err != nil {
		return 0, err
	}
	if p, ok := r.cfg.Source.(capture.Poller); ok {
		if something, err := p.Poll(ctx); err != nil || !something {
			return 0, err
		}
	}
	reading, err := r.cfg.Source.Read(ctx)
	if err != nil {
		return 0, fmt.Errorf("read local changes: %w", err)
	}
	defer reading.Close()
	t := r.newTxn()
	l := r.newLocal(t)
	for {
		part, err := reading.Next(ctx, r.limits.captureRows)
		if err != nil {
			return 0, r.abandon(t, fmt.Errorf("read local changes: %w", err))
		}
		if part == nil {
			break
		}
		if err := l.add(part); err != nil {
			return 0, r.abandon(t, err)
		}
	}
	if len(l.taken.ids) == 0 {
		r.done(t)
		return 0, nil
	}
	if err := l.finish(); err != nil {
		return 0, r.abandon(t, err)
	}
	r.saveVectors(t, l.applied, l.gains(), l.clock.Last())
	t.set(metaTaken, l.taken.encode())
	// What was read is news only if this is still the database that we left.
	if err := r.check(ctx); err != nil {
		return 0, r.abandon(t, err)
	}
	if err := t.commit(); err != nil {
		return 0, r.abandon(t, fmt.Errorf("log local changes: %w", err))
	}
	r.taken = l.taken
	l.adopt()
	changes := l.changes
	r.done(t)
	return changes, r.releaseTaken(ctx)
}

// begin is the beginning of every step: it clears up what an earlier one left.
func (r *Replica) begin(ctx context.Context) error {
	if err := r.resettle(ctx); err != nil {
		return err
	}
	if r.bringingUp {
		return ErrBringUp
	}
	if err := r.checkNow(ctx); err != nil {
		return err
	}
	return r.releaseTaken(ctx)
}

func (r *Replica) resettle(ctx context.Context) error {
	if !r.unsettled {
		return nil
	}
	return r.Settle(ctx)
}

// abandon gives a step up and returns the error. Where the step wrote to the
// store, or tried to, what is in memory may be wrong until Settle.
func (r *Replica) abandon(t *txn, err error) error {
	r.unsettled = r.unsettled || t.tried || errors.Is(err, merge.ErrSetBack)
	return err
}

// local turns captured rows into one batch of this site, inside a step.
type local struct {
	r        *Replica
	t        *txn
	clock    *clock.Clock
	ownClock clock.Clock // behind clock, as a rule
	// applied is replaced, never written in place.
	applied clock.VersionVector
	context clock.VersionVector
	taken   history // the log rows that are in the batch
	changes int
	// revived are rows whose insert over a tombstone came in pieces, with that
	// tombstone: the later pieces are written over it too.
	revived map[merge.RowID]clock.Stamp
	// pieces are rows with counters that were inserted: what comes of them later
	// may be a further piece of the insert.
	pieces map[merge.RowID]bool
	wake   []merge.RowID
	// unreferred are tables to whose rows a change may have ended a reference.
	unreferred []string
	// content: there is more than baraza's own rows.
	content bool
	// after is what the batch is to be applied after, where its writers had not
	// seen it: an adoption batch.
	after clock.VersionVector

	pending  []crdt.Change
	size     int
	first    uint64
	seq      uint64 // the last entry written
	last     []byte // that entry, if it was written here
	at       clock.Timestamp
	atMillis int64
	atDelete bool
}

func (r *Replica) newLocal(t *txn) *local {
	seq := r.log.seq(r.cfg.Self)
	l := &t.local
	if l.r != nil { // the second one of this step
		l = &local{}
	}
	*l = local{r: r, t: t, pending: l.pending, ownClock: *r.clock, applied: r.applied, context: r.applied, first: seq + 1, seq: seq}
	l.clock = &l.ownClock
	return l
}

// add stamps the rows of a part, updates their states and writes full entries.
func (l *local) add(part *capture.Part) error {
	ids := make([]merge.RowID, len(part.Rows))
	for i := range part.Rows {
		ids[i] = merge.RowID{Table: part.Rows[i].Table, Key: part.Rows[i].Key}
	}
	if err := l.t.prefetch(ids); err != nil {
		return err
	}
	for i := range part.Rows {
		if err := l.row(&part.Rows[i]); err != nil {
			return err
		}
	}
	l.take(part)
	return l.doubtLost(part.Lost)
}

// stamp gives the time of a change. Changes of one millisecond share it, but a
// delete and a write never do, since their order must be told.
func (l *local) stamp(row *capture.Row) clock.Timestamp {
	millis := row.At / 1000
	if l.at == 0 || millis != l.atMillis || row.Delete != l.atDelete {
		l.at = l.clock.Give(millis)
		l.atMillis, l.atDelete = millis, row.Delete
	}
	return l.at
}

func (l *local) row(row *capture.Row) error {
	id := merge.RowID{Table: row.Table, Key: row.Key}
	s, err := l.t.State(id)
	if err != nil {
		return err
	}
	row = l.noInsert(row, s)
	whole, anew := len(row.Columns) == l.r.shipped[row.Table], false
	if s != nil && s.Dead() && !l.showsOther(row.Table, s) {
		if row.Delete {
			return l.deletedAgain(id, s)
		}
		if whole {
			before := s
			s = l.settled(s)
			anew = s != before
		}
	}
	columns, values := row.Columns, row.Values
	if !row.Delete {
		if columns, values = l.counts(s, row, whole, anew); len(columns) == 0 {
			return nil // nothing was added
		}
	}
	ch := crdt.Change{Table: row.Table, Key: row.Key, Delete: row.Delete, Time: l.stamp(row)}
	if !row.Delete {
		ch.Columns, ch.Values = columns, values
		ch.Whole = whole && covers(columns, row.Columns)
	}
	if ch.Prior, err = l.withLife(id, s, &ch, l.priorOf(id, s, &ch)); err != nil {
		return err
	}
	if err := l.merge(id, s, &ch, row, anew); err != nil {
		return err
	}
	l.notesReferences(&ch)
	l.append(ch)
	return nil
}

// deletedAgain notes a delete of a dead row: one that was in its table all the
// same, or that was inserted and deleted within one view.
func (l *local) deletedAgain(id merge.RowID, s *merge.State) error {
	if !s.Stays() {
		return nil
	}
	losses, err := l.t.Losses(id)
	if err != nil {
		return err
	}
	next := *s
	next.Place, next.Reason, next.Missing = merge.InDatabase, "", nil
	return l.t.Put(id, &next, losses)
}

// settled returns the state of a deleted row that an application inserts again:
// nothing but its conflicts when all sites treat the tombstone so, as this one
// has told them (merge.Settled).
func (l *local) settled(s *merge.State) *merge.State {
	if s.Place != merge.InDatabase || !l.r.settledOf(l.r.cfg.Self).Covers(s.Deleted) {
		return s
	}
	if !s.HasLoss {
		return nil
	}
	return &merge.State{HasLoss: true}
}

// apart reports whether all of a row waits outside its table, of which the site knows
// by others: what its applications see there is a row of its own, of a table that it
// adds now.
func (l *local) apart(table string, s *merge.State) bool {
	t := l.r.cfg.Model.Tables[table]
	return s.Place == merge.Aside && t != nil && slices.Contains(s.Columns, t.Identity.Columns[0])
}

// priorApart is what a delete of such a row overwrites: nothing that others wrote, which
// waits with the state, but what the site itself wrote since it adds the table.
func priorApart(s *merge.State) (p crdt.Stamps) {
	for _, c := range s.Columns {
		p.Cells = append(p.Cells, crdt.CellStamp{Column: c})
	}
	for _, c := range s.Cells {
		if !slices.Contains(s.Columns, c.Column) {
			p.Cells = append(p.Cells, c)
		}
	}
	slices.SortFunc(p.Cells, func(a, b crdt.CellStamp) int { return strings.Compare(a.Column, b.Column) })
	return p
}

// append adds a change to the batch and writes a full entry.
func (l *local) append(ch crdt.Change) {
	l.pending = append(l.pending, ch)
	l.changes++
	l.content = l.content || !merge.IsSystem(ch.Table)
	l.size += 32 + len(ch.Key)
	for _, v := range ch.Values {
		l.size += 1 + len(v)
	}
	if l.size >= l.r.limits.entryBytes {
		l.write(false)
	}
}

// priorOf returns the stamps of what a change overwrites.
func (l *local) priorOf(id merge.RowID, s *merge.State, ch *crdt.Change) crdt.Stamps {
	switch {
	case s == nil:
		return crdt.Stamps{}
	case s.Dead():
		if !ch.Whole {
			if l.revived == nil {
				l.revived = map[merge.RowID]clock.Stamp{}
			}
			l.revived[id] = s.Deleted
		}
		return crdt.Stamps{Deleted: s.Deleted}
	case ch.Delete:
		delete(l.revived, id)
		if l.apart(id.Table, s) {
			return priorApart(s)
		}
		return crdt.Stamps{Row: s.Row, Cells: s.Cells}
	}
	if tombstone, ok := l.revived[id]; ok {
		return crdt.Stamps{Deleted: tombstone}
	}
	p := crdt.Stamps{Row: s.Row}
	unseen := s.Columns
	if merge.IsSystem(id.Table) {
		unseen = nil // such rows are nowhere else
	}
	if slices.ContainsFunc(unseen, crdt.IsPart) { // what the site added itself
		unseen = slices.DeleteFunc(slices.Clone(unseen), crdt.IsPart)
	}
	for _, c := range s.Cells {
		if slices.Contains(ch.Columns, c.Column) && !slices.Contains(unseen, c.Column) {
			if p.Cells == nil {
				p.Cells = l.t.memory.Cells(len(ch.Columns))
			}
			p.Cells = append(p.Cells, c)
		}
	}
	// What waits with the state was not in the table, so the application has
	// not seen it.
	for _, c := range unseen {
		if slices.Contains(ch.Columns, c) {
			p.Cells = append(p.Cells, crdt.CellStamp{Column: c})
		}
	}
	return p
}

// merge brings the row's state up to the local change, which is in the
// database already. anew: there was nothing of the row but its conflicts.
func (l *local) merge(id merge.RowID, s *merge.State, ch *crdt.Change, captured *capture.Row, anew bool) error {
	row := &crdt.Row{Number: l.r.cfg.Model.Tables[id.Table].Number()}
	var losses []crdt.Loss
	var err error
	if s != nil {
		row.Stamps, row.KnownRow, row.KnownCells = s.Stamps, s.KnownRow, s.KnownCells
		row.Columns, row.Values = merge.WithoutShown(s.Columns, s.Values)
		row.Exists = !s.Dead() && !anew
		if s.HasLoss {
			if losses, err = l.t.Losses(id); err != nil {
				return err
			}
		}
	}
	row.Lost = losses
	row.Use(l.t.memory)
	kept := l.keptAfter(s, ch)
	kept = slices.DeleteFunc(kept, func(c string) bool { // what it showed until now
		return crdt.IsShown(c) && (ch.Delete || ch.Whole || slices.ContainsFunc(captured.Columns, func(w string) bool { return c == crdt.Shown(w) }))
	})
	if ch.Delete {
		row.Columns, row.Values = captured.Columns, captured.Values
		for _, c := range kept {
			row.SetValue(c, s.Values[slices.Index(s.Columns, c)])
		}
	}
	if len(losses) > 0 && merge.Inserts(l.r.cfg.Model.Tables[id.Table], ch) {
		merge.Answer(row, ch, l.r.cfg.Self, l.r.settledOf(l.r.cfg.Self))
	}
	row.Apply(ch, l.r.cfg.Self, l.context)
	if stands, ok := l.otherLife(row, ch, s); ok {
		return l.putOtherLife(id, s, row, ch, stands)
	}
	next := l.t.newState()
	*next = merge.State{Stamps: row.Stamps, KnownRow: row.KnownRow, KnownCells: row.KnownCells, HasLoss: len(row.Lost) > 0}
	switch {
	case ch.Delete:
		next.Columns, next.Values = row.Columns, row.Values
	case merge.IsSystem(id.Table):
		next.Columns, next.Values = row.Columns, row.Values
	default:
		for _, c := range kept {
			v, is := row.Value(c)
			if !is && crdt.IsPart(c) {
				continue // it does not count any more
			}
			if crdt.IsShown(c) {
				v = s.Values[slices.Index(s.Columns, c)]
			}
			next.Columns, next.Values = append(next.Columns, c), append(next.Values, v)
		}
		if s != nil && l.keepsPlace(id.Table, kept) {
			next.Place, next.Reason, next.Missing = s.Place, s.Reason, s.Missing
		}
		if next.Place == merge.Kept { // it is in its place, and what it shows is seen from now on
			l.wake = append(l.wake, id)
		}
		l.keepCounters(id, s, row, captured, next)
	}
	if err := l.t.Put(id, next, row.Lost); err != nil || ch.Delete {
		return err
	}
	waiting, err := l.t.WaitingFor(id)
	l.wake = append(l.wake, waiting...)
	return err
}

// keptAfter lists the columns whose value stays with the state after a local
// write: those that the table does not have, and those that could not be
// written and that the application did not write now.
func (l *local) keptAfter(s *merge.State, ch *crdt.Change) []string {
	if s == nil {
		return nil
	}
	t := l.r.cfg.Model.Tables[ch.Table]
	var kept []string
	inTable := (!s.Dead() || s.Stays() || pinnedHere(t, s)) && !ch.Whole
	for _, c := range s.Columns {
		if t == nil || t.Column(c) == nil || (inTable && !slices.Contains(ch.Columns, c)) {
			kept = append(kept, c)
		}
	}
	return kept
}

// pinnedHere reports whether a dead row is in its table all the same since an
// application had written it when it was taken over (merge.Piece.Pin): then single
// columns of it wait or are held, not the whole row.
func pinnedHere(t *schema.Table, s *merge.State) bool {
	return t != nil && s.Place != merge.InDatabase && !slices.Contains(s.Columns, t.Identity.Columns[0])
}

// covers reports whether columns has all of names.
func covers(columns, names []string) bool {
	if len(columns) == len(names) && (len(names) == 0 || &columns[0] == &names[0]) {
		return true
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(columns, n) })
}

// write appends the pending changes to the log as one entry.
func (l *local) write(last bool) {
	e := crdt.Entry{First: l.seq+1 == l.first, Last: last, Changes: l.pending}
	if e.First {
		e.Context = l.r.contextDelta(l.r.contexts[l.r.cfg.Self].vector, l.delivered(), l.r.cfg.Self)
		e.Unseen = l.after != nil
	}
	if last {
		e.Through = l.clock.Last()
	}
	l.seq++
	l.last = l.r.encoder.Encode(&e)
	l.t.give(appendLogKey(l.t.mem.room(logKeyBytes), l.r.cfg.Self, l.seq), l.last)
	clear(l.pending)
	l.pending, l.size = l.pending[:0], 0
}

// delivered is what the batch is to be applied after.
func (l *local) delivered() clock.VersionVector {
	if l.after != nil {
		return l.after
	}
	return l.context
}

// contextDelta lists what changed in the context since the previous batch. The
// origin's own entry is implied by the log's order.
// It is valid until the next call.
func (r *Replica) contextDelta(before, now clock.VersionVector, self clock.SiteID) clock.VersionVector {
	delta := r.delta[:0]
	for i, e := range now { // in order, so the delta is too
		if e.Site == self || i < len(before) && before[i] == e || before.Get(e.Site) == e {
			continue
		}
		delta = append(delta, e)
	}
	r.delta = delta
	return delta
}

// finish ends the batch; where every change turned out to be nothing, there is
// no batch.
func (l *local) finish() error {
	if len(l.pending) == 0 && l.seq+1 == l.first {
		return nil
	}
	if err := l.wakeKept(); err != nil {
		return err
	}
	l.write(true)
	self := l.r.cfg.Self
	l.applied = l.applied.With(clock.Entry{Site: self, Seq: l.seq, Through: l.clock.Last()})
	l.t.logs = true
	l.t.set(l.t.siteKey(metaHave, self), binary.BigEndian.AppendUint64(l.t.mem.room(8), l.seq))
	l.record()
	return nil
}

// gain adds what the batch brings: the context of this site's last batch, and
// whether its log has content there; nothing when there is no batch.
func (l *local) gain(g *gains) {
	if l.seq < l.first {
		return
	}
	l.r.appliedOwn = false // it is the batch's context from now on
	x := g.of(l.r.cfg.Self)
	x.context, x.hasContext, x.own = l.delivered(), true, false
	if l.content {
		x.content = l.seq
	}
}

// gains returns what gain adds, and nothing else.
func (l *local) gains() (g gains) {
	l.gain(&g)
	return g
}

// adopt makes the step's outcome the replica's, after the store has it.
func (l *local) adopt() {
	r := l.r
	self := r.cfg.Self
	r.gained(l.gains())
	if e := l.applied.Get(self); r.applied.Get(self) != e {
		r.applied, r.appliedOwn = r.applied.With(e), true
	}
	r.clock.Observe(l.clock.Last())
	r.log.advanceSelf(l.seq, l.last)
	r.wake = append(r.wake, l.wake...)
}
