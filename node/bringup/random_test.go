package bringup_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"baraza/merge/memdb"
)

const (
	randomRuns = 150
	keysMax    = 8
)

// some writes a few rows as an application of the site: inserts, updates and
// deletes of persons and settings.
func (s *site) some(rnd *rand.Rand, writes int) {
	s.t.Helper()
	for range writes {
		n := 1 + rnd.IntN(keysMax)
		value := fmt.Sprintf("v%d.%d", s.id[0], rnd.IntN(3))
		if rnd.IntN(4) == 0 {
			value = "same"
		}
		key, there := keyOf(n), false
		for _, r := range s.db.Rows("person") {
			there = there || r.Key == key
		}
		var w memdb.Write
		switch {
		case !there:
			w = insert("person", person(n, value, "note", fmt.Sprint("n", rnd.IntN(2))))
		case rnd.IntN(3) == 0:
			w = remove("person", key)
		default:
			w = update("person", key, []string{"name", "note"}[rnd.IntN(2)], value)
		}
		s.app(w)
	}
}

// Sites with any rows and any history join in any order, and agree.
func TestRandom(t *testing.T) {
	for seed := range uint64(randomRuns) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		ids := rnd.Perm(5)
		var members []*site
		for i := range 4 {
			s := newSite(t, byte(1+ids[i]))
			s.some(rnd, rnd.IntN(10))
			s.open(i > 0)
			if i > 0 {
				s.some(rnd, rnd.IntN(6)) // not captured before the bring-up
				from := members[rnd.IntN(len(members))]
				if _, err := join(s, from); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			members = append(members, s)
			for range rnd.IntN(4) {
				m := members[rnd.IntN(len(members))]
				m.some(rnd, rnd.IntN(4))
				m.capture()
				if rnd.IntN(2) == 0 {
					exchange(m, members[rnd.IntN(len(members))])
				}
			}
		}
		exchange(members...)
		agree(t, members...)
		for _, s := range members {
			if behind := s.r.Applied().Behind(s.r.Log().Vector()); behind > 0 {
				t.Errorf("site %d has %d entries that it does not apply", s.id[0], behind)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
