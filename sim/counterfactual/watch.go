package counterfactual

import (
	"fmt"
	"time"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/sim"
)

// write is one change with what its writer had seen.
type write struct {
	*crdt.Change
	at   clock.Stamp
	wall int64 // of its site at the commit, in microseconds
	seen clock.VersionVector
}

// Watcher takes in what sites log. It implements scenario.Watcher.
type Watcher struct {
	w *sim.World
	// Err is why the figures cannot be trusted; nil when they can.
	Err error

	logged  []uint64 // by site: entries taken
	context []clock.VersionVector
	through []clock.Timestamp
	walls   []map[merge.RowID]int64 // by site: of rows written and not yet logged
	rows    map[merge.RowID][]write
	order   []merge.RowID // of rows, as they first were written
}

// New returns a watcher for a world of so many sites.
func New(sites int) *Watcher {
	o := &Watcher{
		logged: make([]uint64, sites), context: make([]clock.VersionVector, sites),
		through: make([]clock.Timestamp, sites), walls: make([]map[merge.RowID]int64, sites),
		rows: map[merge.RowID][]write{},
	}
	for i := range o.walls {
		o.walls[i] = map[merge.RowID]int64{}
	}
	return o
}

// Attach implements scenario.Watcher.
func (o *Watcher) Attach(w *sim.World) { o.w = w }

// Showed implements sim.Observer.
func (o *Watcher) Showed(site int, id merge.RowID, _ []string, _ []crdt.Value, local bool) {
	if local && o.w != nil {
		o.walls[site][id] = o.w.Wall(site)
	}
}

// Stepped implements sim.Observer.
func (o *Watcher) Stepped(site int, captured bool, logged uint64) {
	if o.Err != nil || o.w == nil || logged == o.logged[site] {
		return
	}
	upTo, err := o.w.Logged(site, o.logged[site], func(seq uint64, e *crdt.Entry) { o.take(site, seq, e) })
	o.logged[site], o.Err = upTo, err
	if captured {
		clear(o.walls[site])
	}
}

// take notes the changes of an entry.
func (o *Watcher) take(site int, seq uint64, e *crdt.Entry) {
	id := o.w.SiteID(site)
	if e.First {
		seen := o.context[site].Clone() // earlier batches keep theirs
		seen.Merge(e.Context)
		seen.Merge(clock.VersionVector{{Site: id, Seq: seq - 1, Through: o.through[site]}})
		o.context[site] = seen
	}
	if e.Last {
		o.through[site] = e.Through
	}
	for i := range e.Changes {
		ch := &e.Changes[i]
		if merge.IsSystem(ch.Table) {
			continue
		}
		row := merge.RowID{Table: ch.Table, Key: ch.Key}
		wall, known := o.walls[site][row]
		if !known {
			o.Err = fmt.Errorf("%s of %s was logged and its commit was not noticed: the figures of the counterfactual are void", ch.Table, id)
			return
		}
		if o.rows[row] == nil {
			o.order = append(o.order, row)
		}
		o.rows[row] = append(o.rows[row], write{ch, clock.Stamp{Time: ch.Time, Site: id}, wall, o.context[site]})
	}
}

// Wrote implements sim.Observer, as Sent, Received, Began, Ended and Ran do.
func (*Watcher) Wrote(int, int) {}

// Sent implements sim.Observer.
func (*Watcher) Sent(sim.Message) {}

// Received implements sim.Observer.
func (*Watcher) Received(sim.Message) {}

// Began implements sim.Observer.
func (*Watcher) Began(int, string, []int) {}

// Ended implements sim.Observer.
func (*Watcher) Ended(int) {}

// Ran implements sim.Observer.
func (*Watcher) Ran(time.Duration) {}
