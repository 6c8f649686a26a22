package trust

import (
	"slices"
	"testing"
	"time"
)

// says makes a site's contact and puts it into its own book.
func (s *site) says(t *testing.T, at time.Time, addresses ...string) Contact {
	t.Helper()
	c, err := s.book.NewContact(s.key, addresses, at)
	if err != nil || c == nil {
		t.Fatalf("%v, %v", c, err)
	}
	if added, err := s.book.AddContact(*c); err != nil || !added {
		t.Fatalf("%v, %v", added, err)
	}
	return *c
}

func (s *site) hears(t *testing.T, c Contact, want bool) {
	t.Helper()
	if added, err := s.book.AddContact(c); err != nil || added != want {
		t.Errorf("took a contact: %v, %v; want %v", added, err, want)
	}
}

func (s *site) reaches(t *testing.T, other *site, want ...string) {
	t.Helper()
	if got := s.book.Addresses(other.key.ID()); !slices.Equal(got, want) {
		t.Errorf("%s is reached at %q, want %q", other.name, got, want)
	}
}

// The last word of a site counts, whatever order its words come in and however
// its clock goes; and a book opened again knows it.
func TestContact(t *testing.T) {
	f := founder(t, "founder")
	p := f.admit(t, "p", t0)
	f.reaches(t, p, "127.0.0.1:1")
	first := p.says(t, t0.Add(time.Hour), "10.0.0.1:1", "clinic.example:2")
	if c, err := p.book.NewContact(p.key, first.Addresses, t0.Add(2*time.Hour)); c != nil || err != nil {
		t.Errorf("what is known is said again: %v, %v", c, err)
	}
	second := p.says(t, t0.Add(-time.Hour)) // the clock was set back; and it only dials now
	f.hears(t, second, true)
	f.hears(t, first, false)
	f.hears(t, second, false)
	f.reaches(t, p)
	again, err := OpenBook(f.store, []byte("book/"))
	if err != nil {
		t.Fatal(err)
	}
	f.book = again
	f.reaches(t, p)
	third := p.says(t, t0.Add(-time.Hour), "127.0.0.1:1") // where it was admitted
	f.hears(t, third, true)
	f.reaches(t, p, "127.0.0.1:1")

	// A site that is admitted again said so later, at its new place.
	late, err := Admit(f.key, p.key.Public(), "p", []string{"10.0.0.7:1"}, time.UnixMilli(third.Time+1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.book.Add(late); err != nil {
		t.Fatal(err)
	}
	f.reaches(t, p, "10.0.0.7:1")
	if got := f.book.Contacts(); len(got) != 1 || got[0].Time != third.Time {
		t.Errorf("the book lists %v", got)
	}
}

// What a site did not sign, and who is no member, is not believed.
func TestContactForged(t *testing.T) {
	f := founder(t, "founder")
	p := f.admit(t, "p", t0)
	other := f.admit(t, "other", t0)
	good, err := p.book.NewContact(p.key, []string{"10.0.0.1:1"}, t0)
	if err != nil {
		t.Fatal(err)
	}
	for name, forge := range map[string]func(*Contact){
		"addresses": func(c *Contact) { c.Addresses = []string{"evil.example:1"} },
		"time":      func(c *Contact) { c.Time += 1000 },
		"site":      func(c *Contact) { c.Site = other.key.ID() },
		"signature": func(c *Contact) { c.Signature = slices.Clone(c.Signature); c.Signature[3] ^= 1 },
		"none":      func(c *Contact) { c.Signature = nil },
		"garbage": func(c *Contact) {
			c.Addresses = []string{"no address"}
			c.Signature = p.key.sign(c.signed())
		},
		"too many": func(c *Contact) {
			c.Addresses = slices.Repeat([]string{"10.0.0.1:1"}, AddressesMax+1)
			c.Signature = p.key.sign(c.signed())
		},
	} {
		c := *good
		forge(&c)
		if added, err := f.book.AddContact(c); added || err == nil {
			t.Errorf("a forged %s was taken", name)
		}
	}
	stranger := newSite(t, "stranger")
	c := Contact{Site: stranger.key.ID(), Addresses: []string{"10.0.0.1:1"}, Time: 1}
	c.Signature = stranger.key.sign(c.signed())
	_, err = f.book.AddContact(c)
	refused(t, err, "not a member")

	f.hears(t, *good, true)
	if _, _, err := f.book.Expel(f.key, p.key.ID(), t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := f.book.Contacts(); len(got) != 0 {
		t.Errorf("the book passes on where an expelled site is: %v", got)
	}
	_, err = f.book.AddContact(p.says(t, t0.Add(2*time.Hour), "10.0.0.9:1"))
	refused(t, err, "not a member")
}

// Members that an expelled site had admitted are admitted anew: where they are
// now, not where they were.
func TestExpelKeepsAddresses(t *testing.T) {
	f := founder(t, "founder")
	p := f.admit(t, "p", t0)
	q := p.admit(t, "q", t0)
	admissions, _ := p.book.Records()
	for _, a := range admissions {
		if _, err := f.book.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	f.hears(t, q.says(t, t0.Add(time.Minute), "10.0.0.9:1"), true)
	if _, again, err := f.book.Expel(f.key, p.key.ID(), t0.Add(time.Hour)); err != nil || len(again) != 1 {
		t.Fatal(again, err)
	}
	f.reaches(t, q, "10.0.0.9:1")
}

func TestContactRoundTrip(t *testing.T) {
	f := founder(t, "founder")
	c := f.says(t, t0, "10.0.0.1:1", "clinic.example:2")
	b := c.Marshal()
	back, err := UnmarshalContact(b)
	if err != nil || back.Verify(f.key.Public()) != nil {
		t.Fatalf("%v, %v", back, err)
	}
	for n := range b {
		if _, err := UnmarshalContact(b[:n]); err == nil {
			t.Fatalf("a record cut at %d was read", n)
		}
	}
	if _, err := UnmarshalContact(append(b, 0)); err == nil {
		t.Fatal("a record with a byte too many was read")
	}
}
