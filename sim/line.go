package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Line is what the line between two sites is like.
type Line struct {
	// Latency is how long a message is under way, one way.
	Latency Latency
	// Trace, when set, is used in place of Latency; Latency.Base is then its
	// median.
	Trace *LatencyTrace
	// BytesPerSecond bounds the line, each way; 0 does not.
	BytesPerSecond int64
	// BreakEvery is the mean life of a connection; 0 is for ever.
	BreakEvery time.Duration
	Mishaps
	// Open are the times of day in which the line is there; none for always.
	Open []Window
}

// Mishaps are the parts of the packets that are lost, that come twice, and that
// later ones overtake. A connection is a stream (RFC 9293): it sends again what was
// lost, drops what came before, and holds back what overtook. To what it carries
// all three are delay and bytes.
type Mishaps struct{ Loss, Duplicate, Reorder float64 }

// Window is a part of every day, counted from its midnight. A run begins at
// midnight. One that ends before it begins reaches into the next day.
type Window struct{ From, To time.Duration }

const day = 24 * time.Hour

func (w Window) String() string {
	clock := func(d time.Duration) string {
		return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
	}
	return clock(w.From) + "-" + clock(w.To)
}

// Within reports whether a moment lies in one of the windows.
func Within(list []Window, at time.Duration) bool {
	at %= day
	for _, w := range list {
		if w.From <= w.To && w.From <= at && at < w.To || w.From > w.To && (at >= w.From || at < w.To) {
			return true
		}
	}
	return len(list) == 0
}

// NextEdge is the first moment after at at which a window begins or ends.
func NextEdge(list []Window, at time.Duration) time.Duration {
	midnight := at - at%day
	next := midnight + 2*day
	for _, w := range list {
		for _, edge := range []time.Duration{w.From, w.To, w.From + day, w.To + day} {
			if e := midnight + edge; e > at {
				next = min(next, e)
			}
		}
	}
	return next
}

// What a lost packet costs: the sender notices after a round trip and a half,
// but not sooner than most systems let it, and waits twice as long each time.
const (
	packetBytes   = 1400
	resendMin     = 200 * time.Millisecond
	resendMax     = time.Minute
	resendDoubles = 6
)

// mishaps draws what becomes of the packets of a message: how much later it comes,
// and how many bytes went over the line besides its own. Packets are sent again
// side by side, so the unluckiest counts.
func (l *Line) mishaps(rnd *rand.Rand, bytes int) (late time.Duration, again int) {
	if l.Loss <= 0 && l.Duplicate <= 0 && l.Reorder <= 0 {
		return 0, 0
	}
	for left := bytes; left > 0; left -= packetBytes {
		packet := min(left, packetBytes)
		var wait time.Duration
		for n := 0; rnd.Float64() < l.Loss; n++ {
			wait += min(max(3*l.Latency.Base, resendMin)<<min(n, resendDoubles), resendMax)
			again += packet
		}
		if l.Duplicate > 0 && rnd.Float64() < l.Duplicate {
			again += packet
		}
		if l.Reorder > 0 && rnd.Float64() < l.Reorder {
			wait += l.overtaken(rnd)
		}
		late = max(late, wait)
	}
	return late, again
}

// overtaken draws how much later a packet comes than those sent after it: by up to
// a latency more, as on a way half as fast.
func (l *Line) overtaken(rnd *rand.Rand) time.Duration {
	return time.Duration(rnd.Int64N(int64(max(l.Latency.Base, time.Millisecond))))
}

// slow reports whether large log entries would not come through, since the
// line is too slow or its connections break in the middle of them.
func (l *Line) slow() bool {
	if l.BytesPerSecond == 0 {
		return false
	}
	takes := 4 * padBytes * time.Second / time.Duration(l.BytesPerSecond)
	return l.BytesPerSecond < paddedLeast || l.BreakEvery > 0 && l.BreakEvery < 2*takes
}

// wire connects the sites as the options say.
func (w *World) wire() {
	o := &w.opts
	for i, a := range w.Sites {
		for j := i + 1; j < len(w.Sites); j++ {
			line := Line{Latency: o.Latency, BytesPerSecond: o.BytesPerSecond, BreakEvery: o.BreakEvery, Mishaps: o.Mishaps}
			joined := o.Topology.joins(i, j, o.Sites)
			if o.Wire != nil {
				line, joined = o.Wire(i, j)
			}
			if joined && !o.carried(i, j) {
				w.connect(a, w.Sites[j], line)
				w.slow = w.slow || line.slow()
			}
		}
	}
	w.timetable()
}

// timetable opens and closes the lines that are not always there. Those with
// the same windows do it together.
func (w *World) timetable() {
	groups := map[string][]*Link{}
	for _, l := range w.Links {
		if len(l.line.Open) > 0 {
			name := fmt.Sprint(l.line.Open)
			groups[name] = append(groups[name], l)
		}
	}
	names := make([]string, 0, len(groups))
	for name := range groups {
		names = append(names, name)
	}
	slices.SortFunc(names, cmp.Compare)
	for _, name := range names {
		w.keepHours(groups[name])
	}
}

// keepHours cuts some lines outside their windows, until all is repaired.
func (w *World) keepHours(links []*Link) {
	open := links[0].line.Open
	if w.repaired {
		return
	}
	heal := func() {}
	if !Within(open, w.now) {
		ways := make([]way, 0, 2*len(links))
		for _, l := range links {
			ways = append(ways, way{l, 0}, way{l, 1})
		}
		heal = w.cutWays("closed", ways)
	}
	w.At(NextEdge(open, w.now), func() {
		heal()
		w.keepHours(links)
	})
}

// LatencyTrace is the latency of a line as it was measured.
type LatencyTrace struct {
	// At are the moments of the measurements, sorted; the last one's value ends
	// where the first begins again. None: every message draws one of Latencies.
	At        []time.Duration
	Latencies []time.Duration
}

// Median is the latency in the middle.
func (t *LatencyTrace) Median() time.Duration {
	sorted := slices.Clone(t.Latencies)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

func (t *LatencyTrace) draw(rnd *rand.Rand, now time.Duration) time.Duration {
	if len(t.At) < 2 {
		return t.Latencies[rnd.IntN(len(t.Latencies))]
	}
	first, n := t.At[0], time.Duration(len(t.At))
	// The last value holds as long as the others do on average.
	length := (t.At[n-1] - first) * n / (n - 1)
	at := first + now%max(length, 1)
	i, found := slices.BinarySearch(t.At, at)
	if !found {
		i--
	}
	return t.Latencies[i]
}
