package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/vmihailenco/msgpack/v5"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

const (
	// adoptionEntries is how many log entries the adoption batch keeps in
	// memory before they go to the staging area.
	adoptionEntries = 32
	// adoptionRows is how many local changes go through memory at a time.
	adoptionRows = 10_000
	// takenRows is how many remembered rows are read at a time.
	takenRows = 500
)

// Finish completes the bring-up: it writes the adoption batch, which has the
// rows that only this site has, the values that differ, and the local changes
// whose writers had not seen the member's rows; after it, in a batch of their
// own, the other local changes up to now; and it makes the member's vector this
// site's. scan was opened after the last Put. From here on the site captures
// and applies.
func (b *BringUp) Finish(ctx context.Context, scan merge.Scan, alive func(table string, rows int64) error) error {
	r := b.r
	t := r.newTxn()
	// Nobody who wrote what is in the adoption batch had seen anything of
	// another site, or, after a restore, all of it, nor all that this site had
	// written: nobody knows what the backup had. Still it is applied after what
	// the member had, since it says what to make of tombstones.
	a := &adoption{local: r.newLocal(t), bringUp: b}
	if a.after = b.header.Vector; a.after == nil { // unseen is also what is nothing
		a.after = clock.VersionVector{}
	}
	a.context = nil
	a.clock.Observe(b.header.Clock) // what was written here stands in the tables
	a.clock.Observe(b.dating.latest)
	if err := a.fill(ctx, scan, alive); err != nil {
		return r.abandon(t, fmt.Errorf("write the adoption batch: %w", err))
	}
	if err := a.finish(); err != nil {
		return r.abandon(t, fmt.Errorf("write the adoption batch: %w", err))
	}
	// A database that was set back meanwhile, once more, has not what was put into
	// it: what it shows would count as news.
	if err := r.check(ctx); err != nil {
		return r.abandon(t, fmt.Errorf("complete the bring-up: %w", err))
	}
	seen, err := a.seen()
	if err != nil {
		return r.abandon(t, fmt.Errorf("write local changes: %w", err))
	}
	var g gains
	for site, v := range b.header.Contexts {
		x := g.of(site)
		x.context, x.hasContext = v, true
	}
	for _, e := range seen.applied {
		if e.Site != r.cfg.Self {
			g.of(e.Site).content = b.content(e)
		}
	}
	a.gain(&g)
	seen.gain(&g)
	r.saveVectors(t, seen.applied, g, seen.clock.Last())
	t.set(metaTaken, a.taken.encode())
	t.set(metaBringUp, nil)
	t.set(metaRecover, nil)
	for table := range b.bare {
		t.set(bareKey(table), nil)
	}
	if err := r.log.jump(b.header.Vector, t); err != nil {
		return r.abandon(t, fmt.Errorf("complete the bring-up: %w", err))
	}
	r.bringingUp, r.recovering = false, false
	r.taken = a.taken
	r.applied, r.appliedOwn, r.contexts = seen.applied, false, map[clock.SiteID]knownContext{}
	seen.adopt()
	r.gained(g)
	if err := errors.Join(r.loadPublished(), r.loadRules()); err != nil {
		return fmt.Errorf("complete the bring-up: %w", err)
	}
	if err := errors.Join(dropKeys(r.cfg.Store, keyTaken), dropKeys(r.cfg.Store, keyShows)); err != nil {
		return fmt.Errorf("forget the bring-up: %w", err)
	}
	return r.releaseTaken(ctx)
}

// content returns where another site's log has content, as the member says; of
// one that says nothing all may be.
func (b *BringUp) content(e clock.Entry) uint64 {
	if b.header.Content == nil {
		return e.Seq
	}
	return b.header.Content[e.Site]
}

// adoption is the adoption batch in the making.
type adoption struct {
	*local
	bringUp *BringUp
	written uint64 // entries that are in the staging area
	// kept are how many local changes were put by for the batch after this.
	kept uint64
}

func (a *adoption) fill(ctx context.Context, scan merge.Scan, alive func(table string, rows int64) error) error {
	if err := a.saySettled(); err != nil {
		return err
	}
	for _, table := range a.bringUp.Tables() {
		if err := a.onlyHere(ctx, scan, table, alive); err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	if err := a.differing(); err != nil {
		return err
	}
	a.at = 0 // what was written since the tables were read has later stamps
	return a.captured(ctx)
}

// saySettled begins the batch with what the member had said is settled, so that
// every site takes a row that only this site has as one that is new, whether or
// not it still has a tombstone that the member treats so. That this site has
// applied anything it says later, after all that had not seen it.
func (a *adoption) saySettled() error {
	h := a.bringUp.header
	if len(h.Settled) == 0 || a.bringUp.again { // then what this site said holds
		return nil
	}
	p := &published{applied: h.Settled, settled: h.Settled}
	row := p.row(a.r.cfg.Self, a.r.cfg.NowMillis())
	return a.row(&row)
}

// saidSettled is what the batch's site has said that every site has applied.
func (a *adoption) saidSettled() clock.VersionVector {
	if a.bringUp.again {
		return a.r.settledOf(a.r.cfg.Self)
	}
	return a.bringUp.header.Settled
}

// bound keeps the batch from growing in memory.
func (a *adoption) bound() error {
	if a.seq < a.first+a.written+adoptionEntries {
		return nil
	}
	a.written = a.seq + 1 - a.first
	return a.t.spill()
}

// differing adds the values that lost to the member's. The states have them
// already, but for rows that only an earlier attempt took over.
func (a *adoption) differing() error {
	for lower := kv.After(appendString([]byte{keyTaken}, "")); lower != nil; {
		var keys [][]byte
		next := []byte(nil)
		err := a.t.store.Scan(lower, []byte{keyTaken + 1}, func(k, v []byte) bool {
			if len(keys) == takenRows {
				next = slices.Clone(k)
				return false
			}
			if len(v) > 0 {
				keys = append(keys, slices.Clone(k))
			}
			return true
		})
		if err != nil {
			return err
		}
		lower = next
		for _, key := range keys {
			if err := a.differs(rowIDs(key)[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *adoption) differs(id merge.RowID) error {
	k, err := a.t.takeover(id)
	if err != nil {
		return err
	}
	own, err := a.givenUp(id, k)
	if err != nil {
		return err
	}
	if len(own) > 0 { // it is not in its table
		k.Other = notSeen(own)
		had, err := changesIn(k.Had)
		if err != nil {
			return err
		}
		if len(had) > 0 {
			had[0].Whole = true
			own[0] = had[0]
			k.Own = (&crdt.Entry{Changes: own}).Encode()
		}
		if err := a.putOwn(id, k, own, nil); err != nil {
			return err
		}
	}
	changes, err := k.own()
	if err != nil {
		return err
	}
	for _, ch := range changes {
		a.append(ch)
	}
	return a.bound()
}

// captured adds the local changes up to now.
func (a *adoption) captured(ctx context.Context) error {
	reading, err := a.r.cfg.Source.Read(ctx)
	if err != nil {
		return fmt.Errorf("read local changes: %w", err)
	}
	defer reading.Close()
	for {
		part, err := reading.Next(ctx, a.r.limits.captureRows)
		if err != nil {
			return fmt.Errorf("read local changes: %w", err)
		}
		if part == nil {
			return nil
		}
		for i := range part.Rows {
			if err := a.capture(&part.Rows[i]); err != nil {
				return err
			}
		}
		a.take(part)
	}
}

// capture adds one local change, as far as its writer had not seen a row that
// was taken over; the rest is put by.
func (a *adoption) capture(row *capture.Row) error {
	id := merge.RowID{Table: row.Table, Key: row.Key}
	k, err := a.t.takeover(id)
	if err != nil {
		return err
	}
	void, err := a.leftWritten(id, k, row)
	if void || err != nil {
		return err
	}
	switch {
	case k != nil && a.fromAnother(id, k):
		k = &takeover{}
	case k != nil:
	case a.bringUp.bare[id.Table]:
		k = &takeover{} // taken over, or written after that began
	case !row.Delete && !a.bringUp.again:
		if k, err = a.addedHere(id); err != nil {
			return err
		}
	}
	switch {
	case k != nil && k.Void && !row.Delete:
		return nil // of the row that was deleted
	case k != nil && k.Void:
		return a.allSeen(id)
	case k != nil && k.Life != "":
		err = a.toOther(id, k, row)
	case k != nil && (k.Gone || len(k.Other) > 0 && row.Delete):
		err = a.unseen(id, k, row)
	case k == nil && row.Delete && !a.bringUp.again: // what a restored database had is no news
		if err = a.deletedHere(id, row); err == nil {
			err = errors.Join(a.keep(row), a.allSeen(id))
		}
	case k != nil && k.Here && !row.Delete:
		err = a.writtenHere(id, k, row)
	default:
		unseen, rest := *row, *row
		if k != nil && !row.Delete {
			unseen, rest = k.split(row)
			if len(unseen.Columns) > 0 {
				err = a.unseen(id, k, &unseen)
			}
		}
		if err == nil && (rest.Delete || len(rest.Columns) > 0) {
			err = a.keep(&rest)
		}
		if err == nil && k != nil && row.Delete {
			err = a.allSeen(id) // whatever comes after it must not come before it
		}
	}
	if err == nil && row.Delete {
		err = a.wakeFor(id)
	}
	if err != nil {
		return err
	}
	return a.bound()
}

// wakeFor wakes the rows that wait for one that an application has deleted: it stayed
// away until now, and may come back for them (R4).
func (a *adoption) wakeFor(id merge.RowID) error {
	waiting, err := a.t.WaitingFor(id)
	a.wake = append(a.wake, waiting...)
	return err
}

// allSeen notes that the writers of the row's further changes had seen it as it
// was taken over.
func (a *adoption) allSeen(id merge.RowID) error {
	return a.t.remember(id, &takeover{})
}

// split divides a write into the columns that its writer had not seen and the
// others.
func (k *takeover) split(row *capture.Row) (unseen, rest capture.Row) {
	unseen, rest = *row, *row
	unseen.Columns, unseen.Values, rest.Columns, rest.Values = nil, nil, nil, nil
	for i, c := range row.Columns {
		to := &rest
		if slices.Contains(k.Unseen, c) {
			to = &unseen
		}
		to.Columns, to.Values = append(to.Columns, c), append(to.Values, row.Values[i])
	}
	if len(unseen.Columns) == 0 {
		rest = *row
	}
	return unseen, rest
}

// unseen adds a change of a row that was taken over beneath it. Unlike
// local.row it works on the member's values, which are not in the table, since
// they may be lost.
func (a *adoption) unseen(id merge.RowID, k *takeover, captured *capture.Row) error {
	s, err := a.t.State(id)
	if err != nil {
		return err
	}
	row := &crdt.Row{Columns: k.Columns, Values: k.Values, Number: a.r.number(id.Table)}
	if s != nil {
		row.Stamps, row.KnownRow, row.KnownCells = s.Stamps, s.KnownRow, s.KnownCells
		if row.Lost, err = a.t.Losses(id); err != nil {
			return err
		}
	}
	row.Exists = !row.Dead() && (s != nil || len(row.Columns) > 0 || captured.Delete) // else nothing is known of it but what was lost
	if !row.Exists && captured.Delete {                                               // deleted at both sites
		return a.putUnseen(id, s, row, nil, &takeover{}, captured)
	}
	had := s
	ch, row, s, completed := a.unseenWrite(id, k, captured, row, s)
	a.beginAnew(row, &ch)
	a.addsToWhatCounts(row, &ch)
	for i, c := range ch.Columns { // its writer knew of no counter
		ch.Values[i] = asBase(row, c, ch.Values[i])
	}
	kept := a.keptAfter(s, &ch)
	row.Apply(&ch, a.r.cfg.Self, a.context)
	a.append(ch)
	if stands, ok := a.otherLife(row, &ch, s); ok {
		return a.putUnseenLife(id, s, row, k, &ch, stands)
	}
	if completed { // what waits of the rest waits on, and nobody has seen it here
		k.Other = slices.DeleteFunc(slices.Clone(ch.Columns), func(c string) bool { return c == row.Number || slices.Contains(captured.Columns, c) })
		k.Unseen = append(slices.Clip(k.Unseen), k.Other...)
		s, kept = had, a.keptAfter(had, &crdt.Change{Table: ch.Table, Columns: captured.Columns})
	}
	if ch.Delete {
		k = &takeover{} // what comes after it is a row of this site
	} else {
		k.Columns, k.Values = row.Columns, row.Values
	}
	return a.putUnseen(id, s, row, kept, k, captured)
}

// unseenWrite returns the change that a captured write is, with what it overwrites, and
// the row and the state that it is merged into. completed: it has more of the row than
// was written.
func (a *adoption) unseenWrite(id merge.RowID, k *takeover, captured *capture.Row, row *crdt.Row, s *merge.State) (ch crdt.Change, _ *crdt.Row, _ *merge.State, completed bool) {
	number := row.Number
	ch = crdt.Change{Table: id.Table, Key: id.Key, Delete: captured.Delete, Time: a.stamp(captured)}
	if !ch.Delete {
		ch.Columns, ch.Values = captured.Columns, slices.Clone(captured.Values)
		ch.Whole = len(ch.Columns) == a.r.shipped[id.Table]
		inserts := merge.Inserts(a.r.cfg.Model.Tables[id.Table], &ch)
		if (inserts || a.bringUp.again) && merge.Settled(row, a.saidSettled()) { // as every site sees it
			if a.bringUp.again {
				completed = a.complete(&ch, row)
				inserts = true
			}
			s, row = nil, &crdt.Row{Lost: row.Lost, Number: number}
		}
		if inserts {
			merge.Answer(row, &ch, a.r.cfg.Self, a.saidSettled())
		}
	}
	if a.deadNumber(row, s, k, &ch) {
		completed = a.complete(&ch, row)
		ch.Prior = crdt.Stamps{Deleted: row.Deleted}.WithLife(number, row.Life())
	} else {
		ch.Prior = a.unseenPrior(row, s, k, &ch)
	}
	return ch, row, s, completed
}

// unseenPrior returns the stamps of what a change overwrites that a site made before it
// had seen the row that was taken over.
func (a *adoption) unseenPrior(row *crdt.Row, s *merge.State, k *takeover, ch *crdt.Change) crdt.Stamps {
	floor := clock.Timestamp(0)
	if a.bringUp.again {
		floor = a.bringUp.header.Clock // at or below it is what the backup may not have
	}
	prior := k.otherSeen(ownStamps(&row.Stamps, a.r.cfg.Self, floor), ch)
	switch {
	case row.Number == "" || s == nil:
	case k.Life != "" && !slices.Contains(ch.Columns, row.Number):
		return withCell(crdt.Stamps{}, row.Number, crdt.LifeOf(k.Life))
	case !slices.Contains(ch.Columns, row.Number): // the number named one row for both sites
		return withCell(prior, row.Number, shownLife(row.Number, s))
	default: // also to a row from before, whose life is the zero stamp
		return prior.LosesTo(row.Number, s.Of(row.Number))
	}
	return prior
}

// deadNumber reports whether a write to a restored database, or to that of a site that
// joins, is to a row that a number alone names and that others have deleted. To some of
// them that may be settled, and they may have inserted another row of the number since.
// What was written to such another row here is not one.
func (a *adoption) deadNumber(row *crdt.Row, s *merge.State, k *takeover, ch *crdt.Change) bool {
	another := s != nil && a.showsOther(ch.Table, s)
	return !another && row.Number != "" && row.Dead() && k.Life == "" && !ch.Delete && !slices.Contains(ch.Columns, row.Number)
}

// complete makes an insert of a write to a row that was deleted, which this site's
// database had still: others may have forgotten the tombstone,
// and with it the values that the write leaves as they were.
func (a *adoption) complete(ch *crdt.Change, row *crdt.Row) (more bool) {
	if ch.Whole {
		return false
	}
	written := *ch
	ch.Columns, ch.Values, ch.Whole = nil, nil, true
	for _, c := range a.r.cfg.Model.Tables[ch.Table].Shipped() {
		v, ok := row.Shows(c)
		if i := slices.Index(written.Columns, c); i >= 0 {
			v, ok = written.Values[i], true
		}
		if ok {
			ch.Columns, ch.Values = append(ch.Columns, c), append(ch.Values, v)
		}
	}
	return true
}

// ownStamps returns the stamps of a row as a site knows them that has seen
// nothing but its own writes later than floor: all others are the baseline's.
func ownStamps(s *crdt.Stamps, self clock.SiteID, floor clock.Timestamp) crdt.Stamps {
	var own crdt.Stamps
	if s.Row.Site == self && s.Row.Time > floor {
		own.Row = s.Row
	}
	for _, c := range s.Cells {
		switch {
		case c.Stamp.Site == self && c.Stamp.Time > floor:
			own.Cells = append(own.Cells, c)
		case !own.Row.IsZero():
			own.Cells = append(own.Cells, crdt.CellStamp{Column: c.Column})
		}
	}
	return own
}

// putUnseen stores the state of a row whose values are in the table if it
// exists, but for those of the kept columns, and what the row's next change is
// to work on.
func (a *adoption) putUnseen(id merge.RowID, s *merge.State, row *crdt.Row, kept []string, k *takeover, captured *capture.Row) error {
	if err := a.t.remember(id, k); err != nil {
		return err
	}
	next := &merge.State{Stamps: row.Stamps, KnownRow: row.KnownRow, KnownCells: row.KnownCells, HasLoss: len(row.Lost) > 0}
	if !row.Exists {
		next.Columns, next.Values = row.Columns, row.Values
		if s != nil && s.Dead() { // it is in its table, or waits to come back (R4)
			next.Place, next.Reason, next.Missing = s.Place, s.Reason, s.Missing
		}
		return a.t.Put(id, next, row.Lost)
	}
	for _, c := range kept {
		v, is := row.Value(c)
		if !is && crdt.IsPart(c) {
			continue
		}
		next.Columns, next.Values = append(next.Columns, c), append(next.Values, v)
	}
	if s != nil && a.keepsPlace(id.Table, kept) {
		next.Place, next.Reason, next.Missing = s.Place, s.Reason, s.Missing
	}
	a.keepCounters(id, s, row, captured, next)
	return a.t.Put(id, next, row.Lost)
}

// putUnseenLife stores the state of a row that an application inserted here under
// the number of one that was taken over, and that began before.
func (a *adoption) putUnseenLife(id merge.RowID, s *merge.State, row *crdt.Row, k *takeover, ch *crdt.Change, life clock.Stamp) error {
	if err := a.t.remember(id, k); err != nil {
		return err
	}
	whole := merge.State{}
	if s != nil {
		whole = *s
	}
	whole.Columns, whole.Values = row.Columns, row.Values // the table has none of it
	if whole.Place == merge.InDatabase {
		whole.Place, whole.Reason = merge.Aside, "is to take the place of another row of this number"
	}
	return a.putOtherLife(id, &whole, row, ch, life)
}

// keptKey is where a local change is put by.
func keptKey(n uint64) []byte {
	return binary.BigEndian.AppendUint64(appendString([]byte{keyTaken}, ""), n)
}

// keep puts a local change by for the batch after this.
func (a *adoption) keep(row *capture.Row) error {
	b, err := msgpack.Marshal(row)
	if err != nil {
		return err
	}
	a.t.set(keptKey(a.kept), b)
	a.kept++
	if a.kept%adoptionRows == 0 {
		return a.t.spill()
	}
	return nil
}

// seen makes the batch after this one: the local changes whose writers had seen
// what was taken over.
func (a *adoption) seen() (*local, error) {
	l := a.r.newLocal(a.t)
	l.first, l.seq, l.clock = a.seq+1, a.seq, a.clock
	l.wake, l.taken = a.wake, a.taken
	l.applied = a.applied.Clone()
	l.applied.Merge(a.bringUp.header.Vector)
	// As every site has it: the writers had seen the batch before too.
	l.context = l.applied
	for n := range a.kept {
		b, err := a.t.get(keptKey(n))
		if err != nil {
			return nil, err
		}
		var row capture.Row
		if err := msgpack.Unmarshal(b, &row); err != nil {
			return nil, err
		}
		if err := l.row(&row); err != nil {
			return nil, err
		}
		if n%adoptionRows == adoptionRows-1 {
			if err := a.t.spill(); err != nil {
				return nil, err
			}
		}
	}
	return l, l.finish()
}
