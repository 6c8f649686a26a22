package bringup_test

import (
	"fmt"
	"testing"

	"baraza/merge/memdb"
)

// Two sites join at a time, each with an old copy of a row that the others have deleted,
// one at a member that knows everybody to have heard of that and one at a member that does
// not know it yet.
func TestTwoJoinAfterTheTombstone(t *testing.T) {
	news := map[string][]memdb.Write{
		"":             nil,
		"update":       {update("person", keyOf(1), "note", "news")},
		"both":         {update("person", keyOf(1), "note", "news", "name", "x")},
		"anew":         {remove("person", keyOf(1)), insert("person", person(1, "anew"))},
		"anew, update": {remove("person", keyOf(1)), insert("person", person(1, "anew")), update("person", keyOf(1), "note", "news")},
		"delete":       {remove("person", keyOf(1))},
	}
	for first, writes := range news {
		for second, writes2 := range news {
			for _, ids := range [][2]byte{{3, 4}, {4, 3}} {
				for _, forgotten := range []bool{false, true} {
					name := fmt.Sprintf("%s, %s, %v, forgotten %v", first, second, ids, forgotten)
					t.Run(name, func(t *testing.T) {
						p, z := deleted(t)
						p.publish()
						z.publish()
						z.takeAll(p)
						for range 3 {
							z.publish() // z knows that the delete is everywhere, p has not heard from z
							if forgotten {
								z.truncate()
							}
						}
						m, n := newSite(t, ids[0]), newSite(t, ids[1])
						m.app(insert("person", person(1, "m", "note", "m's")))
						n.app(insert("person", person(1, "n", "note", "n's")))
						m.open(true)
						n.open(true)
						m.app(writes...)
						n.app(writes2...)
						p.knows(p, z, m)
						mustJoin(t, m, p)
						z.knows(p, z, n)
						mustJoin(t, n, z)
						all := []*site{p, z, m, n}
						for _, s := range all {
							s.knows(all...)
						}
						exchange(p, m)
						exchange(z, n)
						exchange(all...)
						agreeVisibly(t, all...)
						settle(all...)
						for _, s := range all {
							s.truncate()
						}
						agreeVisibly(t, all...)
					})
				}
			}
		}
	}
}
