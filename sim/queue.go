package sim

import (
	"container/heap"
	"time"
)

// event is something that happens at a moment of virtual time. Events of one
// moment happen in the order in which they were scheduled.
type event struct {
	at    time.Duration
	order uint64
	do    func()
}

// queue is a heap of events.
type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}

// At lets something happen at a moment, or now if that has passed.
func (w *World) At(at time.Duration, do func()) {
	w.order++
	heap.Push(&w.queue, event{max(at, w.now), w.order, do})
}

// after lets something happen in a while.
func (w *World) after(d time.Duration, do func()) { w.At(w.now+d, do) }

// Run advances virtual time to a moment. It returns the first broken promise.
func (w *World) Run(until time.Duration) error {
	for w.err == nil && len(w.queue) > 0 && w.queue[0].at <= until {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		w.events++
		e.do()
	}
	if w.err == nil {
		w.now = max(w.now, until)
	}
	if o := w.opts.Observer; o != nil {
		o.Ran(w.now)
	}
	return w.err
}
