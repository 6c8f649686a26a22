package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"baraza/clock"
	"baraza/gossip"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/replica"
	"baraza/schema"
)

const (
	// entriesBytes is what a message of entries carries, as
	// session.EntriesBytes.
	entriesBytes = 256 << 10
	never        = time.Duration(1<<63 - 1)
)

// Site is one replica with its machine: database, store, clock, lines.
type Site struct {
	w  *World
	n  int
	id clock.SiteID
	// before is the identity that it had before; none at first.
	before clock.SiteID
	links  []*Link
	// linkTo finds the link to a peer.
	linkTo map[clock.SiteID]*Link
	// model is that of its tables, of which it leaves some out.
	model   *schema.Model
	without without
	// couriers counts those who come here.
	couriers int
	rnd      *rand.Rand // of its disk and its processor

	// These survive a crash.
	db      *memdb.DB
	disk    *disk
	breaker breaker
	clock   wallClock
	waiting []uint64 // seeds of transactions, see Op.AtBegin
	undoing *undoing // see strain.go
	bundles bundles

	// These do not.
	up     bool
	life   int // counts starts, so that nothing outlives one
	booted time.Duration
	r      *replica.Replica
	p      *gossip.Protocol
	engine engine
	storer storer
	wakeAt time.Duration
	pushed pushed
	// alarm, turn, synced and serve are alarmed, worked, storedNow and sendTo:
	// made once, not for each event.
	alarm, turn, synced func()
	serve               func(peer clock.SiteID)
	// troubled is when the site last started, or something failed in it.
	troubled time.Duration
	// backUp and clockRight tell the observer that the site runs again, and that
	// its clock is right; writing is set while
	// an application's transaction runs.
	backUp, clockRight func()
	writing            bool

	// restored: the database was set back; fetch is a bring-up under way,
	// fetchedAt when the last one ended, and jumped what the site has without
	// having got the log entries.
	restored  restored
	news      map[merge.RowID]bool // see news.go
	fetch     *fetch
	fetchedAt time.Duration
	fetchTurn int // the line over which it asked last
	jumped    clock.VersionVector
	// offered is what the members had that it began to get its rows from: rows of
	// one that broke off may be there when another, that lacks them, completes it.
	offered   clock.VersionVector
	backAgain func() // tells the observer that a database is brought up again
	// commits are the transactions of applications that may not be captured yet.
	commits []int
	// viewed is how many transactions there were when it last read what is to be
	// captured.
	viewed int
	// outside: it has not joined yet; left: it never comes back. lives counts its
	// identities, and base is how many entries it logged under earlier ones.
	outside, left bool
	joinedAt      time.Duration
	lives         int
	boths         int // of them, with the database
	base          uint64
	// halfway: a step failed or was cut off, so that what is in the store may be
	// more than was seen of it.
	halfway bool
	// nonces are those of its starts.
	nonces *rand.Rand

	// counting are the counters whose rows it has looked at; declaring: one is
	// being declared.
	counting  map[string][]string
	declaring bool

	watch      watch
	oracle     oracle
	placing    placing
	latestRead int64
	// told is what its peers may have been told that it has: no crash takes that
	// back.
	told clock.VersionVector
	// passed are sites of which it did not know when it dropped entries that they lack.
	passed map[clock.SiteID]clock.VersionVector
	// attention is what the administrator knows of it.
	attention attention
}

func newSite(w *World, n int) *Site {
	s := &Site{w: w, n: n, id: clock.SiteID{byte(n >> 8), byte(n)}, rnd: w.random("site", n), nonces: w.random("nonce", n), oracle: newOracle(), linkTo: map[clock.SiteID]*Link{}, passed: map[clock.SiteID]clock.VersionVector{}}
	s.watch = newWatch(s)
	s.leaveOut()
	s.bundles = newBundles()
	s.alarm, s.turn, s.synced, s.serve = s.alarmed, s.worked, s.storedNow, s.sendTo
	s.clock.reading = epochMicros
	if c := w.opts.Clock; c != nil {
		start := c(n - 1)
		s.clock = wallClock{reading: epochMicros + start.Off.Microseconds(), ppm: start.PPM, stuck: start.Stuck}
	}
	s.disk = &disk{Mem: kv.NewMem(), breaker: &s.breaker}
	s.db = memdb.New(memdb.Config{
		Model: s.model, First: int64(1 + 100*(n%2)), // some sites number alike, some do not
		Offset: int64(n), Increment: w.numberStride(),
		Now:       func() int64 { return s.clock.micros(w.now) },
		Committed: s.showed,
		Fault: func(step memdb.Step) error {
			if step == memdb.StepBegin && !s.breaker.down {
				s.takeBack()
				s.slipIn()
			}
			if step == memdb.StepRead {
				s.viewed = s.w.ledger.txns
			}
			return s.breaker.database(step)
		},
	})
	return s
}

func (s *Site) String() string { return fmt.Sprintf("s%d", s.n) }

func (s *Site) instant() gossip.Instant {
	return gossip.Instant{Elapsed: s.w.now - s.booted, Wall: s.clock.micros(s.w.now) / 1000}
}

// nowMillis is the clock that the replica reads. Nothing stamped much later
// than the latest reading may be applied.
func (s *Site) nowMillis() int64 {
	now := s.clock.micros(s.w.now) / 1000
	s.latestRead = max(s.latestRead, now)
	return now
}

// boot starts the process from what the disk and the database have.
func (s *Site) boot() error {
	s.leaveOutAgain()
	r, err := replica.Open(context.Background(), replica.Config{
		Self: s.id, Store: s.disk, Database: s.db, Source: s.db, Model: s.model, Untold: s.untold(),
		NowMillis: s.nowMillis, MaxDriftMillis: s.w.opts.MaxDrift.Milliseconds(),
		Nonce: s.nonces.Uint64() | 1,
	})
	if err != nil {
		return err
	}
	s.life++
	s.troubled = s.w.now
	s.up, s.booted, s.r, s.wakeAt = true, s.w.now, r, never
	s.placing.forgotten = true
	s.tellMembers()
	s.p = gossip.New(s.w.opts.Exchange.config(s.id), r.Log().Vector())
	if !r.Log().Vector().Includes(s.told) {
		return fmt.Errorf("it told its peers that it has %s, and has %s", s.told, r.Log().Vector())
	}
	s.storer = storer{}
	s.halfway, s.restored.judged = false, true
	s.judge()
	s.fetchedAt = -bringUpPause
	s.startEngine()
	s.rounds()
	s.w.note("%s starts, life %d", s, s.life)
	if s.backUp != nil {
		s.backUp()
	}
	if err := s.check(); err != nil {
		return err
	}
	s.leaveOutAgain()
	for _, l := range s.links {
		if l.ends[0] == s {
			l.backoff = redialMin
			l.redial(time.Duration(l.rnd.Int64N(int64(redialMin))))
		}
	}
	return nil
}

// Crash stops a site, and starts it again after a while. What its disk had not
// synced is lost but for a part; its applications go on.
func (s *Site) Crash(downFor time.Duration) {
	if !s.up {
		return
	}
	s.up = false
	s.halfway = s.halfway || s.breaker.down || s.r.Sizes().Taken > 0
	if s.fetch != nil {
		s.fetch.close()
	}
	kept, told := s.rnd.IntN(3), s.rnd.IntN(2) == 0
	s.w.note("%s crashes for %v", s, downFor)
	if s.backUp != nil {
		s.backUp()
	}
	s.backUp = s.w.began("crash", s)
	s.db.Disconnect()
	if err := s.disk.crash(kept); err != nil {
		s.w.fail(err)
	}
	s.breaker = breaker{}
	for _, l := range s.links {
		l.crashed(s, told)
	}
	s.w.after(downFor, func() {
		if s.up || s.away() {
			return
		}
		if s.rnd.IntN(4) == 0 { // the machine goes down once more, early
			s.breaker = breaker{after: 1 + s.rnd.IntN(4), kind: crashBefore}
		}
		s.start()
	})
}

// CrashAt brings the site down, or lets it fail, at a coming step of its store
// or database.
func (s *Site) CrashAt(step int, kind breakKind) {
	s.breaker.after, s.breaker.kind = step, kind
	s.w.note("%s will fail at step %d, kind %d", s, step, kind)
}

// start boots; a machine that goes down while it starts does it again.
func (s *Site) start() {
	err := s.boot()
	if err == nil {
		return
	}
	if !errors.Is(err, errCrash) && !errors.Is(err, errFailed) {
		s.w.fail(fmt.Errorf("%s does not start: %w", s, err))
		return
	}
	s.up = true
	s.Crash(time.Second)
}

// while runs do in a while, unless the site crashes before.
func (s *Site) while(d time.Duration, do func()) {
	w := s.w
	w.order++
	w.queue.push(event{at: max(w.now+d, w.now), order: w.order, do: do, site: s, life: s.life})
}

// survived deals with the error of a step: one that was injected ends in a
// restart or is survived, any other is a broken promise. It reports whether the
// site still runs.
func (s *Site) survived(err error) bool {
	if s.breaker.down {
		s.w.note("%s goes down: %v", s, err)
		s.Crash(time.Duration(1+s.rnd.IntN(20)) * time.Second)
		return false
	}
	if expected(err) && s.restored.behind {
		s.restored.judged = true
		return true
	}
	if err != nil && !errors.Is(err, errFailed) {
		s.w.fail(fmt.Errorf("%s: %w", s, err))
		return false
	}
	if err != nil {
		s.troubled = s.w.now
	}
	return true
}

// take handles a message that has come.
func (s *Site) take(from *Site, b []byte) error {
	m, err := gossip.DecodeMessage(b)
	if err != nil {
		return fmt.Errorf("%s gets what it cannot read from %s: %w", s, from, err)
	}
	if e, ok := m.(gossip.Entries); ok {
		s.storer.list = append(s.storer.list, arrival{from.id, e})
		s.store()
		return nil
	}
	if _, err := s.p.Handle(from.id, m, s.instant()); err != nil {
		return fmt.Errorf("%s refuses a message of %s: %w", s, from, err)
	}
	s.pump()
	return nil
}

// pump sends all that the lines can take, and sets the alarm.
func (s *Site) pump() {
	if !s.up {
		return
	}
	s.p.Ready(s.instant(), s.serve)
	if at, ok := s.p.Wake(s.instant()); ok && at < s.wakeAt {
		s.wakeAt = at
		s.while(s.booted+at-s.w.now, s.alarm)
	}
}

// sendTo sends a peer all that the line can take.
func (s *Site) sendTo(peer clock.SiteID) {
	l := s.linkTo[peer]
	at := l.sideOf(s)
	for l.room(at) && s.w.err == nil {
		m, ok := s.next(l.other(s), &l.conn.side[at].said)
		if !ok {
			break
		}
		l.send(at, m)
	}
	l.ship(at)
}

// alarmed does what pump set the alarm for; an earlier alarm may have taken its
// place.
func (s *Site) alarmed() {
	if s.booted+s.wakeAt != s.w.now {
		return
	}
	s.wakeAt = never
	s.p.Tick(s.instant())
	s.pump()
}

// next is what a peer is to be sent, as the hub of node/session finds it.
func (s *Site) next(to *Site, said *said) (gossip.Message, bool) {
	for {
		if m, ok := s.p.Outgoing(to.id, s.instant()); ok {
			if m, ok = s.w.opts.Exchange.says(m, said); ok {
				return m, true
			}
			continue
		}
		if !s.w.opts.Exchange.gives(said) {
			return nil, false
		}
		origin, after, ok := s.p.Next(to.id, s.instant())
		if !ok {
			said.open = false
			return nil, false
		}
		first, payloads, err := s.r.Log().Read(origin, after, entriesBytes)
		switch {
		case err != nil:
			s.w.fail(fmt.Errorf("%s reads its log: %w", s, err))
			return nil, false
		case first > after+1:
			s.p.Truncated(to.id, origin, first)
			continue
		case len(payloads) == 0:
			s.w.fail(fmt.Errorf("%s: the log of %s has nothing after %d, though its vector says so", s, origin.Short(), after))
			return nil, false
		}
		e := gossip.Entries{Origin: origin, First: first, Payloads: payloads[:min(len(payloads), gossip.MaxEntries)]}
		s.p.Sent(to.id, origin, after, e.Last())
		return e, true
	}
}

// tellAdvanced tells the protocol how far the log has grown, which tells others.
func (s *Site) tellAdvanced() {
	now := s.instant()
	s.r.Log().Look(func(have clock.VersionVector) {
		s.told.Merge(have)
		s.p.Advanced(have, now)
	})
}

// advanced tells the protocol that the log has grown.
func (s *Site) advanced() {
	s.tellAdvanced()
	s.pump()
}
