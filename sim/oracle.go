package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/rules"
	"baraza/merge"
	"baraza/node/replica"
	"baraza/schema"
)

// oracle makes a site's tables out of the log entries that the site applied, by
// the rules as package rules has them.
type oracle struct {
	rows map[merge.RowID]*oracleRow
	// settings are the rows in which the settings of tables travel.
	settings map[merge.RowID]*oracleRow
	applied  clock.VersionVector
	// latest is the greatest timestamp in it.
	latest  clock.Timestamp
	changes uint64 // taken in
}

type oracleRow struct {
	rules.Row
	// facts are those of the row (conflicts.go), as all sites have them (loggedEntry).
	facts []*fact
	// past are those that an insert put an end to, if it may have (anew.go).
	past    []*fact
	first   int // of a row that is made of past facts: how many they are
	adopted bool
	// lost are the row's conflicts when it had so many facts.
	lost     []crdt.Loss
	lostFrom int
	columns  map[string]*columnFacts
	line     []clock.Stamp // the lives that have the row, see lives.go
	later    []clock.Stamp // of a row that came to an end, those that have it since
}

// begun reports whether the insert of a row was applied, and not only what a site had, or
// wrote, of it that had got it from a member (docs/limits.md).
func (o *oracleRow) begun(id merge.RowID) bool {
	return o != nil && slices.ContainsFunc(o.Cells, func(c rules.Cell) bool { return c.Column == clinic.Tables[id.Table].Identity.Columns[0] })
}

func newOracle() oracle {
	return oracle{rows: map[merge.RowID]*oracleRow{}, settings: map[merge.RowID]*oracleRow{}}
}

func (o *oracle) apply(f *fact) {
	o.changes++
	id := merge.RowID{Table: f.Table, Key: f.Key}
	r := o.rows[id]
	if r == nil {
		r = &oracleRow{Row: rules.Row{ID: id}}
		o.rows[id] = r
	}
	r.add(f)
}

// view is what R4 and R5 make of all rows but some, that wait.
func (o *oracle) view(m *schema.Model, settings merge.Rules, waiting map[merge.RowID]bool) *rules.View {
	return rules.Show(m, settings, func(yield func(*rules.Row) bool) {
		for id, r := range o.rows {
			if !waiting[id] && !yield(&r.Row) {
				return
			}
		}
	})
}

// originLog is an origin's log as its own site wrote it.
type originLog struct {
	raw     [][]byte
	entries []loggedEntry
	batchOf map[int]uint64        // by transaction, the first entry of its batch
	batch   uint64                // the batch under way
	seen    map[crdt.Value]uint64 // the batch that has the value
	context clock.VersionVector   // of the batch under way
	last    clock.Timestamp
	// before is the batch before the one under way, and unseen the last one
	// whose writers had seen nothing: what they had not seen and what they had
	// goes into two batches.
	before, unseen uint64
	settled        clock.VersionVector // as of the batch under way
}

// loggedEntry is an entry with the context of its batch, and its changes as facts: made
// once for all sites that apply it.
type loggedEntry struct {
	*crdt.Entry
	facts []fact
	seen  clock.VersionVector
	// settled is what the origin had said every site has applied.
	settled clock.VersionVector
	// after is, of the batch with which the origin joined, what is applied before it.
	after clock.VersionVector
}

// fold takes what a site applied since the last call.
func (s *Site) fold() error {
	now := s.r.Applied()
	if !now.Includes(s.oracle.applied) {
		if s.restored.behind {
			// A backup of just before the last group: it is applied again, and what is
			// logged until then has seen nothing of it.
			s.oracle.latest = latest(now.With(s.oracle.applied.Get(s.id)))
			return nil
		}
		return fmt.Errorf("%s had applied %v, and now only %v", s, s.oracle.applied, now)
	}
	s.nowMillis()
	floor := s.oracle.latest
	own := now.Get(s.id)
	if err := s.foldOrigin(identity{s.id, s}, own.Seq, now, floor); err != nil {
		return err
	}
	for _, origin := range s.w.origins {
		if origin.id != s.id {
			if err := s.foldOrigin(origin, now.Seq(origin.id), now, 0); err != nil {
				return err
			}
		}
	}
	s.oracle.applied, s.oracle.latest = now, max(s.oracle.latest, latest(now))
	return nil
}

// latest is the greatest stamp of what a vector has.
func latest(v clock.VersionVector) (at clock.Timestamp) {
	for _, e := range v {
		at = max(at, e.Through)
	}
	return at
}

func (s *Site) foldOrigin(origin identity, upTo uint64, now clock.VersionVector, floor clock.Timestamp) error {
	for after := s.oracle.applied.Seq(origin.id); after < upTo; {
		first, raw, err := s.entries(origin, after)
		if err != nil {
			return err
		}
		if first != after+1 || len(raw) == 0 {
			return fmt.Errorf("%s applied entry %d of %s and does not have it", s, after+1, origin)
		}
		for _, b := range raw {
			if after == upTo {
				break
			}
			after++
			e, err := s.w.entry(s, origin, after, b, floor)
			if err != nil {
				return err
			}
			if err := s.checkOrder(origin, after, e.seen, now); err != nil {
				return err
			}
			for i := range e.facts {
				f := &e.facts[i]
				if merge.IsSystem(f.Table) {
					if f.Table == settingsTable {
						s.oracle.applySetting(f)
					}
					continue
				}
				s.oracle.apply(f)
				s.watch.behind[merge.RowID{Table: f.Table, Key: f.Key}] = true
			}
			if ahead := e.Through.Millis() - s.latestRead; origin.id != s.id && ahead > s.w.maxDriftMillis() {
				return fmt.Errorf("%s applied entry %d of %s, stamped %d ms ahead of its clock", s, after, origin, ahead)
			}
			s.oracle.latest = max(s.oracle.latest, e.Through)
			if after == upTo && !e.Last {
				return fmt.Errorf("%s applied entry %d of %s, which is not the end of a batch: a transaction is half visible", s, after, origin)
			}
		}
	}
	return nil
}

// entries reads the log of an origin: that of the site, or, of what the site was
// brought up with, the origin's own.
func (s *Site) entries(origin identity, after uint64) (first uint64, raw [][]byte, err error) {
	if through := s.jumped.Seq(origin.id); after < through && s.r.Log().First(origin.id) > after+1 {
		if l := s.w.logs[origin.id]; l != nil && uint64(len(l.raw)) >= through {
			return after + 1, l.raw[after:through], nil
		}
	}
	return s.r.Log().Read(origin.id, after, entriesBytes)
}

// entry returns a decoded entry, which is the same at every site. What its own
// site logs is checked when it is logged.
func (w *World) entry(s *Site, origin identity, seq uint64, raw []byte, floor clock.Timestamp) (*loggedEntry, error) {
	l := w.logs[origin.id]
	if l == nil {
		l = &originLog{batchOf: map[int]uint64{}, seen: map[crdt.Value]uint64{}}
		w.logs[origin.id] = l
	}
	switch have := uint64(len(l.raw)); {
	case seq <= have:
		if !bytes.Equal(l.raw[seq-1], raw) {
			return nil, fmt.Errorf("%s has another entry %d of %s than its origin", s, seq, origin)
		}
		return &l.entries[seq-1], nil
	case s.id != origin.id || seq != have+1:
		return nil, fmt.Errorf("%s has entry %d of %s, which its origin did not log", s, seq, origin)
	}
	e, err := crdt.DecodeEntry(raw)
	if err != nil {
		return nil, err
	}
	if err := l.check(w, s, seq, e, floor); err != nil {
		return nil, fmt.Errorf("%s logs entry %d: %w", s, seq, err)
	}
	seen := l.context
	if l.batch == l.unseen {
		seen = nil
	}
	var after clock.VersionVector
	if l.unseen == 1 && l.batch == 1 {
		after = l.context
	}
	facts := make([]fact, len(e.Changes))
	for i := range facts {
		ch := &e.Changes[i]
		facts[i] = fact{ch, clock.Stamp{Time: ch.Time, Site: origin.id}, seen, l.settled, after, l.context}
		if crdt.Published(ch.Time) && ch.Whole {
			facts[i].after = l.context // as of a site that joins
		}
	}
	l.raw, l.entries = append(l.raw, raw), append(l.entries, loggedEntry{e, facts, seen, l.settled, after})
	return &l.entries[seq-1], nil
}

// check is what must hold of a new entry: its stamps are greater than all that
// its writer had seen, it has nothing of another site or twice, and no
// transaction is in two batches.
func (l *originLog) check(w *World, s *Site, seq uint64, e *crdt.Entry, floor clock.Timestamp) error {
	if e.First {
		l.before, l.batch = l.batch, seq
		if e.Unseen {
			l.unseen = seq
		}
		if said, says := replica.SaidIn(s.id, e.Changes); says {
			l.settled = said.Settled
		}
		l.context = l.context.Clone() // earlier entries keep theirs
		l.context.Merge(e.Context)
		l.context.Merge(clock.VersionVector{{Site: s.id, Seq: seq - 1, Through: l.last}})
	}
	floor = max(floor, l.last)
	for _, c := range l.context {
		floor = max(floor, c.Through)
	}
	for i := range e.Changes {
		ch := &e.Changes[i]
		if l.unseen == 1 && l.batch == 1 && ch.Time <= adoptedTime {
			continue // what a site had that joined: its rows, and those that beat them
		}
		if l.unseen == 1 && l.batch == 1 && w.ledger.copies(s, ch) {
			continue
		}
		if crdt.Published(ch.Time) && s.without.added[ch.Table] {
			if err := l.published(w, s, ch); err != nil {
				return err
			}
			continue
		}
		if f := (&fact{Change: ch, at: clock.Stamp{Time: ch.Time, Site: s.id}}); l.unseen == 1 && l.batch == 1 && f.goesOn() {
			if err := w.checkLife(f); err != nil {
				return err
			}
			continue // of a row that the member has not got from which the site joined in the end
		}
		if ch.Time <= floor || e.Last && ch.Time > e.Through {
			return fmt.Errorf("stamp %s is not between %s, which its writer had seen, and %s", ch.Time, floor, e.Through)
		}
		if err := l.ownPart(s, ch); err != nil {
			return err
		}
		if err := w.checkLife(&fact{Change: ch, at: clock.Stamp{Time: ch.Time, Site: s.id}}); err != nil {
			return err
		}
		if ch.Whole && s.orphan(merge.RowID{Table: ch.Table, Key: ch.Key}) {
			continue // its writer is gone, and so is his log
		}
		for j, v := range ch.Values {
			if back, err := l.comesBack(w, s, ch, v); err != nil {
				return err
			} else if back {
				w.ledger.returns(cell{merge.RowID{Table: ch.Table, Key: ch.Key}, ch.Columns[j], v})
				continue
			}
			if w.ledger.carries(s, merge.RowID{Table: ch.Table, Key: ch.Key}, ch.Columns[j], v) {
				continue // of a row whose key changed
			}
			if err := l.value(w, s, v); err != nil {
				return fmt.Errorf("%s.%s of %s: %w", ch.Table, ch.Columns[j], shortKey(ch.Key), err)
			}
		}
	}
	if e.Last {
		l.last = e.Through
	}
	return nil
}

// comesBack reports whether a value is one of before, of a row that comes back whole: with
// what was written to a backup, or to a deleted row that a number alone names while its site
// joined.
func (l *originLog) comesBack(w *World, s *Site, ch *crdt.Change, v crdt.Value) (bool, error) {
	if !ch.Whole || l.batch != l.unseen || !l.hadBefore(w, s, v) {
		return false, nil
	}
	if l.unseen > 1 {
		return true, s.mayComeBack(ch)
	}
	return ch.Table == numbered && !ch.Prior.Deleted.IsZero(), nil
}

// split reports whether a batch is the one before, of a bring-up: the rows that
// only the site has, as they are, and then what its applications wrote.
func (l *originLog) split(batch uint64) bool {
	return l.batch != l.unseen && batch == l.before && batch == l.unseen
}

// hadBefore reports whether a value was written by another site, or logged.
func (l *originLog) hadBefore(w *World, s *Site, v crdt.Value) bool {
	by, committed := w.ledger.wrote[v]
	return committed && (by.site != s || l.seen[v] != 0)
}

func (l *originLog) value(w *World, s *Site, v crdt.Value) error {
	if !isFresh(v) {
		return nil
	}
	by, committed := w.ledger.wrote[v]
	switch {
	case !committed:
		return fmt.Errorf("%s was never committed", shortValue(v))
	case by.site != s:
		return fmt.Errorf("%s is an echo: %s wrote it", shortValue(v), by.site)
	case l.seen[v] != 0 && !l.split(l.seen[v]):
		return fmt.Errorf("%s is logged twice", shortValue(v))
	}
	l.seen[v] = l.batch
	if first, ok := l.batchOf[by.txn]; ok && first != l.batch && !l.split(first) {
		return fmt.Errorf("%s is in another batch than the rest of its transaction, which began at entry %d", shortValue(v), first)
	}
	l.batchOf[by.txn] = l.batch
	return nil
}

// some makes an error of a list, sorted and not too long; nil of none.
func some(list []string, what string) error {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	if len(list) > 10 {
		list = append(list[:10], fmt.Sprintf("… and %d more", len(list)-10))
	}
	return fmt.Errorf("%s:\n    %s", what, strings.Join(list, "\n    "))
}
