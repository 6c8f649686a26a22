package sim

import (
	"testing"
	"time"
)

// BenchmarkSites tells how fast virtual time goes: every site commits a
// transaction of one to four statements a second.
func BenchmarkSites(b *testing.B) {
	for _, c := range []struct {
		name   string
		sites  int
		checks Checks
	}{{"5", 5, CheckNone}, {"5-checked", 5, CheckIncremental}, {"20", 20, CheckNone}, {"50", 50, CheckNone}} {
		b.Run(c.name, func(b *testing.B) {
			var simulated time.Duration
			for b.Loop() {
				w, err := New(Options{
					Seed: 1, Sites: c.sites, Rows: 40, Mix: Mix{LargeOneIn: -1}, Checks: c.checks,
					Latency: Latency{Base: 50 * time.Millisecond},
				})
				if err != nil {
					b.Fatal(err)
				}
				w.WriteEvery(time.Second)
				if err := w.Run(time.Duration(1500/c.sites) * time.Second); err != nil {
					b.Fatal(err)
				}
				simulated += w.now
			}
			b.ReportMetric(simulated.Hours()/b.Elapsed().Minutes(), "sim-h/min")
		})
	}
}
