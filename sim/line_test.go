package sim

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"baraza/merge"
	"baraza/merge/memdb"
)

const hour = time.Hour

func TestWindows(t *testing.T) {
	office, night := Window{8 * hour, 17 * hour}, Window{22 * hour, 2 * hour}
	for _, c := range []struct {
		list []Window
		at   time.Duration
		in   bool
		next time.Duration
	}{
		{[]Window{office}, 0, false, 8 * hour},
		{[]Window{office}, 8 * hour, true, 17 * hour},
		{[]Window{office}, 17 * hour, false, 32 * hour},
		{[]Window{office}, 3*day + 9*hour, true, 3*day + 17*hour},
		{[]Window{night}, 23 * hour, true, 26 * hour},
		{[]Window{night}, day + hour, true, day + 2*hour},
		{[]Window{night}, 12 * hour, false, 22 * hour},
		{[]Window{office, night}, 18 * hour, false, 22 * hour},
	} {
		if in, next := Within(c.list, c.at), NextEdge(c.list, c.at); in != c.in || next != c.next {
			t.Errorf("%v at %v: within %v, next edge %v; want %v, %v", c.list, c.at, in, next, c.in, c.next)
		}
	}
	if !Within(nil, hour) {
		t.Error("a line without windows is closed")
	}
}

// TestTimetable: nothing comes through a line outside its hours, and what waits
// comes when it opens.
func TestTimetable(t *testing.T) {
	w, err := New(Options{Seed: 1, Sites: 2, Rows: 4, Wire: func(_, _ int) (Line, bool) {
		return Line{Latency: Latency{Base: 20 * time.Millisecond}, Open: []Window{{hour, 2 * hour}}}, true
	}})
	if err != nil {
		t.Fatal(err)
	}
	run := func(until time.Duration) {
		t.Helper()
		if err := w.Run(until); err != nil {
			t.Fatal(err)
		}
	}
	w.Sites[0].Write(1)
	run(hour - time.Second)
	if w.settled() {
		t.Fatal("a change came through a closed line")
	}
	run(hour + 2*redialMax)
	if !w.settled() {
		t.Fatal("a change did not come when the line opened")
	}
	run(2*hour + time.Minute)
	w.Sites[1].Write(2)
	run(3 * hour)
	if w.settled() {
		t.Fatal("the line did not close again")
	}
	if err := w.Settle(time.Minute); err != nil {
		t.Errorf("repaired: %v", err)
	}
}

// TestMishaps: the part of the packets that is lost is sent again, and each loss
// costs at least resendMin; what comes twice costs bytes alone, what is overtaken
// time alone, and a line without any of it nothing.
func TestMishaps(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	l := Line{Latency: Latency{Base: 10 * time.Millisecond}, Mishaps: Mishaps{Loss: 0.05}}
	const messages, packets = 4000, 5
	again, late := 0, 0
	for range messages {
		d, n := l.mishaps(rnd, packets*packetBytes)
		again += n
		if (d > 0) != (n > 0) || d > 0 && d < resendMin {
			t.Fatalf("%d bytes again, %v late", n, d)
		}
		if d > 0 {
			late++
		}
	}
	if part := float64(again) / (messages * packets * packetBytes); math.Abs(part-0.05/0.95) > 0.005 {
		t.Errorf("%.4f of the bytes are sent again, not %.4f", part, 0.05/0.95)
	}
	if part := float64(late) / messages; math.Abs(part-(1-math.Pow(0.95, packets))) > 0.02 {
		t.Errorf("%.3f of the messages are late", part)
	}
	again, late = 0, 0
	for range messages {
		d, n := (&Line{Latency: l.Latency, Mishaps: Mishaps{Duplicate: 0.05}}).mishaps(rnd, packets*packetBytes)
		if again += n; d > 0 {
			t.Fatalf("a packet that comes twice costs %v", d)
		}
		d, n = (&Line{Latency: l.Latency, Mishaps: Mishaps{Reorder: 0.05}}).mishaps(rnd, packets*packetBytes)
		if n > 0 || d > l.Latency.Base {
			t.Fatalf("a packet that is overtaken costs %v and %d bytes", d, n)
		}
		if d > 0 {
			late++
		}
	}
	if part := float64(again) / (messages * packets * packetBytes); math.Abs(part-0.05) > 0.005 {
		t.Errorf("%.4f of the bytes come twice, not 0.05", part)
	}
	if part := float64(late) / messages; math.Abs(part-(1-math.Pow(0.95, packets))) > 0.02 {
		t.Errorf("%.3f of the messages are overtaken", part)
	}
	twin := rand.New(rand.NewPCG(1, 2))
	rnd = rand.New(rand.NewPCG(1, 2))
	if d, n := (&Line{}).mishaps(rnd, 1000); d != 0 || n != 0 || rnd.Uint64() != twin.Uint64() {
		t.Error("a line without mishaps has some, or draws")
	}
}

func TestLatencyTrace(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	timed := LatencyTrace{At: []time.Duration{0, 10 * time.Second, 20 * time.Second}, Latencies: []time.Duration{1, 2, 3}}
	for at, want := range map[time.Duration]time.Duration{0: 1, 9: 1, 10: 2, 25: 3, 29: 3, 30: 1, 65: 1, 71: 2} {
		if got := timed.draw(rnd, at*time.Second); got != want {
			t.Errorf("at %d s: %d, not %d", at, got, want)
		}
	}
	drawn := LatencyTrace{Latencies: []time.Duration{5, 1, 9}}
	seen := map[time.Duration]int{}
	for range 300 {
		seen[drawn.draw(rnd, 0)]++
	}
	if len(seen) != 3 || drawn.Median() != 5 {
		t.Errorf("drawn %v, median %v", seen, drawn.Median())
	}
}

// TestMix: statements are what the weights say, in the tables that are named,
// and a skew prefers the first rows.
func TestMix(t *testing.T) {
	w, err := New(Options{Seed: 1, Sites: 2, Rows: 50, Mix: Mix{Insert: 60, Update: 30, Delete: 10, Tables: []string{"setting"}, Statements: 1, LargeOneIn: -1}})
	if err != nil {
		t.Fatal(err)
	}
	s, n := w.Sites[0], map[memdb.Kind]int{}
	fresh := map[string]bool{}
	for seed := range uint64(3000) {
		x := &transaction{s: s, mix: &w.opts.Mix, rnd: rand.New(rand.NewPCG(seed, 1)), there: map[merge.RowID]bool{}}
		x.statement()
		for _, wr := range x.writes {
			if wr.Table != "setting" {
				t.Fatalf("it writes %s", wr.Table)
			}
			n[wr.Kind]++
			fresh[string(wr.Row.Key)] = true
		}
		s.Write(seed)
	}
	if n[memdb.Insert] < 1700 || n[memdb.Update] < 700 || n[memdb.Delete] < 100 || len(fresh) < 1700 {
		t.Errorf("of 3000 statements %v, on %d rows", n, len(fresh))
	}
	rnd, count := rand.New(rand.NewPCG(1, 1)), make([]int, 100)
	zipf := Mix{Skew: 1}
	for range 100_000 {
		count[zipf.pick(rnd, 100)]++
	}
	if ratio := float64(count[0]) / float64(count[9]); ratio < 5 || ratio > 15 || count[99] == 0 {
		t.Errorf("the first of 100 rows is picked %.1f times as often as the tenth, the last %d times", ratio, count[99])
	}
}
