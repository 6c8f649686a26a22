//go:build unix

package sim

import (
	"runtime/debug"
	"syscall"
	"testing"
	"time"
)

// BenchmarkSites tells how fast virtual time goes: every site commits a
// transaction of one to four statements a second. It counts the processor's
// time, as the bar is per core and the machine may do other work.
func BenchmarkSites(b *testing.B) {
	const connecting = 5 * time.Second                // is not counted
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as baraza sim does
	for _, c := range []struct {
		name    string
		sites   int
		checks  Checks
		seconds int
	}{{"5", 5, CheckNone, 1500}, {"5-checked", 5, CheckIncremental, 400}, {"20", 20, CheckNone, 40}, {"50", 50, CheckNone, 10}} {
		b.Run(c.name, func(b *testing.B) {
			var simulated, used time.Duration
			for b.Loop() {
				w, err := New(Options{
					Seed: 1, Sites: c.sites, Rows: 40, Mix: Mix{LargeOneIn: -1}, Checks: c.checks,
					Latency: Latency{Base: 50 * time.Millisecond},
				})
				if err != nil {
					b.Fatal(err)
				}
				if err := w.Run(connecting); err != nil {
					b.Fatal(err)
				}
				w.WriteEvery(time.Second, c.sites)
				began := processorTime(b)
				if err := w.Run(connecting + time.Duration(c.seconds)*time.Second); err != nil {
					b.Fatal(err)
				}
				used += processorTime(b) - began
				simulated += w.now - connecting
			}
			b.ReportMetric(simulated.Hours()/used.Minutes(), "sim-h/min")
		})
	}
}

// processorTime is what the process has used of all cores.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
