package gossip

import (
	"testing"

	"baraza/clock"
)

func TestPackTakesTurns(t *testing.T) {
	self, peer, x, y := clock.SiteID{1}, clock.SiteID{2}, clock.SiteID{3}, clock.SiteID{4}
	p := New(Config{Site: self}, clock.VersionVector{{Site: self, Seq: 3}, {Site: peer, Seq: 9}, {Site: x, Seq: 2}, {Site: y, Seq: 5}})
	k := p.NewPack(peer, clock.VersionVector{{Site: x, Seq: 7}, {Site: y, Seq: 4}})
	if k.Left() != 4 { // none of the peer's own, and nothing of x
		t.Fatalf("%d left", k.Left())
	}
	u := NewUnpack(self)
	if err := u.Take(k.Hello()); err != nil {
		t.Fatal(err)
	}
	var order []clock.SiteID
	for {
		origin, after, last, ok := k.Next()
		if !ok {
			break
		}
		order = append(order, origin)
		e := k.Entries([][]byte{{byte(after + 1)}, {byte(after + 2)}})
		if e.First != after+1 || e.Last() > last {
			t.Fatalf("%v after %d of %d", e, after, last)
		}
		if err := u.Take(e); err != nil {
			t.Fatal(err)
		}
	}
	if len(order) != 3 || order[0] != self || order[1] != y || order[2] != self || k.Written() != 4 || u.Entries() != 4 {
		t.Errorf("order %v, %d written, %d read", order, k.Written(), u.Entries())
	}
	if n := u.New(clock.VersionVector{{Site: self, Seq: 1}}, clock.VersionVector{{Site: self, Seq: 2}, {Site: y, Seq: 99}}); n != 1+5 {
		t.Errorf("%d new", n) // y: from nothing to what the bundle ends with
	}
	missing := u.Missing(peer, clock.VersionVector{{Site: self, Seq: 2}, {Site: y, Seq: 3}})
	if len(missing) != 2 || missing[0].Gap() || !missing[1].Gap() {
		t.Errorf("missing %+v", missing)
	}
}

func TestUnpackRefuses(t *testing.T) {
	a, x := clock.SiteID{1}, clock.SiteID{3}
	hello := Hello{Version: Version, Site: a, Vector: clock.VersionVector{{Site: x, Seq: 5}}}
	entries := func(first uint64, n int) Entries {
		return Entries{Origin: x, First: first, Payloads: make([][]byte, n)}
	}
	for name, messages := range map[string][]Message{
		"no hello":          {entries(1, 2)},
		"two hellos":        {hello, hello},
		"another's hello":   {Hello{Version: Version, Site: x}},
		"another version":   {Hello{Version: Version + 1, Site: a}},
		"beyond the vector": {hello, entries(4, 3)},
		"a hole":            {hello, entries(1, 2), entries(4, 1)},
		"twice":             {hello, entries(1, 2), entries(1, 2)},
		"a ping":            {hello, Ping{}},
	} {
		u := NewUnpack(a)
		var err error
		for _, m := range messages {
			if err != nil {
				t.Errorf("%s: refused early: %v", name, err)
			}
			err = u.Take(m)
		}
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// What a bundle says of a peer counts while it is away, and no longer than that.
func TestCarried(t *testing.T) {
	self, peer, x := clock.SiteID{1}, clock.SiteID{2}, clock.SiteID{3}
	p := New(Config{Site: self}, nil)
	at := func(n uint64) clock.VersionVector { return clock.VersionVector{{Site: x, Seq: n}} }
	for _, n := range []uint64{7, 5} { // a peer that was set back has less
		if err := p.Carried(peer, at(n)); err != nil || p.Known(peer).Seq(x) != n {
			t.Fatalf("known %v, %v", p.Known(peer), err)
		}
	}
	if _, ok := p.Wake(Instant{}); ok {
		t.Error("a peer that is away wakes the protocol")
	}
	if err := p.Up(peer, Instant{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Handle(peer, Hello{Version: Version, Site: peer, Vector: at(6)}, Instant{}); err != nil {
		t.Fatal(err)
	}
	if err := p.Carried(peer, at(9)); err != nil || p.Known(peer).Seq(x) != 6 {
		t.Errorf("a bundle's word replaced that of the connection: %v, %v", p.Known(peer), err)
	}
	if err := p.Carried(self, at(3)); err != nil || p.Known(self) != nil {
		t.Errorf("the site learnt of itself: %v", err)
	}
}

func TestBase(t *testing.T) {
	self, peer, x := clock.SiteID{1}, clock.SiteID{2}, clock.SiteID{3}
	at := func(n uint64) clock.VersionVector { return clock.VersionVector{{Site: x, Seq: n}} }
	p := New(Config{Site: self}, at(20))
	first := func(clock.SiteID) uint64 { return 11 }
	base, gap := p.Begin(peer, p.Base(peer, Heard{}, nil, 0), nil, first)
	if base.Seq(x) != 10 || gap != nil {
		t.Errorf("of a peer that nothing is known of: %v, %+v", base, gap)
	}
	last := Heard{Number: 1000, Vector: at(12)}
	for atMillis, want := range map[int64]uint64{1001: 15, 999: 12} {
		if got := p.Base(peer, last, at(15), atMillis).Vector.Seq(x); got != want {
			t.Errorf("published at %d: %d, want %d", atMillis, got, want)
		}
	}
	if err := p.Carried(peer, at(5)); err != nil {
		t.Fatal(err)
	}
	known := p.Base(peer, last, nil, 0)
	if _, gap = p.Begin(peer, known, at(9), first); gap == nil || *gap != (Missing{Origin: x, Have: 5, First: 11}) {
		t.Errorf("what the log does not hold: %+v", gap)
	}
	if from, gap := p.Begin(peer, known, at(10), first); gap != nil || from.Seq(x) != 10 {
		t.Errorf("what every member has, of one that was last heard of before it joined: %v, %+v", from, gap)
	}
	if from, gap := p.Begin(clock.SiteID{4}, p.Base(clock.SiteID{4}, Heard{}, at(5), 1), nil, first); gap != nil || from.Seq(x) != 10 {
		t.Errorf("what others say of one that has told nothing: %v, %+v", from, gap)
	}
	known.Vector.Set(clock.Entry{Site: x, Seq: 99})
	if p.Known(peer).Seq(x) != 5 {
		t.Error("the base is the protocol's own")
	}
}
