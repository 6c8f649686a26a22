package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"baraza/sim"
)

// workload reads what applications write, and how often.
func (l *loader) workload(n ast.Node) {
	s, r := l.s, &l.reader
	everywhere := Load{Sites: make([]int, len(s.Sites))}
	for i := range everywhere.Sites {
		everywhere.Sites[i] = i
	}
	var rates []Load
	var large float64 = -1
	common := l.load(&everywhere)
	l.mapping(n, "workload", append(common,
		field{"rows", scalar(r, "rows", "100", parseCount(1, 10_000_000), &s.Rows)},
		field{"skew", scalar(r, "skew", "0.99", parseFloat(0, 10), &s.Mix.Skew)},
		field{"statements", scalar(r, "statements", "4", parseCount(1, 1000), &s.Mix.Statements)},
		field{"large", scalar(r, "large", "2.5%, or 0", parsePart, &large)},
		field{"rules", scalar(r, "rules", "plain, references or clashes", parseRules, &s.Mix.Rules)},
		field{"counters", scalar(r, "counters", "yes", parseBool, &s.Mix.Counters)},
		field{"numbers", scalar(r, "numbers", "none, given or chosen", parseNumbers, &s.Mix.Numbers)},
		field{"cascades", scalar(r, "cascades", "yes", parseBool, &s.Mix.Cascades)},
		field{"restrict", scalar(r, "restrict", "yes", parseBool, &s.Mix.Restrict)},
		field{"tables", func(n ast.Node) { l.list(n, l.table) }},
		field{"mix", func(n ast.Node) {
			count := parseCount(0, 1000)
			l.mapping(n, "mix",
				field{"insert", scalar(r, "insert", "20", count, &s.Mix.Insert)},
				field{"update", scalar(r, "update", "70", count, &s.Mix.Update)},
				field{"delete", scalar(r, "delete", "10", count, &s.Mix.Delete)})
		}},
		field{"rates", func(n ast.Node) {
			l.list(n, func(n ast.Node) {
				other := Load{Hours: everywhere.Hours}
				l.mapping(n, "rates", append(l.load(&other), field{"sites", l.names(&other.Sites)})...)
				if len(other.Sites) == 0 {
					l.bad(n, "rates: it does not say where: add sites: [clinic-1]")
				}
				rates = append(rates, other)
			})
		}})...)
	if large == 0 {
		s.Mix.LargeOneIn = -1
	} else if large > 0 {
		s.Mix.LargeOneIn = max(int(1/large+0.5), 1)
	}
	for _, other := range rates {
		everywhere.Sites = slices.DeleteFunc(everywhere.Sites, func(i int) bool { return slices.Contains(other.Sites, i) })
	}
	for _, load := range append([]Load{everywhere}, rates...) {
		if load.PerSecond > 0 && len(load.Sites) > 0 {
			s.Load = append(s.Load, load)
		}
	}
}

// load returns the keys that tell how often some sites write.
func (l *loader) load(into *Load) []field {
	r := &l.reader
	return []field{
		{"rate", scalar(r, "rate", "2/s, 30/min, 5/h or 10/day at each site", parseRate, &into.PerSecond)},
		{"hours", func(n ast.Node) {
			into.Hours = nil
			l.list(n, func(n ast.Node) {
				var w sim.Window
				scalar(r, "hours", "[08:00-17:00]", parseWindow, &w)(n)
				into.Hours = append(into.Hours, w)
			})
		}},
		{"from", scalar(r, "from", "5m", parseLength, &into.From)},
		{"until", scalar(r, "until", "1h", parseLength, &into.Until)},
	}
}

func parseRules(s string) (sim.Rules, error) {
	r, ok := sim.RulesNamed(s)
	if !ok {
		return r, fmt.Errorf("%q is not a set of rules", s)
	}
	return r, nil
}

func parseNumbers(s string) (sim.Numbers, error) {
	n, ok := sim.NumbersNamed(s)
	if !ok {
		return n, fmt.Errorf("%q is not a way to number rows", s)
	}
	return n, nil
}

func (l *loader) table(n ast.Node) {
	var name string
	scalar(&l.reader, "tables", "["+strings.Join(sim.Tables(), ", ")+"]", func(s string) (string, error) {
		if !slices.Contains(sim.Tables(), s) {
			return "", fmt.Errorf("there is no table %q", s)
		}
		return s, nil
	}, &name)(n)
	if name != "" {
		l.s.Mix.Tables = append(l.s.Mix.Tables, name)
	}
}

// transaction reads one that is named by its seed.
func (l *loader) transaction(n ast.Node) {
	op, r := sim.Op{Site: -1}, &l.reader
	var sites []int
	l.mapping(n, "transactions",
		field{"at", scalar(r, "at", "1.5s", parseLength, &op.At)},
		field{"site", l.names(&sites)},
		field{"seed", scalar(r, "seed", "42", parseSeed, &op.Seed)},
		field{"at_begin", scalar(r, "at_begin", "yes", parseBool, &op.AtBegin)})
	if len(sites) != 1 {
		l.bad(n, "transactions: this should be at one site: add site: %s", l.s.firstSite())
		return
	}
	op.Site = sites[0]
	l.s.Transactions = append(l.s.Transactions, op)
}

func (s *Scenario) firstSite() string {
	if len(s.Sites) > 0 {
		return s.Sites[0].Name
	}
	return "s1"
}

// cutKind is the fault that cuts the lines that it names; all others are those
// of package sim.
const cutKind = "cut"

// What a kind of fault takes.
type takes struct{ sites, needsFor bool }

var faultKinds = func() map[string]takes {
	kinds := map[string]takes{cutKind: {sites: true, needsFor: true}}
	for _, k := range sim.FaultKinds() {
		kinds[k.String()] = takes{
			sites: slices.Contains([]sim.FaultKind{
				sim.One, sim.Halves, sim.MajorityMinority, sim.OneWay, sim.Flapping,
				sim.ClockBump, sim.ClockStuck, sim.ClockDrift, sim.Crash, sim.ClockStrobe,
				sim.Restored, sim.PastDeletes, sim.StepBack, sim.DiskLost, sim.BothLost, sim.Left,
			}, k),
			needsFor: k <= sim.Flapping || k == sim.Crash || k == sim.ClockStrobe || k == sim.Restored || k == sim.PastDeletes || k == sim.DiskLost || k == sim.BothLost || k == sim.TwoLost,
		}
	}
	return kinds
}()

func (l *loader) faultKind(into *[]string) func(ast.Node) {
	example := "halves, crash or clock bump"
	return func(n ast.Node) {
		l.list(n, func(n ast.Node) {
			var kind string
			scalar(&l.reader, "fault", example, func(s string) (string, error) {
				if _, known := faultKinds[s]; !known {
					var names []string
					for name := range faultKinds {
						names = append(names, name)
					}
					slices.Sort(names)
					return "", fmt.Errorf("there is no fault %q (there are %s)", s, strings.Join(names, ", "))
				}
				return s, nil
			}, &kind)(n)
			if kind != "" {
				*into = append(*into, kind)
			}
		})
	}
}

func (l *loader) fault(n ast.Node) {
	f, r := Fault{Until: l.s.Duration}, &l.reader
	var ends []map[int]bool
	before := len(l.problems)
	l.mapping(n, "faults",
		field{"at", scalar(r, "at", "10m", parseLength, &f.At)},
		field{"for", scalar(r, "for", "30s", parseLength, &f.For)},
		field{"fault", l.faultKind(&f.Kinds)},
		field{"every", scalar(r, "every", "20m", parseLength, &f.Every)},
		field{"until", scalar(r, "until", "1h", parseLength, &f.Until)},
		field{"sites", l.names(&f.Sites)},
		field{"between", l.between(&ends)},
		field{"by", scalar(r, "by", "-57y, or 3m", parseDuration, &f.By)},
		field{"drift", scalar(r, "drift", "50 ppm", parsePPM, &f.PPM)},
		field{"seed", func(n ast.Node) {
			f.Seeded = true
			scalar(r, "seed", "42", parseSeed, &f.Seed)(n)
		}})
	if len(l.problems) > before {
		return
	}
	if len(ends) == 2 {
		f.Sites, f.Others = numbers(ends[0]), numbers(ends[1])
	}
	if why := f.wrong(); why != "" {
		l.bad(n, "faults: %s", why)
		return
	}
	l.s.Faults = append(l.s.Faults, f)
}

// wrong tells what in a fault does not go together.
func (f *Fault) wrong() string {
	if len(f.Kinds) == 0 {
		return "it does not say what goes wrong: add fault: halves"
	}
	for _, kind := range f.Kinds {
		t := faultKinds[kind]
		switch {
		case t.needsFor && f.For <= 0 && !f.Seeded:
			return kind + ": it does not say how long: add for: 30s"
		case len(f.Sites) > 0 && !t.sites:
			return kind + ": it strikes where it is drawn to: take sites and between out, or use a seed to draw others"
		case f.Others != nil && kind != cutKind && kind != sim.OneWay.String():
			return kind + ": between is for cut and one-way: use sites"
		case kind == cutKind && f.Others == nil && len(f.Sites) == 0:
			return "cut: it does not say which lines: add between: [hub, clinic-*]"
		case f.By != 0 && (kind != sim.ClockBump.String() || len(f.Sites) == 0):
			return kind + ": by is for fault: clock bump with sites: [clinic-1]"
		case f.PPM != 0 && (kind != sim.ClockDrift.String() || len(f.Sites) == 0):
			return kind + ": drift is for fault: clock drift with sites: [clinic-1]"
		case kind == sim.ClockBump.String() && len(f.Sites) > 0 && f.By == 0:
			return "clock bump: it does not say how far: add by: 3m"
		case kind == sim.ClockDrift.String() && len(f.Sites) > 0 && f.PPM == 0:
			return "clock drift: it does not say how fast: add drift: 50 ppm"
		case f.Every > 0 && f.Every < time.Second:
			return "every: less than a second: make it longer"
		}
	}
	return ""
}

func numbers(set map[int]bool) []int {
	var list []int
	for i := range set {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}
