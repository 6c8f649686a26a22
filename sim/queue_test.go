package sim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQueue: events come in the order of their times, and of their planning where
// they have one time, each once and whole.
//
// Mutation: let turn.before leave out the order, or pop not give the place free.
func TestQueue(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var q queue
	var want []event
	now, order := time.Duration(0), uint64(0)
	for range 20_000 {
		if len(want) < 50 && rnd.IntN(2) == 0 {
			order++
			e := event{at: now + time.Duration(rnd.IntN(5)), order: order, life: int(order)}
			q.push(e)
			want = append(want, e)
			slices.SortFunc(want, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) })
		}
		at, ok := q.next()
		if ok != (len(want) > 0) || ok && at != want[0].at {
			t.Fatalf("next is at %v (%v), want %v", at, ok, want)
		}
		if !ok || rnd.IntN(2) == 0 {
			continue
		}
		e := q.pop()
		if e.at != want[0].at || e.order != want[0].order || e.life != want[0].life {
			t.Fatalf("got event %d at %v, want %d at %v", e.order, e.at, want[0].order, want[0].at)
		}
		now, want = e.at, want[1:]
	}
	if len(q.events) > 50 {
		t.Errorf("room for %d events, there were 50 at most", len(q.events))
	}
}
