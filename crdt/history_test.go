package crdt_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"baraza/clock"
	"baraza/crdt"
)

// A script is a list of numbers, each a step of some site. Every list is a
// valid history, so that a failing one shrinks to a short one.
type script []uint32

// delivery is one batch of changes of one row, as other sites receive it.
type delivery struct {
	origin  clock.SiteID
	seq     uint64
	context clock.VersionVector
	changes []crdt.Change
}

// history is what the sites of a script wrote.
type history struct {
	baseline   bool // the row was there before anyone wrote
	deliveries []delivery
	trace      []string
}

// author is a site that writes the row as it sees it.
type author struct {
	id      clock.SiteID
	clock   *clock.Clock
	row     crdt.Row
	columns []string // those that the site's table has
	applied clock.VersionVector
	written int
}

var lawColumns = []string{"a", "b", "c"}

const lawSites = 3

// play runs a script. With drift the sites' tables differ in their columns.
func play(s script, baseline, drift bool) *history {
	h := &history{baseline: baseline}
	authors := make([]*author, lawSites)
	for i := range authors {
		authors[i] = &author{id: clock.SiteID{byte(i + 1)}, clock: clock.NewClock(0), columns: lawColumns}
		if drift && i > 0 {
			authors[i].columns = slices.Delete(slices.Clone(lawColumns), i, i+1)
		}
		authors[i].row = h.start()
	}
	for _, step := range s {
		a := authors[step%lawSites]
		step /= lawSites
		kind, rest := step%4, step/4
		if kind == 0 {
			h.receive(a, rest)
			continue
		}
		h.write(a, rest)
	}
	return h
}

// start is the row before anyone wrote it.
func (h *history) start() crdt.Row {
	if !h.baseline {
		return crdt.Row{}
	}
	return crdt.Row{Exists: true, Columns: lawColumns, Values: []crdt.Value{"t0", "t0", "t0"}}
}

// receive lets a take some batches that it lacks, in causal order.
func (h *history) receive(a *author, choice uint32) {
	count := 1 + choice%3
	for ; count > 0; count-- {
		due := h.due(a.applied, a.id)
		if len(due) == 0 {
			return
		}
		d := due[int(choice/3)%len(due)]
		h.trace = append(h.trace, fmt.Sprintf("site %d takes batch %d of site %d", a.id[0], d.seq, d.origin[0]))
		apply(&a.row, d)
		for i := range d.changes {
			a.clock.Observe(d.changes[i].Time)
		}
		a.applied.Set(d.entry())
	}
}

func (d *delivery) entry() clock.Entry {
	return clock.Entry{Site: d.origin, Seq: d.seq, Through: d.changes[len(d.changes)-1].Time}
}

func apply(row *crdt.Row, d *delivery) {
	for i := range d.changes {
		row.Apply(&d.changes[i], d.origin, d.context)
	}
}

// due lists the batches that may be applied next by someone who has applied v.
func (h *history) due(v clock.VersionVector, except clock.SiteID) []*delivery {
	var due []*delivery
	for i := range h.deliveries {
		d := &h.deliveries[i]
		if d.origin != except && v.Seq(d.origin)+1 == d.seq && v.Includes(d.context) {
			due = append(due, d)
		}
	}
	return due
}

// write lets a write one batch of one to three changes.
func (h *history) write(a *author, choice uint32) {
	count := 1 + choice%8/6 + choice%8/7
	choice /= 8
	d := delivery{origin: a.id, seq: a.applied.Seq(a.id) + 1, context: a.applied.Clone()}
	for range count {
		ch := a.change(choice)
		h.trace = append(h.trace, fmt.Sprintf("site %d, batch %d: %s", a.id[0], d.seq, showChange(&ch)))
		a.row.Apply(&ch, a.id, d.context)
		d.changes = append(d.changes, ch)
		choice = choice/128 ^ choice<<9
	}
	a.applied.Set(d.entry())
	h.deliveries = append(h.deliveries, d)
}

// change is what an application at a's database may do to the row as it is.
func (a *author) change(choice uint32) crdt.Change {
	kind, mask, millis := choice%4, choice/4%8, choice/32%4*10
	ch := crdt.Change{Table: "t", Key: "k", Time: a.clock.Give(int64(millis))}
	switch {
	case !a.row.Exists:
		ch.Columns, ch.Whole = a.columns, true
		ch.Prior = crdt.Stamps{Deleted: a.row.Deleted}
	case kind == 0:
		ch.Delete = true
		ch.Prior = crdt.Stamps{Row: a.row.Row, Cells: slices.Clone(a.row.Cells)}
	default:
		for i, c := range a.columns {
			if mask&(1<<i) != 0 || kind == 1 {
				ch.Columns = append(ch.Columns, c)
			}
		}
		if len(ch.Columns) == 0 {
			ch.Columns = a.columns[:1]
		}
		ch.Whole = len(ch.Columns) == len(a.columns)
		ch.Prior = crdt.Stamps{Row: a.row.Row}
		for _, c := range a.row.Cells {
			if slices.Contains(ch.Columns, c.Column) {
				ch.Prior.Cells = append(ch.Prior.Cells, c)
			}
		}
	}
	a.written++
	for range ch.Columns {
		ch.Values = append(ch.Values, crdt.Text(fmt.Sprintf("%d.%d", a.id[0], a.written)))
	}
	return ch
}

// order returns all batches in a random causal order.
func (h *history) order(rng *rand.Rand) []*delivery {
	var v clock.VersionVector
	var order []*delivery
	for {
		due := h.due(v, clock.SiteID{})
		if len(due) == 0 {
			return order
		}
		d := due[rng.IntN(len(due))]
		v.Set(d.entry())
		order = append(order, d)
	}
}

func (h *history) String() string { return strings.Join(h.trace, "\n") }
