package bringup_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

var (
	joinsSeed = flag.Uint64("joins.seed", 1, "the first history of sites that join at a time")
	joinsRuns = flag.Uint64("joins.runs", 100, "how many such histories to try")
)

// crowd is sites that come to know of each other as they exchange.
type crowd struct {
	rnd   *rand.Rand
	sites []*site
	knows map[*site]map[*site]bool
	dated bool // the rows tell in their note when they were written
	// counting: the rows are of stock, and applications add to their quantity.
	counting bool
}

// has reports whether a site has a row of before.
func (c *crowd) has(s *site, n int) bool {
	if c.counting {
		return s.db.Has("stock", item(n))
	}
	return s.db.Has("person", keyOf(n))
}

// insert and remove write such a row.
func (c *crowd) insert(n int, name string, note crdt.Value) memdb.Write {
	if c.counting {
		return insert("stock", c.stock(n, 1+c.rnd.IntN(100), name))
	}
	return insert("person", person(n, name, "note", note))
}

func (c *crowd) remove(n int) memdb.Write {
	if c.counting {
		return remove("stock", item(n))
	}
	return remove("person", keyOf(n))
}

func item(n int) crdt.Key { return crdt.MakeKey(crdt.Text(fmt.Sprint("i", n))) }

func (c *crowd) stock(n, quantity int, note string) merge.Row {
	return row(item(n), "item", fmt.Sprint("i", n), "quantity", crdt.Int(int64(quantity)), "price", crdt.Tagged(crdt.TagDecimal, "0.50"), "note", note)
}

// count is do where applications count.
func (c *crowd) count(s *site) {
	n, more := 1+c.rnd.IntN(3), 1+c.rnd.IntN(100)
	note := fmt.Sprintf("v%d.%d", s.id[0], more)
	switch r, there := s.db.Row("stock", item(n)); {
	case there && c.rnd.IntN(3) == 0:
		s.app(remove("stock", item(n)))
	case there && c.rnd.IntN(4) == 0:
		s.app(update("stock", item(n), "note", note))
	case there:
		s.app(update("stock", item(n), "quantity", crdt.Add(r.Values[1], crdt.Int(int64(more)))))
	default:
		s.app(insert("stock", c.stock(n, more, note)))
	}
}

// note is something to be put into a note.
func (c *crowd) note(plain string) crdt.Value {
	if c.dated {
		return on([]string{"2019-01-01", "2021-01-01", "2100-01-01"}[c.rnd.IntN(3)])
	}
	return crdt.Text(plain)
}

func (c *crowd) one() *site { return c.sites[c.rnd.IntN(len(c.sites))] }

func (c *crowd) tell(s *site) {
	var known []*site
	for _, o := range c.sites {
		if c.knows[s][o] {
			known = append(known, o)
		}
	}
	s.knows(known...)
}

// add makes a site one that another knows.
func (c *crowd) add(n, by *site) {
	c.sites = append(c.sites, n)
	c.knows[n] = map[*site]bool{n: true}
	c.knows[by][n] = true
	for o := range c.knows[by] {
		c.knows[n][o] = true
	}
	c.tell(by)
}

// meet lets sites exchange what they have.
func (c *crowd) meet(sites ...*site) {
	all := map[*site]bool{}
	for _, s := range sites {
		for o := range c.knows[s] {
			all[o] = true
		}
	}
	for _, s := range sites {
		for o := range all {
			c.knows[s][o] = true
		}
		c.tell(s)
	}
	exchange(sites...)
}

// do writes something as an application, mostly to rows of before.
func (c *crowd) do(s *site) {
	if c.counting {
		c.count(s)
		return
	}
	n := 1 + c.rnd.IntN(3)
	value := fmt.Sprintf("v%d.%d", s.id[0], c.rnd.IntN(100))
	switch there := s.db.Has("person", keyOf(n)); {
	case there && c.rnd.IntN(3) == 0:
		for _, v := range s.db.Rows("patient") {
			if v.Key == patientKey(n) {
				s.app(remove("patient", v.Key))
			}
		}
		s.app(remove("person", keyOf(n)))
	case there && c.rnd.IntN(5) == 0 && !s.db.Has("patient", patientKey(n)):
		s.app(insert("patient", patient(n, value)))
	case there && c.rnd.IntN(5) == 0 && s.db.Has("patient", patientKey(n)):
		s.app(remove("patient", patientKey(n)))
	case there && c.rnd.IntN(2) == 0:
		s.app(update("person", keyOf(n), "name", value))
	case there:
		s.app(update("person", keyOf(n), "note", c.note(value)))
	default:
		s.app(insert("person", person(n, value, "note", c.note("n"+value))))
		if c.rnd.IntN(3) == 0 {
			s.app(update("person", keyOf(n), "note", c.note("more")))
		}
	}
}

// step lets something happen.
func (c *crowd) step() {
	s, o := c.one(), c.one()
	switch k := c.rnd.IntN(10); {
	case k < 2:
		c.do(s)
		s.capture()
	case k < 5 && s != o:
		c.meet(s, o)
	case k < 8:
		s.publish()
		if s != o {
			c.meet(s, o)
		}
	default:
		s.publish()
		s.truncate()
	}
}

// join brings a site with rows of its own in.
func (c *crowd) join(n, by *site) {
	for k := 1; k <= 3; k++ {
		if c.rnd.IntN(4) > 0 {
			note := c.note([]string{"own", "old"}[c.rnd.IntN(2)])
			n.app(c.insert(k, fmt.Sprint("own", n.id[0]), note))
		}
	}
	n.open(true)
	for range c.rnd.IntN(3) {
		c.do(n)
	}
	c.add(n, by)
	mustJoin(n.t, n, by)
	n.count()
	c.tell(n)
}

// atATime lets three founders live for a while, and then others join.
func atATime(t *testing.T, seed uint64, counting bool) {
	c := &crowd{rnd: rand.New(rand.NewPCG(seed, 7)), knows: map[*site]map[*site]bool{}, dated: seed%3 == 0 && !counting, counting: counting}
	ids := c.rnd.Perm(9)
	next := func() *site {
		id := byte(1 + ids[len(c.sites)])
		if c.dated {
			return datedSite(t, id)
		}
		return newSite(t, id)
	}
	first := next()
	for n := 1; n <= 3; n++ {
		if c.rnd.IntN(2) == 0 { // else as one that a site has written
			first.app(c.insert(n, "old", c.note("old")))
		}
	}
	first.open(false)
	if counting {
		first.ok(first.r.SetCounter(context.Background(), "stock", "quantity"))
		first.count()
	}
	c.sites, c.knows[first] = []*site{first}, map[*site]bool{first: true}
	for range 2 {
		n := next().open(true)
		c.add(n, first)
		mustJoin(t, n, first)
		n.count()
		c.tell(n)
	}
	founders := c.sites
	for n := 1; n <= 3; n++ {
		if !c.has(first, n) {
			founders[c.rnd.IntN(3)].app(c.insert(n, "old", c.note("old")))
		}
	}
	c.meet(founders...)
	for range 3 {
		if counting { // each site has added something
			c.do(founders[c.rnd.IntN(3)])
			c.meet(founders...)
		}
	}
	for n := 1; n <= 3; n++ {
		if !c.has(first, n) {
			continue
		}
		if c.rnd.IntN(3) > 0 {
			founders[c.rnd.IntN(3)].app(c.remove(n))
		}
	}
	c.meet(founders...)
	for range c.rnd.IntN(14) {
		if c.rnd.IntN(4) == 0 {
			c.step()
			continue
		}
		s, o := c.one(), c.one()
		s.publish()
		if s != o {
			c.meet(s, o)
		}
	}
	for range 2 + c.rnd.IntN(2) {
		c.join(next(), founders[c.rnd.IntN(3)])
		for range c.rnd.IntN(4) {
			c.step()
		}
	}
	for range c.rnd.IntN(12) {
		c.step()
	}
	c.meet(c.sites...)
	agreeVisibly(t, c.sites...)
	settle(c.sites...)
	for _, s := range c.sites {
		s.truncate()
	}
	agreeVisibly(t, c.sites...)
}

// Sites join, at whichever members there are, with old copies of rows that the members have
// deleted and brought back, while some know that everybody has heard of a delete and others
// do not. In the end all agree.
//
// Seen to fail when a row that a site brings puts an end to nothing, or to more than what
// it is applied after; and when what a site had of a deleted row is merged like any other
// write, or loses to what comes later than the delete.
func TestJoinsAtATime(t *testing.T) {
	for seed := *joinsSeed; seed < *joinsSeed+*joinsRuns; seed++ {
		if atATime(t, seed, false); t.Failed() {
			t.Fatalf("replay: go test ./node/bringup -run TestJoinsAtATime -joins.runs 1 -joins.seed %d", seed)
		}
	}
}

// The same of rows whose quantity is a counter: all agree on what counts.
//
// Seen to fail when an insert over a row that the member has counts as one of a row that
// it has not got (seed 20), and when one that comes in pieces does not count as such (925).
func TestCountersOfJoinsAtATime(t *testing.T) {
	seeds := []uint64{925}
	for n := range *joinsRuns {
		seeds = append(seeds, *joinsSeed+n)
	}
	for _, seed := range seeds {
		if atATime(t, seed, true); t.Failed() {
			t.Fatalf("replay: go test ./node/bringup -run TestCountersOfJoinsAtATime -joins.runs 1 -joins.seed %d", seed)
		}
	}
}
