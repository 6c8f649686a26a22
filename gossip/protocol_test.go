package gossip

import (
	"fmt"
	"testing"
	"time"

	"baraza/clock"
)

// pair is one protocol and the messages of one made-up peer.
type pair struct {
	t    *testing.T
	p    *Protocol
	peer clock.SiteID
	now  Instant
}

func newPair(t *testing.T, have uint64) *pair {
	self, other := testSite(1), testSite(2)
	var v clock.VersionVector
	if have > 0 {
		v.Set(clock.Entry{Site: self, Seq: have})
	}
	x := &pair{t: t, p: New(Config{Site: self}, v), peer: other}
	if err := x.p.Up(other, x.now); err != nil {
		t.Fatal(err)
	}
	x.say(Hello{Version: Version, Site: other})
	x.outgoing()
	return x
}

func (x *pair) say(m Message) Entries {
	x.t.Helper()
	e, err := x.p.Handle(x.peer, m, x.now)
	if err != nil {
		x.t.Fatal(err)
	}
	return e
}

// outgoing takes all control messages but pings.
func (x *pair) outgoing() (all []Message) {
	for {
		m, ok := x.p.Outgoing(x.peer, x.now)
		if !ok {
			return all
		}
		if _, ping := m.(Ping); !ping {
			all = append(all, m)
		}
	}
}

func (x *pair) wants(what string, got, want any) {
	x.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		x.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func entriesOf(origin clock.SiteID, first, last uint64) Entries {
	e := Entries{Origin: origin, First: first}
	for seq := first; seq <= last; seq++ {
		e.Payloads = append(e.Payloads, payload(origin, seq))
	}
	return e
}

// Mutation: take entries whatever their number, and the log has a hole.
func TestGapAsksAgain(t *testing.T) {
	x := newPair(t, 0)
	x.wants("taken", x.say(entriesOf(x.peer, 1, 3)), entriesOf(x.peer, 1, 3))
	x.now.Elapsed += time.Second
	x.wants("taken after a gap", len(x.say(entriesOf(x.peer, 5, 6)).Payloads), 0)
	x.wants("answer", x.outgoing(), []Message{Subscribe{x.peer, 3}})
	x.say(entriesOf(x.peer, 7, 8)) // was under way
	x.wants("answer while the first is under way", x.outgoing(), []Message(nil))
	x.wants("overlap", x.say(entriesOf(x.peer, 2, 6)), entriesOf(x.peer, 4, 6))
	x.wants("metrics", x.p.Metrics(), Metrics{Received: 6, Duplicates: 2, Gaps: 2})
}

// An origin that cannot be stored rests, is asked for again, and does not hold
// up the others.
func TestStoreFailedRests(t *testing.T) {
	x := newPair(t, 0)
	third := testSite(3)
	x.say(entriesOf(x.peer, 1, 3))
	x.p.Advanced(clock.VersionVector{{Site: x.peer, Seq: 3}}, x.now)
	x.say(entriesOf(x.peer, 4, 9))
	x.p.StoreFailed(x.peer, x.now)
	x.wants("answer", x.outgoing(), []Message{Unsubscribe{x.peer}})
	x.wants("taken while it rests", len(x.say(entriesOf(x.peer, 4, 9)).Payloads), 0)
	x.wants("of another", x.say(entriesOf(third, 1, 2)), entriesOf(third, 1, 2))
	at, _ := x.p.Wake(x.now)
	x.wants("wake", at, time.Second)
	x.now.Elapsed = at
	x.p.Tick(x.now)
	x.wants("afterwards", x.outgoing(), []Message{Subscribe{x.peer, 3}, Have{clock.VersionVector{{Site: x.peer, Seq: 3}}}})
	x.p.StoreFailed(x.peer, x.now)
	x.now.Elapsed += 1999 * time.Millisecond
	x.p.Tick(x.now)
	x.wants("rests longer", x.p.Provider(x.peer), clock.SiteID{})
}

// A transfer of state that jumps ahead of the stream moves the subscription.
func TestAdvancedBeyondTheStream(t *testing.T) {
	x := newPair(t, 0)
	x.p.Advanced(clock.VersionVector{{Site: x.peer, Seq: 50}}, x.now)
	x.wants("answer", x.outgoing(), []Message{Subscribe{x.peer, 50}})
}

// Mutation: let Sent move the cursor whatever Next had named, and the peer that
// subscribed anew meanwhile never gets what it asked for.
func TestSubscribeBetweenNextAndSent(t *testing.T) {
	x := newPair(t, 20)
	self := testSite(1)
	x.say(Subscribe{self, 10})
	_, after, _ := x.p.Next(x.peer, x.now)
	x.wants("after", after, 10)
	x.say(Subscribe{self, 4})
	x.p.Sent(x.peer, self, after, 20)
	_, after, _ = x.p.Next(x.peer, x.now)
	x.wants("after, subscribed anew", after, 4)
}

// Mutation: let from look at the cursor only, and two sites that are each
// other's provider send every entry back.
func TestNothingGoesBack(t *testing.T) {
	x := newPair(t, 0)
	third := testSite(3)
	x.say(Subscribe{third, 0})
	x.say(entriesOf(third, 1, 5))
	x.p.Advanced(clock.VersionVector{{Site: third, Seq: 5}}, x.now)
	if origin, after, ok := x.p.Next(x.peer, x.now); ok {
		t.Errorf("entries of %s after %d would go back to the peer that they came from", origin.Short(), after)
	}
	x.now.Elapsed += time.Second
	x.wants("acknowledged", x.outgoing(), []Message{Have{clock.VersionVector{{Site: third, Seq: 5}}}})
}

// A peer that has announced entries and sends none is asked again, and given up
// for another that has them; while a part of a message comes in, it is not.
func TestStall(t *testing.T) {
	x := newPair(t, 0)
	origin, other := testSite(3), testSite(4)
	x.say(Have{clock.VersionVector{{Site: origin, Seq: 5}}})
	x.wants("subscribed", x.outgoing(), []Message{Subscribe{origin, 0}})
	x.now.Elapsed += 59 * time.Second
	x.p.Receiving(x.peer, x.now)
	x.now.Elapsed += 59 * time.Second
	x.p.Tick(x.now)
	x.wants("while a message comes in", x.outgoing(), []Message(nil))
	x.now.Elapsed += 2 * time.Second
	x.p.Tick(x.now)
	x.wants("stalled", x.outgoing(), []Message{Subscribe{origin, 0}})
	if err := x.p.Up(other, x.now); err != nil {
		t.Fatal(err)
	}
	hello := Hello{Version: Version, Site: other, Vector: clock.VersionVector{{Site: origin, Seq: 5}}}
	if _, err := x.p.Handle(other, hello, x.now); err != nil {
		t.Fatal(err)
	}
	x.now.Elapsed += 61 * time.Second
	x.p.Tick(x.now)
	x.wants("stalled again", x.outgoing(), []Message{Unsubscribe{origin}})
	x.wants("provider", x.p.Provider(origin), other)
}

// Own entries that a peer claims are left alone, until fetching is asked for.
func TestFetchOwn(t *testing.T) {
	x := newPair(t, 5)
	self := testSite(1)
	x.say(Have{clock.VersionVector{{Site: self, Seq: 9}}})
	x.wants("own ahead", x.p.OwnAhead(), 9)
	x.wants("taken", len(x.say(entriesOf(self, 6, 9)).Payloads), 0)
	x.wants("asked", x.outgoing(), []Message(nil))
	x.p.SetFetchOwn(true, x.now)
	x.wants("asked", x.outgoing(), []Message{Subscribe{self, 5}})
	x.wants("taken", x.say(entriesOf(self, 6, 9)), entriesOf(self, 6, 9))
}

func TestHostilePeer(t *testing.T) {
	many := func() (v clock.VersionVector) {
		for i := range MaxOrigins + 1 {
			v = append(v, clock.Entry{Site: testSite(i), Seq: 1})
		}
		return v
	}()
	for name, m := range map[string]Message{
		"second hello":      Hello{Version: Version, Site: testSite(2)},
		"too many origins":  Have{many},
		"no entries":        Entries{Origin: testSite(2), First: 1},
		"entry 0":           Entries{Origin: testSite(2), First: 0, Payloads: [][]byte{nil}},
		"numbers that wrap": Entries{Origin: testSite(2), First: 1<<64 - 1, Payloads: [][]byte{nil, nil}},
		"no message at all": nil,
	} {
		x := newPair(t, 0)
		if _, err := x.p.Handle(x.peer, m, x.now); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	p := New(Config{Site: testSite(1)}, nil)
	if p.Up(testSite(1), Instant{}) == nil {
		t.Error("a peer with this site's own identity was taken")
	}
	for name, m := range map[string]Message{
		"before hello":      Have{},
		"another's hello":   Hello{Version: Version, Site: testSite(3)},
		"another's version": Hello{Version: Version + 1, Site: testSite(2)},
	} {
		p := New(Config{Site: testSite(1)}, nil)
		if err := p.Up(testSite(2), Instant{}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Handle(testSite(2), m, Instant{}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// What is new for a peer that was just sent entries gathers for a part of the
// round trip; what fills the line does not wait, nor does the first after a
// pause.
//
// Mutation: let Next not look at gatherUntil, and everything goes at once; let
// Wake leave it out, and it goes when something else happens.
func TestEntriesGather(t *testing.T) {
	x := newPair(t, 0)
	self := testSite(1)
	x.say(Subscribe{self, 0})
	grow := func(seq uint64) {
		x.p.Advanced(clock.VersionVector{{Site: self, Seq: seq}}, x.now)
	}
	sends := func(what string, want uint64) {
		t.Helper()
		got := uint64(0)
		if origin, after, ok := x.p.Next(x.peer, x.now); ok {
			x.p.Sent(x.peer, origin, after, after+2)
			got = after + 2
		}
		x.wants(what, got, want)
	}
	x.now.Elapsed += 10 * time.Second
	x.now.Wall += 10_000
	x.outgoing() // a ping among it
	grow(4)
	sends("with no round trip measured", 2)
	sends("the rest at once", 4)
	sends("no more", 0)
	pinged := x.now.Wall
	const roundTrip = 90 * time.Millisecond
	x.now.Elapsed += roundTrip
	x.now.Wall += roundTrip.Milliseconds()
	x.say(Pong{Ping: pinged, Received: pinged, Sent: pinged})
	grow(8)
	sends("after a pause", 6)
	sends("the rest", 8)
	sends("no more", 0)
	grow(10)
	sends("at once", 0)
	ready := false
	x.p.Ready(x.now, func(clock.SiteID) { ready = true })
	at, ok := x.p.Wake(x.now)
	if ready || !ok || at != x.now.Elapsed+roundTrip/gatherPart {
		t.Errorf("ready %v, wakes at %v (%v), now is %v", ready, at, ok, x.now.Elapsed)
	}
	x.now.Elapsed = at
	sends("after it", 10)
}

// An acknowledgement goes with entries where some go anyway, a little early.
//
// Mutation: let Outgoing look at haveAt alone, and it goes by itself at a second.
func TestHaveGoesWithEntries(t *testing.T) {
	x := newPair(t, 0)
	self, third := testSite(1), testSite(3)
	x.say(Subscribe{self, 0})
	x.say(entriesOf(third, 1, 5))
	x.p.Advanced(clock.VersionVector{{Site: third, Seq: 5}}, x.now)
	for _, c := range []struct {
		at   time.Duration
		want []Message
	}{
		{500 * time.Millisecond, nil}, {800 * time.Millisecond, []Message{Have{clock.VersionVector{{Site: third, Seq: 5}}}}},
	} {
		x.now.Elapsed = c.at
		x.p.Advanced(clock.VersionVector{{Site: self, Seq: uint64(c.at.Milliseconds())}}, x.now)
		x.wants("before entries", x.outgoing(), []Message(nil))
		_, after, ok := x.p.Next(x.peer, x.now)
		x.wants("entries", ok, true)
		x.p.Sent(x.peer, self, after, uint64(c.at.Milliseconds()))
		x.wants("with entries", x.outgoing(), c.want)
		_, _, ok = x.p.Next(x.peer, x.now)
		x.wants("more", ok, false)
	}
}

// Where there are many peers, each is told what it has anyway at a time of its
// own: some as soon as where there are few, none later than ackPeers lets.
//
// Mutation: let ackDelay be AckDelay alone, and all are told in the first second;
// let it be the longest for all, and nobody is.
func TestManyPeersAreToldInTurn(t *testing.T) {
	const peers = 40
	origin := testSite(1)
	for _, n := range []int{1, peers} {
		p := New(Config{Site: testSite(1), PingEvery: time.Hour}, nil)
		now := Instant{}
		told := map[clock.SiteID]time.Duration{}
		send := func(peer clock.SiteID) {
			for m, ok := p.Outgoing(peer, now); ok; m, ok = p.Outgoing(peer, now) {
				if _, is := m.(Have); is {
					told[peer] = now.Elapsed
				}
			}
		}
		for i := range n {
			id := testSite(2 + i)
			if err := p.Up(id, now); err != nil {
				t.Fatal(err)
			}
			for _, m := range []Message{Hello{Version: Version, Site: id}, Have{clock.VersionVector{{Site: origin, Seq: 1}}}} {
				if _, err := p.Handle(id, m, now); err != nil {
					t.Fatal(err)
				}
			}
		}
		p.Ready(now, send)
		p.Advanced(clock.VersionVector{{Site: origin, Seq: 1}}, now) // peers have it
		for at, ok := p.Wake(now); ok && at <= time.Minute; at, ok = p.Wake(now) {
			now.Elapsed = at
			p.Tick(now)
			p.Ready(now, send)
		}
		first, last := time.Hour, time.Duration(0)
		for _, at := range told {
			first, last = min(first, at), max(last, at)
		}
		longest := time.Second * time.Duration(max(n/ackPeers, 1))
		if len(told) != n || first != time.Second || last > longest || n > 2*ackPeers && last < longest/2 {
			t.Errorf("%d of %d peers were told, from %v to %v; the longest is %v", len(told), n, first, last, longest)
		}
	}
}
