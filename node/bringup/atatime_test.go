package bringup_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

)

// atATimeRuns is how many histories of sites that join at a time are tried.
const atATimeRuns = 150

// crowd is sites that come to know of each other as they exchange.
type crowd struct {
	rnd   *rand.Rand
	sites []*site
	knows map[*site]map[*site]bool
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
	case there:
		s.app(update("person", keyOf(n), []string{"name", "note"}[c.rnd.IntN(2)], value))
	default:
		s.app(insert("person", person(n, value, "note", fmt.Sprint("n", value))))
		if c.rnd.IntN(3) == 0 {
			s.app(update("person", keyOf(n), "note", "more"))
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

func atATime(t *testing.T, seed uint64) {
	c := &crowd{rnd: rand.New(rand.NewPCG(seed, 7)), knows: map[*site]map[*site]bool{}}
	ids := c.rnd.Perm(9)
	next := func() *site { n := newSite(t, byte(1+ids[len(c.sites)])); return n }
	first := next().open(false)
	c.sites, c.knows[first] = []*site{first}, map[*site]bool{first: true}
	for range 2 {
		n := next().open(true)
		c.add(n, first)
		mustJoin(t, n, first)
		c.tell(n)
	}
	founders := c.sites
	for n := 1; n <= 3; n++ {
		founders[c.rnd.IntN(3)].app(insert("person", person(n, "old", "note", "old")))
	}
	c.meet(founders...)
	for n := 1; n <= 3; n++ {
		if c.rnd.IntN(3) > 0 {
			founders[c.rnd.IntN(3)].app(remove("person", keyOf(n)))
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
		n, by := next(), founders[c.rnd.IntN(3)]
		for k := 1; k <= 3; k++ {
			if c.rnd.IntN(4) > 0 {
				n.app(insert("person", person(k, fmt.Sprint("own", n.id[0]), "note", []string{"own", "old"}[c.rnd.IntN(2)])))
			}
		}
		n.open(true)
		for range c.rnd.IntN(3) {
			c.do(n)
		}
		c.add(n, by)
		mustJoin(t, n, by)
		c.tell(n)
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

func TestJoinsAtATime(t *testing.T) {
	first, runs := uint64(1), uint64(atATimeRuns)
	if e := os.Getenv("SEED"); e != "" {
		first, _ = strconv.ParseUint(e, 10, 64)
		runs, _ = strconv.ParseUint(os.Getenv("RUNS"), 10, 64)
	}
	bad := 0
	for seed := first; seed < first+runs; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			atATime(t, seed)
			if t.Failed() {
				bad++
			}
		})
	}
	t.Logf("%d of %d failed", bad, runs)
}
