package sim

import (
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"baraza/clock"
)

// traceLines is how many of the last events are kept to be shown.
const traceLines = 300

// quiet ends the lines that go into the hash only, as those of pings.
const quiet = "\x00"

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
	// Rows is how many rows each table may have; few make many conflicts.
	Rows int
	// Mix is what applications write.
	Mix Mix
	// Wire, when set, says which sites have a line, counted from 0, and what it
	// is like, in place of Topology, Latency, BytesPerSecond and BreakEvery.
	Wire func(a, b int) (Line, bool)
	// Clock, when set, says how a site's clock is when the run begins.
	Clock func(site int) ClockStart
	// Observer is told what happens; nil for none.
	Observer Observer
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

	hash  hash.Hash64
	trace []string
	err   error

	cuts     []func() // heal them
	repaired bool     // no fault acts any more
	slow     bool     // a line is too slow for large transactions

	ledger ledger
	logs   map[clock.SiteID]*originLog
}

// New returns a world whose sites have empty tables and are about to connect.
func New(o Options) (*World, error) {
	w := &World{opts: o, hash: fnv.New64a(), ledger: newLedger(), logs: map[clock.SiteID]*originLog{}}
	for n := 1; n <= o.Sites; n++ {
		s := newSite(w, n)
		w.Sites = append(w.Sites, s)
		if err := s.boot(); err != nil {
			return nil, fmt.Errorf("start %s: %w", s, err)
		}
	}
	w.wire()
	return w, nil
}

// Now returns the virtual time since the beginning.
func (w *World) Now() time.Duration { return w.now }

// Events returns how many events have happened.
func (w *World) Events() uint64 { return w.events }

// Hash sums up everything that has happened.
func (w *World) Hash() uint64 { return w.hash.Sum64() }

// Tail returns the last events, one line each.
func (w *World) Tail() []string { return w.trace }

// random returns the random source of one concern.
func (w *World) random(concern string, n int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", concern, n)
	return rand.New(rand.NewPCG(w.opts.Seed, h.Sum64()))
}

// note writes an event down.
func (w *World) note(format string, args ...any) {
	line := fmt.Sprintf("%12.6f ", w.now.Seconds()) + fmt.Sprintf(format, args...)
	_, _ = w.hash.Write([]byte(line)) // a hash takes everything
	if strings.HasSuffix(line, quiet) {
		return
	}
	if len(w.trace) == traceLines {
		copy(w.trace, w.trace[1:])
		w.trace = w.trace[:traceLines-1]
	}
	w.trace = append(w.trace, line)
	if w.opts.Trace != nil {
		w.opts.Trace(line)
	}
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
	}
	return true
}
