package sim

import (
	"slices"
	"time"

	"baraza/clock"
	"baraza/crdt"
	"baraza/gossip"
	"baraza/merge"
	"baraza/node/replica"
)

// Observer is told what happens in a world, so that it can be measured. Sites
// and links are counted from 0. It must not change anything: a run is the same
// with and without one.
type Observer interface {
	// Wrote: applications committed a transaction that wrote so many rows.
	Wrote(site, rows int)
	// Showed: what a site shows of a row is now another; nil values when the
	// row is gone. local: its own applications did it.
	Showed(site int, id merge.RowID, columns []string, values []crdt.Value, local bool)
	// Stepped: a site captured or applied. Captured means that all that its
	// applications wrote is in its log, up to logged.
	Stepped(site int, captured bool, logged uint64)
	// Sent and Received: a message. What a broken connection swallows is never
	// received.
	Sent(m Message)
	Received(m Message)
	// Began and Ended: a fault, or a time in which lines are closed. Sites is
	// nil where it is about lines.
	Began(id int, what string, sites []int)
	Ended(id int)
	// Ran: virtual time has been advanced so far.
	Ran(now time.Duration)
}

// Message is what goes out on a line together: one message, or several small
// ones that a site sends at one moment. Kind is that of them that stands first
// in MessageKinds.
type Message struct {
	N              uint64 // counts the messages of a run
	Link, From, To int
	Kind           string
	Bytes, Entries int
	Sent, At       time.Duration // At: when it is received
}

func kindOf(m gossip.Message) (kind string, entries int) {
	switch m := m.(type) {
	case gossip.Hello:
		return "hello", 0
	case gossip.Have:
		return "have", 0
	case gossip.Subscribe, gossip.Unsubscribe:
		return "subscribe", 0
	case gossip.Entries:
		return "entries", len(m.Payloads)
	case gossip.Ping, gossip.Pong:
		return "ping", 0
	}
	return "other", 0
}

// MessageKinds are the kinds of messages, those that carry changes first.
var MessageKinds = []string{"entries", "have", "subscribe", "hello", "ping", "other"}

// carries notes that a message is part of a flight.
func (f *flight) carries(m gossip.Message) {
	kind, entries := kindOf(m)
	if f.kind == "" || slices.Index(MessageKinds, kind) < slices.Index(MessageKinds, f.kind) {
		f.kind = kind
	}
	f.entries += entries
}

func (l *Link) message(at int, f flight) Message {
	return Message{
		N: f.n, Link: l.n, From: l.ends[at].n - 1, To: l.ends[1-at].n - 1,
		Kind: f.kind, Entries: f.entries, Bytes: f.size + f.again, Sent: f.sent, At: l.w.now,
	}
}

// showed tells the checkers and the observer that a site shows a row otherwise.
func (s *Site) showed(table string, key crdt.Key) {
	s.watch.touch(table, key)
	if o := s.w.opts.Observer; o != nil {
		r, _ := s.db.Row(table, key)
		o.Showed(s.n-1, merge.RowID{Table: table, Key: key}, r.Columns, r.Values, s.writing)
	}
}

// stepped tells the observer that a site captured or applied.
func (s *Site) stepped() {
	if o := s.w.opts.Observer; o != nil && s.up {
		o.Stepped(s.n-1, s.db.Pending() == 0, s.base+s.r.Log().Vector().Seq(s.id))
	}
}

// began tells the observer of a fault, and returns what tells that it is over.
func (w *World) began(what string, sites ...*Site) (ended func()) {
	o := w.opts.Observer
	if o == nil {
		return func() {}
	}
	w.spans++
	id := w.spans
	var list []int
	for _, s := range sites {
		list = append(list, s.n-1)
	}
	o.Began(id, what, list)
	over := false
	return func() {
		if !over {
			over = true
			o.Ended(id)
		}
	}
}

// AppliedSeq returns how far a site has applied the log of another, both
// counted from 0.
func (w *World) AppliedSeq(site, origin int) uint64 {
	s := w.Sites[site]
	if !s.up {
		return 0
	}
	o := w.Sites[origin]
	applied := s.r.Applied()
	if seq := applied.Seq(o.id); seq > 0 || o.lives == 0 {
		return o.base + seq
	}
	return applied.Seq(clock.SiteID{byte(o.n >> 8), byte(o.n), byte(o.lives - 1)})
}

// Applied calls each for every origin and how far a site has applied its log,
// counted on when it joined again with another identity; not while the site is down.
func (w *World) Applied(site int, each func(origin int, seq uint64)) {
	s := w.Sites[site]
	if !s.up {
		return
	}
	for _, e := range s.r.Applied() {
		n := int(e.Site[0])<<8 | int(e.Site[1]) - 1
		if n < len(w.Sites) && w.Sites[n].id == e.Site {
			e.Seq += w.Sites[n].base
		}
		each(n, e.Seq)
	}
}

// Up reports whether a site runs.
func (w *World) Up(site int) bool { return w.Sites[site].up }

// Conflicts calls each for the conflicts that a site lists.
func (w *World) Conflicts(site int, each func(replica.Conflict)) error {
	return w.Sites[site].r.Conflicts(func(c replica.Conflict) bool {
		each(c)
		return true
	})
}

// FaultKinds are the faults there are.
func FaultKinds() []FaultKind {
	list := make([]FaultKind, faultKinds)
	for i := range list {
		list[i] = FaultKind(i)
	}
	return list
}

// Do runs a transaction of an application now.
func (w *World) Do(o Op) { w.do(o) }

// Apply makes a fault happen now.
func (w *World) Apply(f Fault) { w.apply(f) }

// Ends are the sites that a link joins, counted from 0.
func (l *Link) Ends() (a, b int) { return l.ends[0].n - 1, l.ends[1].n - 1 }

// Repaired reports whether faults are over, because the sites are to settle.
func (w *World) Repaired() bool { return w.repaired }
