package node

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"baraza/clock"
	"baraza/gossip"
	"baraza/node/replica"
)

// Sites tell each other in Hello which start of the site this is
// (replica.Boots), and which one they met last at the other end. Who meets a
// site that goes on from an older state than it has met refuses it, and that
// site, hearing what was met, stops for good. Where the older state is that of a
// process that still runs, the newer one is a copy of it and is stopped.

// metPrefix begins the keys under which the store has how a site was met.
var metPrefix = []byte("Tmet/")

// suspectHold is how long a process is refused that came while another of its
// site was connected.
const suspectHold = 10 * time.Second

// bannedMax bounds the copies of one site that are remembered.
const bannedMax = 16

// greeting is what a site says of itself and of the other end.
type greeting struct {
	Own  replica.Boots `msgpack:"o,omitempty"`
	Seen replica.Boots `msgpack:"s,omitempty"`
	// Banned are starts of the receiver that are copies.
	Banned replica.Boots `msgpack:"b,omitempty"`
}

// met is how a site was met. Known and Banned are in the store.
type met struct {
	Known  replica.Boots `msgpack:"k"`
	Banned replica.Boots `msgpack:"b,omitempty"`

	// greeted: the connection has said who it is, which was now. crowded: it took
	// the place of another that had said so and had not ended; suspect is a
	// process that came so.
	greeted bool
	now     replica.Boot
	crowded bool
	suspect replica.Boot
	// holdUntil is how long the suspect is refused, so that the process whose
	// place it took can come back if it lives.
	holdUntil time.Time
}

// meetings is used by the hub's goroutines, under its lock or not.
type meetings struct {
	n   *Node
	mu  sync.Mutex
	all map[clock.SiteID]*met
}

func newMeetings(n *Node) *meetings { return &meetings{n: n, all: map[clock.SiteID]*met{}} }

// of returns how a site was met. The caller holds mu.
func (m *meetings) of(site clock.SiteID) *met {
	if x := m.all[site]; x != nil {
		return x
	}
	x := &met{}
	b, err := m.n.store.Get(append(slices.Clone(metPrefix), site[:]...))
	if err == nil && b != nil {
		err = msgpack.Unmarshal(b, x)
	}
	if err != nil {
		m.n.log.Warn("how a site was met cannot be read", "site", m.n.name(site), "error", err)
	}
	m.all[site] = x
	return x
}

func (m *meetings) save(site clock.SiteID, x *met) error {
	b, err := msgpack.Marshal(x)
	if err != nil {
		return err
	}
	return setKey(m.n.store, append(slices.Clone(metPrefix), site[:]...), b)
}

// session notes that a connection began or ended; the end of one that another
// took the place of is not told.
func (m *meetings) session(site clock.SiteID, up bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(site).session(up)
}

func (x *met) session(up bool) { x.crowded, x.greeted = up && x.greeted, false }

// note is what to tell a peer.
func (m *meetings) note(peer clock.SiteID) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.of(peer)
	own, err := m.n.replica.Boots()
	if err != nil {
		m.n.log.Error("read the starts of this site", "error", err)
		return nil
	}
	b, err := msgpack.Marshal(&greeting{Own: own.Told(), Seen: x.Known, Banned: x.Banned})
	if err != nil || len(b) > gossip.MaxNoteBytes {
		m.n.log.Error("cannot tell which start of this site this is", "bytes", len(b), "error", err)
		return nil
	}
	return b
}

var (
	errStranger = errors.New("its data directory was restored from a backup, or is a copy: it must join again")
	errCrowded  = errors.New("another process of this site is connected still; if it is gone, this one is let in within seconds")
)

// greeted takes what a peer told.
func (m *meetings) greeted(peer clock.SiteID, note []byte) error {
	var g greeting
	if len(note) > 0 {
		if err := msgpack.Unmarshal(note, &g); err != nil {
			return fmt.Errorf("what it says of itself cannot be read: %w", err)
		}
	}
	if err := m.n.judgeSelf(peer, &g); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.of(peer)
	before := replica.Boots{}
	if len(x.Known) > 0 {
		before = x.Known[:1]
	}
	if err := x.meet(g.Own, time.Now()); err != nil {
		if e := m.save(peer, x); e != nil {
			return e
		}
		m.n.log.Warn("a site is refused", "site", m.n.name(peer), "why", err)
		return err
	}
	if len(x.Known) == 0 || slices.Equal(before, x.Known[:1]) && x.suspect == (replica.Boot{}) {
		return nil
	}
	return m.save(peer, x)
}

// meet judges a peer's starts and remembers them.
func (x *met) meet(says replica.Boots, now time.Time) error {
	if len(says) == 0 {
		return nil
	}
	for _, b := range x.Banned {
		if slices.Contains(says, b) {
			return errStranger
		}
	}
	switch replica.Meet(x.Known, says) {
	case replica.MeetStranger:
		return errStranger
	case replica.MeetEarlier: // what was met since is a copy of this process
		x.ban(x.Known[0])
	case replica.MeetFine:
		switch {
		case x.crowded && len(x.Known) > 0 && x.now == x.Known[0] && says[0] != x.Known[0]:
			x.suspect, x.crowded, x.holdUntil = says[0], false, now.Add(suspectHold)
			return errCrowded
		case says[0] == x.suspect && now.Before(x.holdUntil):
			return errCrowded
		case len(x.Known) > 0 && says[0] == x.Known[0] && x.suspect != (replica.Boot{}):
			x.ban(x.suspect) // the process that it came from runs on
		}
	}
	x.Known, x.now, x.suspect, x.greeted = says.Told(), says[0], replica.Boot{}, true
	return nil
}

func (x *met) ban(b replica.Boot) {
	x.Banned = append(replica.Boots{b}, x.Banned[:min(len(x.Banned), bannedMax-1)]...)
}

// judgeSelf stops this site where a peer has met another process under its
// identity that is the rightful one.
func (n *Node) judgeSelf(peer clock.SiteID, g *greeting) error {
	own, err := n.replica.Boots()
	if err != nil {
		return err
	}
	banned := slices.ContainsFunc(g.Banned, func(b replica.Boot) bool { return slices.Contains(own, b) })
	if !banned && !replica.Outdated(own, g.Seen) {
		return nil
	}
	n.stopForGood(fmt.Sprintf("%s has met another process with this site's identity: this data directory was restored from a backup, or is a copy of a site that runs elsewhere", n.name(peer)))
	return errors.New("this site stops: it was restored from a backup, or is a copy")
}
