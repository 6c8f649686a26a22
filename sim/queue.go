package sim

import "time"

// event is something that happens at a moment of virtual time. Events of one
// moment happen in the order in which they were scheduled.
type event struct {
	at    time.Duration
	order uint64
	do    func()
	// site, when set, must still be in the life in which it planned the event.
	site *Site
	life int
}

// queue is a binary heap of events. (container/heap allocates for each.) What is
// moved about in it is small and has no pointers.
type queue struct {
	heap   []turn
	events []event // in no order, at turn.event
	free   []int32 // places in events
}

// turn is an event's place in the order.
type turn struct {
	at    time.Duration
	order uint64
	event int32
}

func (t *turn) before(o *turn) bool { return t.at < o.at || t.at == o.at && t.order < o.order }

// next is when the first event is; false when there is none.
func (q *queue) next() (at time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

func (q *queue) push(e event) {
	t := turn{at: e.at, order: e.order, event: int32(len(q.events))}
	if last := len(q.free) - 1; last >= 0 {
		t.event, q.free = q.free[last], q.free[:last]
		q.events[t.event] = e
	} else {
		q.events = append(q.events, e)
	}
	q.heap = append(q.heap, t)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !t.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = t
}

func (q *queue) pop() event {
	first, last := q.heap[0].event, len(q.heap)-1
	t := q.heap[last]
	q.heap = q.heap[:last]
	i := 0
	for child := 1; child < last; child = 2*i + 1 {
		if child+1 < last && q.heap[child+1].before(&q.heap[child]) {
			child++
		}
		if !q.heap[child].before(&t) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	if last > 0 {
		q.heap[i] = t
	}
	e := q.events[first]
	q.events[first] = event{}
	q.free = append(q.free, first)
	return e
}

// At lets something happen at a moment, or now if that has passed.
func (w *World) At(at time.Duration, do func()) {
	w.order++
	w.queue.push(event{at: max(at, w.now), order: w.order, do: do})
}

// after lets something happen in a while.
func (w *World) after(d time.Duration, do func()) { w.At(w.now+d, do) }

// stopEvery is how many events pass between two looks at whether the run is to
// be stopped.
const stopEvery = 128

func (w *World) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// Run advances virtual time to a moment. It returns the first broken promise.
func (w *World) Run(until time.Duration) error {
	for at, ok := w.queue.next(); w.err == nil && ok && at <= until; at, ok = w.queue.next() {
		e := w.queue.pop()
		w.now = e.at
		if w.events++; w.events%stopEvery == 0 && w.stopped() {
			w.err = ErrStopped
			break
		}
		if s := e.site; s == nil || s.up && s.life == e.life {
			e.do()
		}
	}
	if w.err == nil {
		w.now = max(w.now, until)
	}
	if o := w.opts.Observer; o != nil {
		o.Ran(w.now)
	}
	return w.err
}
