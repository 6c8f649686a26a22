package trust

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error %v, want one line with %q", err, want)
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	f := founder(t, "founder")
	p := f.admit(t, "Kisumu ünïcode", t0)
	a, _ := f.book.Admission(p.key.ID())
	back, err := UnmarshalAdmission(a.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Verify(f.key.Public()); err != nil {
		t.Fatal(err)
	}
	e := Expel(f.key, p.key.ID(), t0)
	backE, err := UnmarshalExpulsion(e.Marshal())
	if err != nil || backE.Verify(f.key.Public()) != nil {
		t.Fatalf("expulsion: %v", err)
	}
	b := a.Marshal()
	for n := range b {
		if _, err := UnmarshalAdmission(b[:n]); err == nil {
			t.Fatalf("a record cut at %d was read", n)
		}
	}
	if _, err := UnmarshalAdmission(append(b, 0)); err == nil {
		t.Fatal("a record with a byte too many was read")
	}
}

// A declared length must not become an allocation.
func TestDeclaredLengthCostsNothing(t *testing.T) {
	huge := []byte{0xdd, 0xff, 0xff, 0xff, 0xff}        // array of 2^32-1
	longText := []byte{0x91, 0x97, 0xc6, 0x10, 0, 0, 0} // one admission whose site id has 256 MiB
	for _, b := range [][]byte{huge, longText} {
		allocs := testing.Benchmark(func(bench *testing.B) {
			for bench.Loop() {
				r := newReader(b)
				if readAdmissions(r, MembersMax); r.done("x") == nil {
					bench.Fatal("read")
				}
			}
		})
		if n := allocs.AllocedBytesPerOp(); n > 4096 {
			t.Errorf("%x costs %d bytes", b, n)
		}
	}
}

// Any change of any field must break the signature.
func TestEveryFieldIsSigned(t *testing.T) {
	f := founder(t, "founder")
	p := f.admit(t, "p", t0)
	good, _ := f.book.Admission(p.key.ID())
	other := newSite(t, "other")
	for name, forge := range map[string]func(*Admission){
		"name":      func(a *Admission) { a.Name = "q" },
		"addresses": func(a *Admission) { a.Addresses = []string{"evil:1"} },
		"time":      func(a *Admission) { a.Time++ },
		"key":       func(a *Admission) { a.PublicKey = other.key.Public() },
		"key+site":  func(a *Admission) { a.PublicKey = other.key.Public(); a.Site = other.key.ID() },
		"by":        func(a *Admission) { a.By = other.key.ID() },
		"signature": func(a *Admission) { a.Signature = slices.Clone(a.Signature); a.Signature[3] ^= 1 },
		"none":      func(a *Admission) { a.Signature = nil },
	} {
		a := good
		forge(&a)
		if a.Verify(f.key.Public()) == nil {
			t.Errorf("a forged %s was taken", name)
		}
	}
	if good.Verify(f.key.Public()) != nil {
		t.Error("the good one was refused")
	}
}

func TestChainReachesAKnownMember(t *testing.T) {
	f := founder(t, "f")
	c := f.admit(t, "c", t0)
	p := f.admit(t, "p", t0) // c has never met p
	n := p.admit(t, "n", t0)
	m := n.admit(t, "m", t0)

	chain := m.book.Chain(m.key.ID())
	if len(chain) != 4 || !chain[3].Founder() {
		t.Fatalf("the chain has %d links", len(chain))
	}
	news, err := c.book.Add(chain...)
	if err != nil {
		t.Fatal(err)
	}
	if len(news) != 3 {
		t.Fatalf("%d admissions were new, want m's, n's and p's", len(news))
	}
	for _, s := range []*site{p, n, m} {
		if public, ok := c.book.Member(s.key.ID()); !ok || !public.Equal(s.key.Public()) {
			t.Errorf("%s is not known at c", s.name)
		}
	}
	if news, err := c.book.Add(chain...); err != nil || len(news) != 0 {
		t.Errorf("the same again: %d new, %v", len(news), err)
	}
	again, err := OpenBook(c.store, []byte("book/"))
	if err != nil || len(again.Members()) != 5 {
		t.Errorf("after a restart: %d members, %v", len(again.Members()), err)
	}
}

func TestBadChains(t *testing.T) {
	f := founder(t, "f")
	c := f.admit(t, "c", t0)
	p := f.admit(t, "p", t0)
	n := p.admit(t, "n", t0)
	chain := n.book.Chain(n.key.ID())
	stranger := founder(t, "stranger")
	mole := stranger.admit(t, "mole", t0)

	_, err := c.book.Add()
	refused(t, err, "shows no admission")
	_, err = c.book.Add(chain[0])
	refused(t, err, "not admitted by anyone")
	_, err = c.book.Add(chain[0], chain[2])
	refused(t, err, "not admitted by anyone")
	_, err = c.book.Add(mole.book.Chain(mole.key.ID())...)
	refused(t, err, "not admitted by anyone")
	_, err = c.book.Add(stranger.book.Chain(stranger.key.ID())...)
	refused(t, err, "not admitted by anyone")
	// A stranger's admission over a member's good chain: the seam shows.
	_, err = c.book.Add(append([]Admission{mole.book.Chain(mole.key.ID())[0]}, chain...)...)
	refused(t, err, "not admitted by anyone")
	// Signed by a stranger in a member's name.
	forged, _ := Admit(stranger.key, mole.key.Public(), "mole", nil, t0)
	forged.By = f.key.ID()
	_, err = c.book.Add(forged)
	refused(t, err, "does not carry the signature")
	// Nothing of a chain with a bad end is kept.
	bad := slices.Clone(chain)
	bad[0].Name = "changed"
	_, err = c.book.Add(bad...)
	refused(t, err, "does not carry the signature")
	if got := len(c.book.Members()); got != 2 {
		t.Fatalf("c has %d members after bad chains, want 2", got)
	}
	// The founder cannot be founded again, nor can a member found itself.
	self, _ := Found(p.key, "p", nil, t0.Add(time.Hour))
	_, err = c.book.Add(self, chain[1], chain[2])
	if err == nil {
		t.Fatal("a member admitted itself")
	}
	if _, err := f.book.Found(f.key, "f", nil, t0); err == nil {
		t.Fatal("founded twice")
	}
}

func TestExpulsion(t *testing.T) {
	f := founder(t, "f")
	c := f.admit(t, "c", t0)
	x := f.admit(t, "x", t0)
	kept := x.admit(t, "kept", t0)
	if _, err := f.book.Add(kept.book.Chain(kept.key.ID())...); err != nil {
		t.Fatal(err)
	}
	unmet := x.admit(t, "unmet", t0)

	e, again, err := f.book.Expel(f.key, x.key.ID(), t0.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(again) != 1 || again[0].Site != kept.key.ID() || again[0].By != f.key.ID() {
		t.Fatalf("kept was not admitted anew: %+v", again)
	}
	if isNew, err := c.book.AddExpulsion(e); err != nil || !isNew {
		t.Fatalf("c: %v %v", isNew, err)
	}
	if isNew, err := c.book.AddExpulsion(e); err != nil || isNew {
		t.Fatalf("c again: %v %v", isNew, err)
	}
	for _, s := range []*site{f, c} {
		if _, ok := s.book.Member(x.key.ID()); ok || !s.book.Expelled(x.key.ID()) {
			t.Errorf("x is still a member at %s", s.name)
		}
	}
	if _, err := c.book.Add(again...); err != nil {
		t.Errorf("kept is refused: %v", err)
	}
	// What x admits, or shows, opens no door; also not with a key in between.
	_, err = c.book.Add(x.book.Chain(x.key.ID())...)
	refused(t, err, "was removed")
	_, err = c.book.Add(unmet.book.Chain(unmet.key.ID())...)
	refused(t, err, "was removed")
	late := x.admit(t, "late", t0.Add(2*time.Hour))
	_, err = c.book.Add(late.book.Chain(late.key.ID())[0])
	refused(t, err, "not admitted by anyone")
	// An expelled site expels nobody.
	_, err = c.book.AddExpulsion(Expel(x.key, f.key.ID(), t0.Add(time.Hour)))
	refused(t, err, "not a member here")
	forged := Expel(x.key, f.key.ID(), t0)
	forged.By = f.key.ID()
	_, err = c.book.AddExpulsion(forged)
	refused(t, err, "does not carry the signature")
	// It may come back by a new admission of a member.
	back, _ := Admit(c.key, x.key.Public(), "x", nil, t0.Add(3*time.Hour))
	if _, err := f.book.Add(append([]Admission{back}, c.book.Chain(c.key.ID())...)...); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.book.Member(x.key.ID()); !ok || f.book.Expelled(x.key.ID()) {
		t.Error("x was admitted again and is not a member")
	}
	reopened, err := OpenBook(c.store, []byte("book/"))
	if err != nil || !reopened.Expelled(x.key.ID()) {
		t.Errorf("the expulsion did not survive a restart: %v", err)
	}
}

func TestExpelMakesNoRing(t *testing.T) {
	f := founder(t, "f")
	m := f.admit(t, "m", t0)
	e := m.admit(t, "e", t0) // e stands below m, m below f
	if _, again, err := e.book.Expel(e.key, f.key.ID(), t0); err != nil || len(again) != 0 {
		t.Fatalf("m must not be admitted by e, which it admitted: %v %v", again, err)
	}
	if _, _, err := e.book.Expel(e.key, e.key.ID(), t0); err == nil {
		t.Fatal("a site removed itself")
	}
	if got := len(e.book.Chain(e.key.ID())); got != 3 {
		t.Fatalf("e's chain has %d links", got)
	}
}

func TestInstallChecksWhatTheInviterSays(t *testing.T) {
	f := founder(t, "f")
	p := f.admit(t, "p", t0)
	list, _ := p.book.Records()
	refused(t, newSite(t, "n").book.Install(p.key.ID(), nil, nil), "leaves out the inviter")
	var only []Admission
	for _, a := range list {
		if a.Site == p.key.ID() {
			only = append(only, a)
		}
	}
	refused(t, newSite(t, "n").book.Install(p.key.ID(), only, nil), "not that site's own")
	bad := slices.Clone(list)
	bad[0].Name += "x"
	refused(t, newSite(t, "n").book.Install(p.key.ID(), bad, nil), "signature")
	refused(t, f.book.Install(p.key.ID(), list, nil), "in a network already")
}

func TestNames(t *testing.T) {
	for _, good := range []string{"a", "Kisumu 2", "Nairobi-Ost", "клиника", strings.Repeat("x", NameCharsMax)} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", " a", "a ", "a\nb", "a\x1b[31m", "a\u202eb", "\xff", strings.Repeat("x", NameCharsMax+1)} {
		refused(t, CheckName(bad), "choose another")
	}
	for _, bad := range []string{"", "host", "host:", ":1", "host:0", "host:70000", "a b:1", "http://x:1", strings.Repeat("x", 300) + ":1"} {
		refused(t, CheckAddress(bad), "HOST:PORT")
	}
}
