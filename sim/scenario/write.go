package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"baraza/sim"
)

// joins is what a scenario says of a site that joins later.
func joins(p *sim.Plan, site int) string {
	for _, j := range p.Joins {
		if j.Site == site {
			return fmt.Sprintf(", joins: %v", j.At)
		}
	}
	return ""
}

// Write returns the scenario that is the same run as a plan, to the byte.
func Write(name, about string, p *sim.Plan) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("name: %s", strconv.Quote(name))
	if about != "" {
		line("about: %s", strconv.Quote(about))
	}
	line("seed: %d", p.Seed)
	line("duration: %v", max(p.Length(), 1))
	line("settle: %v", sim.Patience)
	if p.Publish > 0 {
		line("publish: %v", p.Publish)
	}
	if p.Administrator {
		line("administrator: yes")
	}
	if len(p.Joins) == 0 {
		line("sites: %d", p.Sites)
	} else {
		line("sites:")
		for n := range p.Sites {
			line("  - {name: s%d%s}", n+1, joins(p, n))
		}
	}
	line("topology: %s", p.Topology)
	line("line:")
	switch l := p.Latency; l.Kind {
	case sim.Uniform:
		line("  latency: {uniform: [%v, %v]}", l.Base, l.Base+l.Spread)
	case sim.LogNormal:
		line("  latency: {median: %v, sigma: %v}", l.Base, l.Sigma)
	default:
		line("  latency: %v", l.Base)
	}
	if p.BytesPerSecond > 0 {
		line("  bandwidth: %d B/s", p.BytesPerSecond)
	}
	if p.BreakEvery > 0 {
		line("  breaks_every: %v", p.BreakEvery)
	}
	if m := p.Mishaps; m != (sim.Mishaps{}) {
		line("  loss: %v", m.Loss)
		line("  duplicate: %v", m.Duplicate)
		line("  reorder: %v", m.Reorder)
	}
	writeCouriers(p, line)
	line("workload: {rows: %d%s}", p.Rows, mixed(&p.Mix))
	writeSettings(p, line)
	writeAdds(p, line)
	if len(p.Ops) > 0 {
		line("transactions:")
	}
	for _, o := range p.Ops {
		begin := ""
		if o.AtBegin {
			begin = ", at_begin: yes"
		}
		line("  - {at: %v, site: s%d, seed: %d%s}", o.At, o.Site%p.Sites+1, o.Seed, begin)
	}
	if len(p.Faults) > 0 {
		line("faults:")
	}
	for _, f := range p.Faults {
		line("  - {at: %v, for: %v, fault: %s, seed: %d}", f.At, f.For.Round(time.Nanosecond), f.Kind, f.Seed)
	}
	return b.String()
}

func writeCouriers(p *sim.Plan, line func(format string, args ...any)) {
	if len(p.Couriers) > 0 {
		line("couriers:")
	}
	for _, c := range p.Couriers {
		line("  - {between: [s%d, s%d], every: %v, trip: %v, loss: %v}", c.A+1, c.B+1, c.Every, c.Trip, c.Loss)
	}
}

// mixed tells what applications write besides plain rows.
func mixed(m *sim.Mix) (more string) {
	if m.Rules != sim.Plain {
		more = fmt.Sprintf(", rules: %s", m.Rules)
	}
	if m.Counters {
		more += ", counters: yes"
	}
	if m.Cascades {
		more += ", cascades: yes"
	}
	if m.Restrict {
		more += ", restrict: yes"
	}
	if m.Numbers != sim.NoNumbers {
		more += fmt.Sprintf(", numbers: %s", m.Numbers)
	}
	return more
}
