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

// queue is a binary heap of events. (container/heap allocates for each.)
type queue []event

func (q queue) less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}

func (q *queue) push(e event) {
	*q = append(*q, e)
	list := *q
	for i := len(list) - 1; i > 0; {
		parent := (i - 1) / 2
		if !list.less(i, parent) {
			break
		}
		list[i], list[parent] = list[parent], list[i]
		i = parent
	}
}

func (q *queue) pop() event {
	list := *q
	first, last := list[0], len(list)-1
	list[0] = list[last]
	list[last] = event{}
	list = list[:last]
	*q = list
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && list.less(child, least) {
				least = child
			}
		}
		if least == i {
			return first
		}
		list[i], list[least] = list[least], list[i]
		i = least
	}
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
	for w.err == nil && len(w.queue) > 0 && w.queue[0].at <= until {
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
