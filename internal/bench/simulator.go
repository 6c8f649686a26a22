package bench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"baraza/sim"
)

const simulatorMethod = `
Sites in this process on virtual time, with the core that sites run, the real wire codec, a
store and a database in memory; lines of 50 ms. Each site commits a transaction of one to four
statements a second (with 1,000 sites: 20 of them do). The figure is simulated hours a minute
of processor time, of all cores, so what else the machine does hardly counts. *Checked*: with
the checkers after every step, as ` + "`baraza sim check`" + ` has them; the others have none. With 1,000
sites each has lines to six others.`

// simGCPercent is that of baraza sim.
const simGCPercent = 400

// simulated is one measurement of the simulator.
type simulated struct {
	sites, writers int
	checks         sim.Checks
	// share is which part of Options.SimSeconds is simulated: 1/share.
	share int
}

// simBar is what design demands of 5 sites, in simulated hours a minute.
const simBar = 500

func measureSimulator(ctx context.Context, l *lab, r *result) error {
	r.title, r.method = "Simulator", simulatorMethod
	if l.o.BaselineOnly {
		return nil
	}
	defer debug.SetGCPercent(debug.SetGCPercent(simGCPercent))
	for _, m := range []simulated{
		{sites: 5, writers: 5, checks: sim.CheckNone, share: 1},
		{sites: 5, writers: 5, checks: sim.CheckIncremental, share: 1},
		{sites: 20, writers: 20, checks: sim.CheckNone, share: 20},
		{sites: 50, writers: 50, checks: sim.CheckNone, share: 100},
		{sites: 1000, writers: 20, checks: sim.CheckNone, share: 240},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.measure(l, r); err != nil {
			return fmt.Errorf("%d sites: %w", m.sites, err)
		}
	}
	return nil
}

func (m simulated) measure(l *lab, r *result) error {
	w, err := sim.New(sim.Options{
		Seed: 1, Sites: m.sites, Rows: 40, Checks: m.checks, Mix: sim.Mix{LargeOneIn: -1},
		Latency: sim.Latency{Base: 50 * time.Millisecond}, Wire: m.wire(),
	})
	if err != nil {
		return err
	}
	const warm = 5 * time.Second // connecting
	if err := w.Run(warm); err != nil {
		return err
	}
	w.WriteEvery(time.Second, m.writers)
	length := time.Duration(max(l.o.SimSeconds/m.share, 2)) * time.Second
	self := os.Getpid()
	used, began := cpuTime(self), time.Now()
	if err := w.Run(warm + length); err != nil {
		return err
	}
	used = cpuTime(self) - used
	what := fmt.Sprintf("%s sites", grouped(float64(m.sites)))
	if m.checks != sim.CheckNone {
		what += ", checked"
	}
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	v := length.Hours() / used.Minutes()
	r.rawf("%-18s %v simulated in %.2f s of processor time, %.2f s in all; %d events; %d MiB live",
		what, length, used.Seconds(), time.Since(began).Seconds(), w.Events(), mem.HeapAlloc>>20)
	out := line{what: what, value: v, measured: fmt.Sprintf("%.3g simulated h/min", v)}
	if m.sites == 5 && m.checks == sim.CheckNone {
		out.bar = atLeast(simBar, "%.0f h/min")
	}
	r.add(out)
	l.o.logf("simulator, %s: %.3g simulated hours a minute", what, v)
	runtime.KeepAlive(w)
	return nil
}

// wire joins all sites, but of very many each with some only.
func (m simulated) wire() func(a, b int) (sim.Line, bool) {
	const meshMax = 64
	if m.sites <= meshMax {
		return nil
	}
	return func(a, b int) (sim.Line, bool) {
		apart := b - a
		for _, step := range []int{1, 31, 331} { // each way round
			if apart == step || apart == m.sites-step {
				return sim.Line{Latency: sim.Latency{Base: 50 * time.Millisecond}}, true
			}
		}
		return sim.Line{}, false
	}
}
