package bench

import (
	"database/sql"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestGeneratorIsReproducibleAndSpread(t *testing.T) {
	a, b := newGenerator(7, 1), newGenerator(7, 1)
	first := a.insert(3, 10, 50)
	if first != b.insert(3, 10, 50) {
		t.Error("the same seed made other rows")
	}
	if first == newGenerator(7, 2).insert(3, 10, 50) {
		t.Error("another stream made the same rows")
	}
	uuid := regexp.MustCompile(`'[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'`)
	seen := map[string]bool{}
	for _, u := range uuid.FindAllString(first, -1) {
		seen[u] = true
	}
	if len(seen) != 50 || strings.Count(first, "(") != 51 || !strings.Contains(first, ",3,59,") {
		t.Errorf("%d uuids in: %.300s", len(seen), first)
	}
}

// Updates of several rows stay in the connection's own part, so that two
// connections never wait for each other's rows.
func TestTargetsDoNotOverlap(t *testing.T) {
	j := job{conns: 4, hot: 1000}
	for conn := range j.conns {
		gen := newGenerator(1, uint64(conn))
		for range 1000 {
			first := j.target(gen, conn, 100)
			if first < 1+conn*250 || first+99 > (conn+1)*250 {
				t.Fatalf("connection %d updates %d to %d", conn, first, first+99)
			}
		}
	}
}

func TestLagPairsCommitsWithSights(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	r := &lagRun{committed: [][]time.Time{{at(10), at(20), at(30)}, {at(15)}}}
	seen := func(a, b int64) []sql.NullInt64 {
		return []sql.NullInt64{{Int64: a, Valid: a >= 0}, {Int64: b, Valid: b >= 0}}
	}
	r.see(at(5), seen(-1, -1))
	r.see(at(12), seen(0, -1))
	r.see(at(13), seen(0, -1)) // nothing new: not kept
	r.see(at(28), seen(2, -1)) // the third row is seen before its writer knows
	if _, err := r.lags(); err == nil {
		t.Error("a row that was never seen is no error")
	}
	r.see(at(40), seen(2, 0))
	lags, err := r.lags()
	if err != nil || len(r.sights) != 4 {
		t.Fatalf("%d sights, %v", len(r.sights), err)
	}
	want := []time.Duration{2, 8, 0, 25}
	for i, w := range want {
		if lags[i] != w*time.Millisecond {
			t.Errorf("lags %v, want %v ms", lags, want)
		}
	}
}

func TestOwnProcessIsSeen(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	peak, err := peakMemory(os.Getpid())
	if err != nil || peak < 1<<20 {
		t.Errorf("peak memory %d, %v", peak, err)
	}
	before := cpuTime(os.Getpid())
	for end := time.Now().Add(time.Minute); cpuTime(os.Getpid()) == before; {
		if time.Now().After(end) {
			t.Fatal("a busy process uses no processor time")
		}
	}
	if cpuTime(-1) != 0 {
		t.Error("no such process, and it used time")
	}
}
