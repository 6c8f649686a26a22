package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"baraza/clock"
)

// Options are what a world is made of.
type Options struct {
	Seed  uint64
	Sites int
	// Topology says which sites have a line between them.
	Topology Topology
	// Latency of all lines, one way.
	Latency Latency
	// BytesPerSecond bounds each line, each way; 0 does not.
	BytesPerSecond int64
	// BreakEvery is the mean life of a connection; 0 is for ever.
	BreakEvery time.Duration
	// Mishaps befall the packets on all lines.
	Mishaps Mishaps
	// Rows is how many rows each table may have; few make many conflicts.
	Rows int
	// Mix is what applications write.
	Mix Mix
	// Wire, when set, says which sites have a line, counted from 0, and what it
	// is like, in place of Topology, Latency, BytesPerSecond, BreakEvery
	// and Mishaps.
	Wire func(a, b int) (Line, bool)
	// Couriers carry bundles between sites, which then have no line.
	Couriers []Courier
	// Clock, when set, says how a site's clock is when the run begins.
	Clock func(site int) ClockStart
	// MaxDrift is how far ahead of a site's clock a stamp may be before the
	// change is held back; 0 is the default of sites.
	MaxDrift time.Duration
	// Observer is told what happens; nil for none.
	Observer Observer
	// Checks says how much is checked.
	Checks Checks
	// Exchange says how sites exchange entries.
	Exchange Exchange
	// Publish is how often a site says what it has applied, so that logs can be
	// shortened; 0 is never.
	Publish time.Duration
	// Joins are sites that are no members from the beginning.
	Joins []Join
	// Adds are tables that sites leave out at first.
	Adds []Add
	// Administrator: somebody gives sites that lack log entries of which their
	// neighbours have no more than the rows a line to another member.
	Administrator bool
	// Trace takes one line per event; nil for none.
	Trace func(line string)
}

// World is some sites, the lines between them, and virtual time.
type World struct {
	opts  Options
	Sites []*Site
	Links []*Link

	now    time.Duration
	queue  queue
	order  uint64
	events uint64
	// messages and spans count what the observer is told.
	messages uint64
	spans    int

	record record
	soon   soon
	err    error
	// buffers of messages that have been read are written to again.
	buffers [][]byte

	stop <-chan struct{} // ends the run when it is closed
	cuts []func()        // heal them
	// breakOffs are for the bring-ups to come (strain.go).
	breakOffs []*breakOff
	repaired  bool // no fault acts any more
	slow      bool // a line is too slow for large transactions
	// brought: a bundle came of an identity that its site had before.
	brought bool
	lent    lent

	membership membership
	// origins are all identities that sites had, the first ones first.
	origins []identity
	// lostBoth: some site lost its disk together with its database.
	lostBoth bool

	ledger ledger
	logs   map[clock.SiteID]*originLog
}

// New returns a world whose sites have empty tables and are about to connect.
func New(o Options) (*World, error) {
	w := &World{opts: o, record: newRecord(), ledger: newLedger(), logs: map[clock.SiteID]*originLog{}}
	for n := 1; n <= o.Sites; n++ {
		s := newSite(w, n)
		w.Sites = append(w.Sites, s)
		w.origins = append(w.origins, identity{s.id, s})
	}
	w.plant()
	w.found()
	for _, s := range w.Sites {
		if s.outside {
			continue
		}
		if err := s.boot(); err != nil {
			return nil, fmt.Errorf("start %s: %w", s, err)
		}
	}
	w.wire()
	w.depart()
	w.soon.wrongClocks = o.Clock != nil
	w.watchSoon()
	w.attend()
	w.promise()
	return w, nil
}

// Now returns the virtual time since the beginning.
func (w *World) Now() time.Duration { return w.now }

// Events returns how many events have happened.
func (w *World) Events() uint64 { return w.events }

// random returns the random source of one concern.
func (w *World) random(concern string, n int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", concern, n)
	return rand.New(rand.NewPCG(w.opts.Seed, h.Sum64()))
}

// fail ends the run with a broken promise; the first counts.
func (w *World) fail(err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("at %v: %w", w.now, err)
		w.note("FAILED %v", err)
	}
}

// Topology is which sites have a line between them.
type Topology int

// The topologies.
const (
	Mesh Topology = iota
	Ring
	Chain
	Star
	topologies
)

func (t Topology) String() string { return [...]string{"mesh", "ring", "chain", "star"}[t] }

// joins reports whether sites i < j of n have a line.
func (t Topology) joins(i, j, n int) bool {
	switch t {
	case Ring:
		return j == i+1 || i == 0 && j == n-1
	case Chain:
		return j == i+1
	case Star:
		return i == 0
	default:
		return true
	}
}
