package scenario

import (
	"time"

	"baraza/crdt"
	"baraza/merge"
	"baraza/sim"
)

// both tells two observers of all that happens.
type both struct{ a, b sim.Observer }

func observers(a, b sim.Observer) sim.Observer {
	if a == nil {
		return b
	}
	return both{a, b}
}

func (o both) Wrote(site, rows int) { o.a.Wrote(site, rows); o.b.Wrote(site, rows) }

func (o both) Showed(site int, id merge.RowID, columns []string, values []crdt.Value, local bool) {
	o.a.Showed(site, id, columns, values, local)
	o.b.Showed(site, id, columns, values, local)
}

func (o both) Stepped(site int, captured bool, logged uint64) {
	o.a.Stepped(site, captured, logged)
	o.b.Stepped(site, captured, logged)
}

func (o both) Sent(m sim.Message)     { o.a.Sent(m); o.b.Sent(m) }
func (o both) Received(m sim.Message) { o.a.Received(m); o.b.Received(m) }
func (o both) Began(id int, what string, sites []int) {
	o.a.Began(id, what, sites)
	o.b.Began(id, what, sites)
}
func (o both) Ended(id int)          { o.a.Ended(id); o.b.Ended(id) }
func (o both) Ran(now time.Duration) { o.a.Ran(now); o.b.Ran(now) }
