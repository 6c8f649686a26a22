package measure

import (
	"slices"
	"time"

	"baraza/crdt"
	"baraza/merge"
	"baraza/node/replica"
	"baraza/sim"
)

// The kinds of conflicts: what lost to what.
const (
	WriteToWrite = iota
	WriteToDelete
	DeleteToWrite
	ConflictKinds
)

// ConflictNames are the kinds for people.
var ConflictNames = [ConflictKinds]string{"a write lost to a write", "a write lost to a delete", "a delete lost to a write"}

const (
	// conflictScansMax bounds how often in a run the conflicts are listed.
	conflictScansMax = 200
	// drawnMax bounds the messages kept to be drawn.
	drawnMax = 400
)

// Sample is one measurement.
type Sample struct {
	At time.Duration
	// Divergent is how many cells (a column of a row) not all running sites
	// show alike; a site without the row shows it differently.
	Divergent int
	// Stale is how old the oldest change is that a site lacks; over the running
	// sites, the median, the 90th percentile and the greatest.
	Stale50, Stale90, StaleMax time.Duration
	Up                         int
	// What follows counts from the beginning.
	Transactions, Changes int
	// Overwritten is how many values applications replaced that had seen them.
	Overwritten int
	Conflicts   [ConflictKinds]int
	Messages    []uint64 // by sim.MessageKinds
	Bytes       []uint64
}

// Span is a time in which something was wrong.
type Span struct {
	What     string
	Sites    []int // none: lines
	From, To time.Duration
}

// Write is a transaction that is drawn.
type Write struct {
	At   time.Duration
	Site int
}

// Drawn is a message that is drawn. One that never came has no At.
type Drawn struct {
	sim.Message
	Arrived bool
}

// LinkTotal is what went over one line, both ways.
type LinkTotal struct {
	A, B            int
	Messages, Bytes uint64
}

// Recorder measures a run.
type Recorder struct {
	w        *sim.World
	interval time.Duration
	// Among are the sites whose staleness and differing cells are measured;
	// none: all.
	Among []int
	draw  [2]time.Duration // from, to
	scan  time.Duration

	Samples []Sample
	Spans   []Span
	Links   []LinkTotal
	Writes  []Write
	Drawn   []Drawn
	Cut     bool // there was more to draw
	// Delay is from the commit of a transaction to another site's showing it,
	// once for each; All to the last site's.
	Delay, All Histogram
	// Stale is over all samples and sites.
	Stale Histogram
	// Repaired is when faults ended; 0 if they did not.
	Repaired time.Duration

	total       Sample
	next, ran   time.Duration
	nextScan    time.Duration
	applied     bool // since the conflicts were listed
	open        map[int]int
	spaces      map[uint64]int // drawn messages under way
	rows        map[merge.RowID]*row
	changed     map[*row]bool
	transaction [][]transaction // by origin
	first       []int           // by origin: those before are in its log
	seen        [][]int         // by site and origin: those before are shown
	entries     uint64
}

type transaction struct {
	at   time.Duration
	seq  uint64
	seen int
}

// row is what each site shows of one row; nil: nothing.
type row struct {
	values    [][]crdt.Value
	divergent int
}

// New returns a recorder for a world of so many sites that lasts so long, with
// a sample every interval. Messages in the time to draw are kept.
func New(sites int, interval, duration time.Duration, draw [2]time.Duration) *Recorder {
	r := &Recorder{
		interval: interval, draw: draw, scan: max(interval, duration/conflictScansMax),
		open: map[int]int{}, spaces: map[uint64]int{}, rows: map[merge.RowID]*row{}, changed: map[*row]bool{},
		transaction: make([][]transaction, sites), first: make([]int, sites), seen: make([][]int, sites),
	}
	r.total.Messages = make([]uint64, len(sim.MessageKinds))
	r.total.Bytes = make([]uint64, len(sim.MessageKinds))
	for i := range r.seen {
		r.seen[i] = make([]int, sites)
	}
	return r
}

// Attach gives the recorder its world, which must not have run yet.
func (r *Recorder) Attach(w *sim.World) {
	r.w = w
	r.lines()
}

// lines counts in lines that came since.
func (r *Recorder) lines() {
	for _, l := range r.w.Links[len(r.Links):] {
		a, b := l.Ends()
		r.Links = append(r.Links, LinkTotal{A: a, B: b})
	}
}

func (r *Recorder) now() time.Duration {
	if r.w == nil {
		return 0
	}
	return r.w.Now()
}

// Wrote implements sim.Observer.
func (r *Recorder) Wrote(site, rows int) {
	r.total.Transactions++
	r.total.Changes += rows
	r.transaction[site] = append(r.transaction[site], transaction{at: r.now()})
	if r.draws(r.now()) && len(r.Writes) < drawnMax {
		r.Writes = append(r.Writes, Write{r.now(), site})
	}
}

// Showed implements sim.Observer.
func (r *Recorder) Showed(site int, id merge.RowID, _ []string, values []crdt.Value, local bool) {
	x := r.rows[id]
	if x == nil {
		x = &row{values: make([][]crdt.Value, len(r.seen))}
		r.rows[id] = x
	}
	if local {
		for i, old := range x.values[site] {
			if !old.IsNull() && (values == nil || values[i] != old) {
				r.total.Overwritten++
			}
		}
	}
	x.values[site] = values
	r.changed[x] = true
}

// Stepped implements sim.Observer.
func (r *Recorder) Stepped(site int, captured bool, logged uint64) {
	if captured {
		own := r.transaction[site]
		for ; r.first[site] < len(own); r.first[site]++ {
			own[r.first[site]].seq = logged
		}
	}
	r.w.Applied(site, func(origin int, seq uint64) {
		if origin != site && origin < len(r.seen) {
			r.arrive(site, origin, seq)
		}
	})
}

// arrive notes which transactions of an origin a site has come to show.
func (r *Recorder) arrive(site, origin int, seq uint64) {
	list := r.transaction[origin]
	at := &r.seen[site][origin]
	for ; *at < r.first[origin] && list[*at].seq <= seq; *at++ {
		x := &list[*at]
		r.applied = true
		r.Delay.Add(r.now() - x.at)
		if x.seen++; x.seen == len(r.seen)-1 {
			r.All.Add(r.now() - x.at)
		}
	}
}

// Sent implements sim.Observer.
func (r *Recorder) Sent(m sim.Message) {
	kind := slices.Index(sim.MessageKinds, m.Kind)
	r.total.Messages[kind]++
	r.total.Bytes[kind] += uint64(m.Bytes)
	if m.Link >= len(r.Links) {
		r.lines()
	}
	r.Links[m.Link].Messages++
	r.Links[m.Link].Bytes += uint64(m.Bytes)
	r.entries += uint64(m.Entries)
	if !r.draws(m.Sent) || m.Kind == "ping" {
		return
	}
	if len(r.Drawn) == drawnMax {
		r.Cut = true
		return
	}
	r.spaces[m.N] = len(r.Drawn)
	r.Drawn = append(r.Drawn, Drawn{Message: m})
}

func (r *Recorder) draws(at time.Duration) bool { return r.draw[0] <= at && at < r.draw[1] }

// Received implements sim.Observer.
func (r *Recorder) Received(m sim.Message) {
	if i, drawn := r.spaces[m.N]; drawn {
		delete(r.spaces, m.N)
		r.Drawn[i] = Drawn{m, true}
	}
}

// Began implements sim.Observer.
func (r *Recorder) Began(id int, what string, sites []int) {
	r.open[id] = len(r.Spans)
	r.Spans = append(r.Spans, Span{What: what, Sites: sites, From: r.now(), To: -1})
	r.anew(sites)
}

// Ended implements sim.Observer.
func (r *Recorder) Ended(id int) {
	i, open := r.open[id]
	if !open {
		return
	}
	delete(r.open, id)
	r.Spans[i].To = r.now()
	r.anew(r.Spans[i].Sites)
}

// anew lets all rows be looked at: which sites run has changed.
func (r *Recorder) anew(sites []int) {
	if len(sites) == 0 {
		return
	}
	for _, x := range r.rows {
		r.changed[x] = true
	}
}

// Ran implements sim.Observer.
func (r *Recorder) Ran(now time.Duration) {
	if r.w == nil {
		return
	}
	if r.Repaired == 0 && r.w.Repaired() {
		r.Repaired = r.ran
	}
	r.ran = now
	if now < r.next {
		return
	}
	r.next = now + r.interval
	r.sample()
}

// End takes the last sample, with nothing left out.
func (r *Recorder) End() {
	r.nextScan, r.applied = 0, true
	r.sample()
	for i := range r.Spans {
		if r.Spans[i].To < 0 {
			r.Spans[i].To = r.now()
		}
	}
}

func (r *Recorder) sample() {
	s := r.total
	s.At = r.now()
	s.Messages, s.Bytes = slices.Clone(s.Messages), slices.Clone(s.Bytes)
	var running, among []int
	for i := range r.seen {
		if r.w.Up(i) {
			running = append(running, i)
			if len(r.Among) == 0 || slices.Contains(r.Among, i) {
				among = append(among, i)
			}
		}
	}
	s.Up = len(running)
	r.diverge(among)
	s.Divergent = r.total.Divergent
	r.stale(&s, among)
	r.conflicts(running)
	s.Conflicts = r.total.Conflicts
	if n := len(r.Samples); n > 0 && r.Samples[n-1].At == s.At {
		r.Samples = r.Samples[:n-1]
	}
	r.Samples = append(r.Samples, s)
}

// diverge counts the cells that running sites show differently.
func (r *Recorder) diverge(running []int) {
	for x := range r.changed {
		n := x.differing(running)
		r.total.Divergent += n - x.divergent
		x.divergent = n
	}
	clear(r.changed)
}

func (x *row) differing(running []int) (cells int) {
	var first []crdt.Value
	width, absent := 0, 0
	for _, i := range running {
		switch v := x.values[i]; {
		case v == nil:
			absent++
		case first == nil:
			first, width = v, len(v)
		}
	}
	if absent > 0 {
		return width // 0 when no site has the row
	}
	for c := range width {
		for _, i := range running {
			if x.values[i][c] != first[c] {
				cells++
				break
			}
		}
	}
	return cells
}

// stale works out how old is what the sites show.
func (r *Recorder) stale(s *Sample, running []int) {
	ages := make([]time.Duration, 0, len(running))
	for _, i := range running {
		oldest := s.At
		for origin, at := range r.seen[i] {
			if list := r.transaction[origin]; origin != i && at < len(list) {
				oldest = min(oldest, list[at].at)
			}
		}
		ages = append(ages, s.At-oldest)
		r.Stale.Add(s.At - oldest)
	}
	if len(ages) == 0 {
		return
	}
	slices.Sort(ages)
	s.Stale50, s.Stale90, s.StaleMax = ages[(len(ages)-1)/2], ages[(len(ages)-1)*9/10], ages[len(ages)-1]
}

// conflicts counts those that the first running site lists.
func (r *Recorder) conflicts(running []int) {
	if !r.applied || r.now() < r.nextScan || len(running) == 0 {
		return
	}
	r.nextScan, r.applied = r.now()+r.scan, false
	var n [ConflictKinds]int
	err := r.w.Conflicts(running[0], func(c replica.Conflict) {
		switch {
		case c.Column == "":
			n[DeleteToWrite]++
		case c.WinnerDelete:
			n[WriteToDelete]++
		default:
			n[WriteToWrite]++
		}
	})
	if err == nil { // an injected failure: the next sample has it
		r.total.Conflicts = n
	}
}
