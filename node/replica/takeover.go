package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vmihailenco/msgpack/v5"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// BringUp takes a member's rows over. It is used by the engine's goroutine.
// When anything fails it is started anew with another view.
type BringUp struct {
	r         *Replica
	header    *Header
	different map[string]Different
	// bare are the tables that had no row before the first attempt (bare.go), and
	// empty those that have none now; remembered are those of which an earlier
	// attempt remembered rows.
	// Those of which a row refers to one of its own table, or to one that comes
	// later, are inOrder: their chunks are taken over one after the other (fill.go).
	bare, empty, remembered, inOrder map[string]bool
	// again: the site had its rows, and lost changes when its database was set
	// back (recover_bringup.go).
	again  bool
	dating dating
	// member: the database was that of a member, so that what differs is one row;
	// taken are the rows that are two.
	member bool
	taken  map[merge.RowID]bool
}

// StartBringUp begins to take over what a view has. States that an attempt
// before left are forgotten: the view has all that matter.
func (r *Replica) StartBringUp(ctx context.Context, h *Header) (*BringUp, error) {
	if err := r.resettle(ctx); err != nil {
		return nil, err
	}
	if r.recovering {
		return r.startRecovery(ctx, h)
	}
	self := r.cfg.Self
	switch {
	case !r.bringingUp:
		return nil, errors.New("this site has its first rows already")
	case h.Site == self:
		return nil, errors.New("a site cannot be brought up from itself")
	case h.Vector.Seq(self) > 0:
		return nil, fmt.Errorf("site %s has entries of this site's log, which this site lost: join again with a new --data directory, and so with a new key", h.Site.Short())
	case r.log.Vector().Seq(self) > 0 || len(r.applied) > 0:
		return nil, errors.New("only a new site can be brought up by state: join again with a new --data directory")
	case h.Clock.Millis() > r.cfg.NowMillis()+r.cfg.MaxDriftMillis:
		return nil, fmt.Errorf("site %s has changes of %s, but the clock here says less: set this site's clock, or that one's", h.Site.Short(), h.Clock)
	}
	err := r.noteLives()
	if err != nil {
		return nil, fmt.Errorf("note which rows an earlier attempt gave: %w", err)
	}
	if err = r.dropStates(); err != nil {
		return nil, fmt.Errorf("forget an earlier attempt: %w", err)
	}
	b := &BringUp{
		r: r, header: h, different: map[string]Different{},
		bare: map[string]bool{}, empty: map[string]bool{}, remembered: map[string]bool{}, inOrder: map[string]bool{}, taken: map[merge.RowID]bool{},
		dating: dating{model: r.cfg.Model, latest: clock.At(r.cfg.NowMillis(), 0)},
	}
	if err := r.forgetCounters(); err != nil {
		return nil, fmt.Errorf("forget an earlier attempt: %w", err)
	}
	if b.member, err = wasMember(r.cfg.Store, h.Vector); err != nil {
		return nil, err
	}
	if err := b.loadBare(); err != nil {
		return nil, err
	}
	return b, b.begins()
}

// dropStates forgets all row states.
func (r *Replica) dropStates() error {
	for _, kind := range []byte{keyState, keyLoss, keyWaiting, keyAside, keyLeft} {
		if err := dropKeys(r.cfg.Store, kind); err != nil {
			return err
		}
	}
	return nil
}

// Tables returns the replicated tables of this site, parents before children.
func (b *BringUp) Tables() []string { return b.r.merger.Order }

// Digest sums up a table, for the member to compare. Rows of which an earlier
// attempt left something to remember are left out, so that they are sent again.
// alive is called now and then; its error stops the work.
func (b *BringUp) Digest(ctx context.Context, scan merge.Scan, table string, alive func(rows int64) error) (Digests, error) {
	t := b.r.cfg.Model.Tables[table]
	count, err := scan.Count(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("count the rows of table %s: %w", table, err)
	}
	again, err := b.takenBefore(table)
	if err != nil {
		return nil, err
	}
	d := newDigesterFor(count)
	rows := int64(0)
	err = scan.Rows(ctx, t, func(part []merge.Row) error {
		for i := range part {
			if !again[part[i].Key] {
				d.add(part[i].Key, part[i].Columns, part[i].Values)
			}
		}
		rows += int64(len(part))
		return alive(rows)
	})
	if err != nil {
		return nil, fmt.Errorf("sum up table %s: %w", table, err)
	}
	if rows == 0 {
		if err := b.noteEmpty(ctx, table); err != nil {
			return nil, err
		}
	}
	return d.sums.folded(rows), nil
}

// takenBefore returns the rows of a table of which something is remembered.
func (b *BringUp) takenBefore(table string) (map[crdt.Key]bool, error) {
	keys := map[crdt.Key]bool{}
	prefix := appendString([]byte{keyTaken}, table)
	err := b.r.cfg.Store.Scan(prefix, kv.After(prefix), func(k, v []byte) bool {
		b.remembered[table] = true
		if len(v) > 0 {
			keys[rowIDs(k)[0].Key] = true
		}
		return true
	})
	return keys, err
}

// SetDifferent notes the member's answer for a table.
func (b *BringUp) SetDifferent(table string, d Different) error {
	if !d.valid() {
		return fmt.Errorf("table %s: %w", table, errChunk)
	}
	b.different[table] = d
	return nil
}

// takeover is what is remembered of a row that was taken over, until the
// adoption batch is written. A row that was here the same or not at all leaves
// the zero value.
type takeover struct {
	// Own are the changes of the adoption batch: the values that this site had
	// and, where they beat nothing but the baseline, the member's again.
	Own []byte `msgpack:"o,omitempty"`
	// Had is all that this site had of the row, as a change, where there is Own or
	// Unseen.
	Had []byte `msgpack:"m,omitempty"`
	// Unseen: local writes that are not captured yet and whose writer had not
	// seen the member's row: these columns, or, with Gone, the whole row.
	Unseen []string `msgpack:"u,omitempty"`
	Gone   bool     `msgpack:"g,omitempty"`
	// Void: a local delete that is not captured yet was of another row, which had
	// the number that the row has (R3).
	Void bool `msgpack:"x,omitempty"`
	// Here: the adoption batch has the row as one that only this site has; what
	// was written to it is added to that batch.
	Here bool `msgpack:"h,omitempty"`
	// Left: an earlier attempt gave it, and this member has not got it (left.go).
	Left bool `msgpack:"l,omitempty"`
	// Life is, where the table shows another row than the one that has the number
	// (R3), which one it shows; what is written to it is of that one.
	Life crdt.Value `msgpack:"s,omitempty"`
	// Back: the member's tombstone is settled, and a database that was set back has
	// the row. If it is there still when all has gone that goes, something that
	// applications wrote refers to it, and it comes back with that.
	Back bool `msgpack:"b,omitempty"`
	// From is the member that gave the row.
	From []byte `msgpack:"f,omitempty"`
	// Other are columns in which the table had what an earlier attempt gave it: who
	// wrote to the row had not seen what the batch says of them (othermember.go).
	Other []string `msgpack:"t,omitempty"`
	// Columns and Values are the row as taken over, where there are such
	// writes; with Here what the batch says of it, as far as that is known, with Left
	// what the table has.
	Columns []string     `msgpack:"c,omitempty"`
	Values  []crdt.Value `msgpack:"v,omitempty"`
}

func (k *takeover) encode() ([]byte, error) {
	if len(k.Own) == 0 && len(k.Unseen) == 0 && !k.Gone && !k.Void && !k.Here && !k.Back && !k.Left && k.Life == "" {
		return []byte{}, nil
	}
	return msgpack.Marshal(k)
}

func decodeTakeover(b []byte) (*takeover, error) {
	k := &takeover{}
	if len(b) == 0 {
		return k, nil
	}
	if err := msgpack.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("what the store remembers of the bring-up is damaged: %w", err)
	}
	return k, nil
}

// own returns the row's changes of the adoption batch.
func (k *takeover) own() ([]crdt.Change, error) { return changesIn(k.Own) }

// changesIn decodes changes that are remembered as an entry.
func changesIn(entry []byte) ([]crdt.Change, error) {
	if len(entry) == 0 {
		return nil, nil
	}
	e, err := crdt.DecodeEntry(entry)
	if err != nil {
		return nil, err
	}
	return e.Changes, nil
}

// takeover reads what is remembered of a row; nil when it was not taken over.
func (t *txn) takeover(id merge.RowID) (*takeover, error) {
	b, err := t.get(rowKey(keyTaken, id))
	if err != nil || b == nil {
		return nil, err
	}
	return decodeTakeover(b)
}

// remember notes what the adoption batch needs of a row.
func (t *txn) remember(id merge.RowID, k *takeover) error {
	encoded, err := k.encode()
	if err == nil {
		t.set(rowKey(keyTaken, id), encoded)
	}
	return err
}

// putRows is how many rows one transaction takes over where there may be such
// rows already, which it locks.
const putRows = 2000

// Put takes over the rows of a chunk, and takes those that it is done with out
// of it: what is left after merge.ErrRetry is tried again, whole or in parts.
// After any other error the bring-up is started anew.
func (b *BringUp) Put(ctx context.Context, c *Chunk) error {
	if len(c.Items) == 0 {
		return nil
	}
	if err := b.r.resettle(ctx); err != nil {
		return err
	}
	done, err := b.putBare(ctx, c)
	if done || err != nil {
		return err
	}
	for len(c.Items) > 0 {
		n := min(len(c.Items), putRows)
		if err := b.putSome(ctx, &Chunk{Table: c.Table, Items: c.Items[:n]}); err != nil && !errors.Is(err, errNumberTaken) {
			return err
		}
		c.Items = c.Items[n:]
	}
	return nil
}

// putSome takes over rows in one transaction.
func (b *BringUp) putSome(ctx context.Context, c *Chunk) error {
	tx, err := b.r.cfg.Database.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	t := b.r.newTxn()
	err = b.put(ctx, tx, t, c)
	if err == nil {
		err = tx.SetMark(ctx, b.r.mark, b.r.mark.Next())
	}
	if err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return b.r.abandon(t, err)
	}
	return b.r.commitBoth(tx, t)
}

func (b *BringUp) put(ctx context.Context, tx merge.Tx, t *txn, c *Chunk) error {
	items := make(map[merge.RowID]*Item, len(c.Items))
	var ids []merge.RowID
	for i := range c.Items {
		it := &c.Items[i]
		id := merge.RowID{Table: c.Table, Key: it.Key}
		if !b.again || !merge.IsSystem(id.Table) { // of those a restored site knows what it knew
			t.assumeNew(id)
		}
		if it.Same {
			if err := t.Put(id, it.state(), it.Lost); err != nil {
				return err
			}
			continue
		}
		ids = append(ids, id)
		items[id] = it
	}
	if len(ids) == 0 {
		return nil
	}
	p := b.r.merger.NewAdoption(ids)
	if err := p.Lock(ctx, tx, t); err != nil {
		return err
	}
	pending, err := b.r.pendingOf(ctx, func() map[merge.RowID]*Item { return items })
	if err != nil {
		return err
	}
	p.Away(pending.away)
	rows := make(map[merge.RowID]*crdt.Row, len(ids))
	taken := false
	for _, id := range ids {
		rows[id], err = b.row(t, id, items[id], p.InTable(id), pending.rows[id])
		if errors.Is(err, errNumberTaken) {
			b.taken[id], taken = true, true
			continue
		}
		if errors.Is(err, errOwnDeleted) {
			if err = putLost(t, id, items[id].Lost); err == nil {
				p.LeaveOut(id)
				continue
			}
		}
		if errors.Is(err, errShowsOther) {
			if err = b.putShown(t, id, rows[id]); err == nil {
				p.LeaveOut(id)
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("table %s, key %s: %w", id.Table, id.Key, err)
		}
		if pending.rows[id] != nil {
			p.Pin(id)
		}
	}
	if taken {
		return errNumberTaken
	}
	return p.Adopt(ctx, tx, t, rows)
}

// errOwnDeleted says that the member need not remember a row, and that an application
// has deleted one of this site's own: that is one which only this site ever had.
var errOwnDeleted = errors.New("an application has deleted a row that nobody else has")

// putLost stores the conflicts of a row of which nothing else is known.
func putLost(t *txn, id merge.RowID, lost []crdt.Loss) error {
	if len(lost) == 0 {
		return t.Put(id, nil, nil)
	}
	return t.Put(id, &merge.State{HasLoss: true}, lost)
}

// row works out what becomes of one row, and remembers what the adoption batch
// needs of it.
func (b *BringUp) row(t *txn, id merge.RowID, it *Item, mine *merge.Row, pending *localWrites) (*crdt.Row, error) {
	before, err := b.earlier(t, id)
	if err != nil {
		return nil, err
	}
	if it.Settled && !b.again && before == nil && pending != nil && pending.deleted {
		return nil, errOwnDeleted
	}
	row, number := it.row(), b.r.number(id.Table)
	row.Number = number
	k := &takeover{}
	if before != nil {
		k.Had = before.Had
	}
	if it.Settled && !b.again && (k.Had != nil || mine != nil && (pending == nil || !pending.deleted)) {
		row = &crdt.Row{Lost: row.Lost, Number: number} // a row of this site's own
	}
	own, at, err := b.own(row, mine, pending, before, it.Settled, id, k)
	if err != nil {
		return nil, err
	}
	if number != "" && !b.again && !b.member && !it.Settled {
		if before == nil && mine != nil && (len(own.Columns) > 0 || !alike(row, mine, number, pending)) {
			return nil, errNumberTaken
		}
		if before == nil && pending != nil && pending.deleted && mine == nil {
			pending, k.Void = nil, true
		}
	}
	if changes := b.ownChanges(id, row, own, at); len(changes) > 0 {
		changes[0].Whole = it.Settled && pending == nil
		b.ownPriors(id.Table, it, row, changes)
		for i := range changes {
			row.Apply(&changes[i], b.r.cfg.Self, nil)
		}
		k.Own = (&crdt.Entry{Changes: changes}).Encode()
		if before != nil && pending != nil {
			k.Other = pending.notSeen(changes, it.Settled)
		}
	}
	shown, err := b.showsOther(t, id, row, mine, pending, k)
	switch {
	case shown || err != nil:
	case pending == nil:
		err = b.nowShows(t, id, row)
	default:
		row, err = keepLocal(row, mine, pending, k)
	}
	if err != nil {
		return nil, err
	}
	if merge.IsSystem(id.Table) {
		return row, nil
	}
	k.Back = b.again && it.Settled && mine != nil && pending == nil && merge.Settled(row, b.r.settledOf(b.r.cfg.Self))
	k.From = b.header.Site[:]
	if err := t.remember(id, k); err != nil {
		return nil, err
	}
	if shown {
		return row, errShowsOther
	}
	return row, nil
}

// earlier returns what an earlier attempt left to remember of a row; nil for nothing.
func (b *BringUp) earlier(t *txn, id merge.RowID) (before *takeover, err error) {
	if b.remembered[id.Table] {
		before, err = t.takeover(id)
	}
	if before == nil && b.bare[id.Table] {
		before = &takeover{} // this site had nothing of its own
	}
	return before, err
}

// own returns the values that this site had before anyone shipped it anything and that
// are not the member's, and when they were written. After a restore none is news. all:
// the member has no row to compare with. All that was here is remembered.
func (b *BringUp) own(row *crdt.Row, mine *merge.Row, pending *localWrites, before *takeover, all bool, id merge.RowID, k *takeover) (own merge.Row, at clock.Timestamp, err error) {
	if b.again {
		return own, ownTime, nil
	}
	had, at, err := b.had(mine, pending, before, all, id.Table)
	if err != nil {
		return own, at, err
	}
	own = differences(row, had, all)
	if before == nil && len(had.Columns) > 0 && (len(own.Columns) > 0 || pending != nil) {
		k.Had = (&crdt.Entry{Changes: []crdt.Change{{Table: id.Table, Key: id.Key, Time: at, Columns: had.Columns, Values: had.Values}}}).Encode()
	}
	return own, at, nil
}

// had returns what this site had of a row, and when that was written. Of a column
// that an application wrote since, that value is gone. A row that an earlier attempt took over
// holds that attempt's values; what was here before is remembered, and whoever
// wrote since then has not seen it.
func (b *BringUp) had(mine *merge.Row, pending *localWrites, before *takeover, all bool, table string) (had merge.Row, at clock.Timestamp, err error) {
	if before != nil {
		remembered := before.Own
		if all && before.Had != nil {
			remembered = before.Had
		}
		changes, err := changesIn(remembered)
		if err != nil || len(changes) == 0 {
			return had, at, err
		}
		return merge.Row{Columns: changes[0].Columns, Values: changes[0].Values}, changes[0].Time, nil
	}
	if mine == nil {
		return had, at, nil
	}
	for i, c := range mine.Columns {
		if pending != nil && (pending.deleted || slices.Contains(pending.columns, c)) {
			continue
		}
		had.Columns, had.Values = append(had.Columns, c), append(had.Values, mine.Values[i])
	}
	return had, b.dating.of(table, mine.Columns, mine.Values, b.r.cfg.Model.ZoneSeconds), nil
}

// differences are the values that are not the member's.
func differences(row *crdt.Row, had merge.Row, all bool) (own merge.Row) {
	for i, c := range had.Columns {
		if v, _ := row.Shows(c); all || !crdt.Same(v, had.Values[i]) {
			own.Columns, own.Values = append(own.Columns, c), append(own.Values, had.Values[i])
		}
	}
	return own
}

// ownChanges are the changes by which every site learns of the values that
// this site had, written at a time, and of the member's where those are the
// baseline's, which no stamp speaks of: they are written again with the time
// that the member's row tells, so that every site sees the same value win and
// the same one lose. Between equals the member's win. Whoever wrote them had seen
// nothing of another site.
func (b *BringUp) ownChanges(id merge.RowID, row *crdt.Row, own merge.Row, at clock.Timestamp) []crdt.Change {
	if len(own.Columns) == 0 {
		return nil
	}
	theirs := b.dating.of(id.Table, row.Columns, row.Values, b.header.ZoneSeconds)
	if theirs == at {
		theirs++
	}
	first := crdt.Change{Table: id.Table, Key: id.Key, Time: at, Columns: own.Columns, Values: own.Values}
	if at < row.Deleted.Time {
		return []crdt.Change{first} // it beats nothing: see ownPriors
	}
	second := crdt.Change{Table: id.Table, Key: id.Key, Time: theirs}
	for _, c := range own.Columns {
		if stamp := row.Of(c); !stamp.IsZero() && (stamp.Time > ownTime || at > ownTime) {
			continue // its own stamp decides
		}
		if v, ok := row.Value(c); ok && row.Exists {
			second.Columns, second.Values = append(second.Columns, c), append(second.Values, v)
		}
	}
	if len(second.Columns) == 0 {
		return []crdt.Change{first}
	}
	return []crdt.Change{first, second}
}

// ownPriors says of the changes of a row what they overwrite: nothing that anybody wrote.
// Those that are older than the row's delete have lost to it, and name it, also where
// the row is back: what it has of before the delete may come to an end. Where the two sites
// write the row's identity in different ways, it is named too: what has it is no insert.
func (b *BringUp) ownPriors(table string, it *Item, row *crdt.Row, changes []crdt.Change) {
	t := b.r.cfg.Model.Tables[table]
	for i := range changes {
		ch := &changes[i]
		if ch.Time < row.Deleted.Time {
			ch.Prior.Deleted = row.Deleted
		}
		switch {
		case row.Number != "":
			ch.Prior = ch.Prior.WithLife(row.Number, row.Life())
		case t != nil && !it.Settled && slices.Contains(ch.Columns, t.Identity.Columns[0]):
			ch.Prior.Cells = []crdt.CellStamp{{Column: t.Identity.Columns[0]}}
		}
	}
}

// keepLocal lets local writes that are not captured yet stand: columns that
// were written keep their values, a deleted row stays away. The stamps are
// those of the row taken over; what the writes are stamped with, and that their
// writer had not seen it, is settled when they are captured.
func keepLocal(row *crdt.Row, mine *merge.Row, pending *localWrites, k *takeover) (*crdt.Row, error) {
	k.Columns, k.Values = row.Columns, row.Values
	k.Unseen, k.Gone = pending.columns, pending.deleted
	kept := *row
	switch {
	case mine == nil && len(pending.columns) > 0:
		return nil, fmt.Errorf("%w: an application has just inserted the row", merge.ErrRetry)
	case mine == nil:
		kept.Exists = false
		return &kept, nil
	}
	kept.Exists = true
	kept.Columns, kept.Values = slices.Clone(row.Columns), slices.Clone(row.Values)
	for _, c := range pending.columns {
		at := slices.Index(mine.Columns, c)
		if at < 0 {
			continue
		}
		if i := slices.Index(kept.Columns, c); i >= 0 {
			kept.Values[i] = asBase(row, c, mine.Values[at])
		} else {
			kept.Columns, kept.Values = append(kept.Columns, c), append(kept.Values, mine.Values[at])
		}
	}
	return &kept, nil
}
