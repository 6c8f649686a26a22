package scenario

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"baraza/sim"
	"baraza/sim/measure"
)

const (
	sitesMax     = 10_000
	fileBytesMax = 64 << 20
	samplesMax   = 100_000
	// samplesUsual is how many measurements a run has that names no interval.
	samplesUsual = 500
	// spacetimeUsual is how many sites and how long a run may be for the
	// diagram of its messages to be drawn unasked.
	spacetimeSites, spacetimeUsual = 12, 2 * time.Minute
)

// LoadFile reads a scenario file. The files that it names lie beside it.
func LoadFile(name string) (*Scenario, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err
	}
	return Read(name, text, func(other string) (string, error) {
		return readFile(filepath.Join(filepath.Dir(name), filepath.FromSlash(other)))
	})
}

func readFile(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("%w: give the path of a scenario file", err)
	}
	if info.Size() > fileBytesMax {
		return "", fmt.Errorf("%s: %d bytes, at most %d can be read: give another file", name, info.Size(), fileBytesMax)
	}
	b, err := os.ReadFile(name)
	return string(b), err
}

// Read reads a scenario. open returns the text of a file that it names. What is
// wrong comes back as Problems.
func Read(file, text string, open func(name string) (string, error)) (*Scenario, error) {
	s := &Scenario{
		File: file, Text: text, Files: map[string]string{}, Seed: 1, Settle: 30 * time.Minute, Trace: true, Rows: 100,
		Topology: Topology{Kind: "mesh"}, Line: sim.Line{Latency: sim.Latency{Base: 50 * time.Millisecond}},
	}
	l := &loader{reader: reader{file: file, anchors: map[string]ast.Node{}}, s: s, open: open, spacetime: [2]time.Duration{0, -1}}
	if root := l.root([]byte(text)); root != nil {
		l.scenario(root)
	}
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	return s, nil
}

// loader fills a scenario. What refers to sites is read once they are known.
type loader struct {
	reader
	s         *Scenario
	open      func(name string) (string, error)
	spacetime [2]time.Duration // from, how long
	later     []func()
}

// after puts the reading of a value off until the sites are known.
func (l *loader) after(read func(ast.Node)) func(ast.Node) {
	return func(n ast.Node) { l.later = append(l.later, func() { read(n) }) }
}

func (l *loader) scenario(root ast.Node) {
	s := l.s
	l.mapping(root, "scenario",
		field{"name", scalar(&l.reader, "name", "Three clinics", parseText, &s.Name)},
		field{"about", scalar(&l.reader, "about", "a sentence", parseText, &s.About)},
		field{"seed", scalar(&l.reader, "seed", "42", parseSeed, &s.Seed)},
		field{"duration", scalar(&l.reader, "duration", "10m or 3d", parseLength, &s.Duration)},
		field{"settle", l.settle},
		field{"sample", scalar(&l.reader, "sample", "1s", parseLength, &s.Sample)},
		field{"among", l.after(l.names(&s.Among))},
		field{"check", l.check},
		field{"publish", scalar(&l.reader, "publish", "5m", parseLength, &s.Publish)},
		field{"administrator", scalar(&l.reader, "administrator", "yes", parseBool, &s.Administrator)},
		field{"trace", scalar(&l.reader, "trace", "no", parseBool, &s.Trace)},
		field{"spacetime", l.drawn},
		field{"max_drift", scalar(&l.reader, "max_drift", "5m", parseLength, &s.MaxDrift)},
		field{"sites", l.sites},
		field{"topology", l.topology},
		field{"exchange", l.exchange},
		field{"line", func(n ast.Node) { l.line(n, "line", &s.Line) }},
		field{"lines", l.after(func(n ast.Node) { l.list(n, l.rule) })},
		field{"couriers", l.after(func(n ast.Node) { l.list(n, l.courier) })},
		field{"workload", l.after(l.workload)},
		field{"transactions", l.after(func(n ast.Node) { l.list(n, l.transaction) })},
		field{"settings", l.after(func(n ast.Node) { l.list(n, l.setting) })},
		field{"added", l.after(func(n ast.Node) { l.list(n, l.adding) })},
		field{"faults", l.after(func(n ast.Node) { l.list(n, l.fault) })},
		field{"expect", func(n ast.Node) { l.list(n, l.expect) }},
	)
	for _, do := range l.later {
		do()
	}
	l.whole(root)
}

// whole completes what was left out and checks what one value alone cannot
// tell.
func (l *loader) whole(root ast.Node) {
	s := l.s
	for _, op := range s.Transactions {
		s.Duration = max(s.Duration, op.At)
	}
	for _, x := range s.Settings {
		s.Duration = max(s.Duration, x.At)
	}
	for _, a := range s.Adds {
		s.Duration = max(s.Duration, a.At)
	}
	if s.Duration <= 0 {
		l.bad(root, "duration: there is none: add a line duration: 10m")
	}
	if len(s.Sites) < 2 {
		l.bad(root, "sites: %d are too few: add a line sites: 3", len(s.Sites))
	}
	if s.Sample == 0 {
		s.Sample = max(s.Duration/samplesUsual, time.Millisecond)
	}
	if s.Duration/s.Sample > samplesMax {
		l.bad(root, "sample: every %v in %v makes more than %d measurements: make it longer", s.Sample, s.Duration, samplesMax)
	}
	if l.spacetime[1] < 0 && len(s.Sites) <= spacetimeSites {
		l.spacetime[1] = spacetimeUsual
	}
	s.Spacetime = [2]time.Duration{l.spacetime[0], l.spacetime[0] + max(l.spacetime[1], 0)}
	if len(s.Adds) > 0 && (s.loses() || len(s.joins()) > 0) {
		l.bad(root, "added: this cannot be simulated with sites that join, or databases or disks that are lost: take those out")
	}
	if s.Topology.Kind == "lines" && len(s.Rules) == 0 {
		l.bad(root, "topology: lines, and there are none: add lines: [{between: [a, b]}]")
	}
}

func (l *loader) drawn(n ast.Node) {
	const example = "30s, {from: 10m, for: 30s}, or 0s for none"
	if !isMapping(n) {
		scalar(&l.reader, "spacetime", example, parseLength, &l.spacetime[1])(n)
		return
	}
	l.spacetime[1] = spacetimeUsual
	l.mapping(n, "spacetime",
		field{"from", scalar(&l.reader, "from", "10m", parseLength, &l.spacetime[0])},
		field{"for", scalar(&l.reader, "for", "30s", parseLength, &l.spacetime[1])})
}

func (l *loader) settle(n ast.Node) {
	if text, ok := l.text(n, "settle", "30m, or no"); ok && text == "no" || text == "false" {
		l.s.Settle = 0
		return
	}
	scalar(&l.reader, "settle", "30m, or no to end without", parseLength, &l.s.Settle)(n)
}

// checks are how much is checked, by the names that scenarios use.
var checks = map[string]sim.Checks{"steps": sim.CheckIncremental, "all": sim.CheckFull, "none": sim.CheckNone}

func (l *loader) check(n ast.Node) {
	scalar(&l.reader, "check", "steps, all or none", func(text string) (sim.Checks, error) {
		c, ok := checks[text]
		if !ok {
			return 0, fmt.Errorf("%q is not known", text)
		}
		return c, nil
	}, &l.s.Checks)(n)
}

// shapes are the topologies.
var shapes = []string{"mesh", "ring", "chain", "star", "tree", "random", "lines"}

func (l *loader) topology(n ast.Node) {
	t := &l.s.Topology
	kind := scalar(&l.reader, "topology", strings.Join(shapes, ", "), func(s string) (string, error) {
		if !slices.Contains(shapes, s) {
			return "", fmt.Errorf("%q is not known", s)
		}
		return s, nil
	}, &t.Kind)
	t.Degree = 4
	if !isMapping(n) {
		kind(n)
		return
	}
	l.mapping(n, "topology", field{"kind", kind}, field{"degree", scalar(&l.reader, "degree", "4", parseCount(1, 1000), &t.Degree)})
}

func (l *loader) exchange(n ast.Node) {
	e := &l.s.Exchange
	kind := scalar(&l.reader, "exchange", strings.Join(sim.ExchangeKinds, ", "), func(s string) (sim.ExchangeKind, error) {
		i := slices.Index(sim.ExchangeKinds, s)
		if i < 0 {
			return 0, fmt.Errorf("%q is not known", s)
		}
		return sim.ExchangeKind(i), nil
	}, &e.Kind)
	if !isMapping(n) {
		kind(n)
	} else {
		l.mapping(n, "exchange", field{"kind", kind}, field{"every", scalar(&l.reader, "every", "30s", parseLength, &e.Every)})
	}
	if err := e.Check(); err != nil {
		l.bad(n, "%v", err)
	}
}

func (l *loader) sites(n ast.Node) {
	if _, is := n.(*ast.SequenceNode); !is && !isMapping(n) {
		var count int
		scalar(&l.reader, "sites", "5, or a list of names", parseCount(2, sitesMax), &count)(n)
		for i := range count {
			l.s.Sites = append(l.s.Sites, Site{Name: fmt.Sprintf("s%d", i+1)})
		}
		return
	}
	l.list(n, l.site)
}

func (l *loader) site(n ast.Node) {
	site, count := Site{}, 0
	name := scalar(&l.reader, "site", "hub", parseName, &site.Name)
	if !isMapping(n) {
		name(n)
	} else {
		l.mapping(n, "site",
			field{"name", name},
			field{"count", scalar(&l.reader, "count", "12", parseCount(1, sitesMax), &count)},
			field{"joins", scalar(&l.reader, "joins", "10m", parseLength, &site.Joins)},
			field{"clock", func(n ast.Node) {
				l.mapping(n, "clock",
					field{"off", scalar(&l.reader, "off", "-57y, or 3m", parseDuration, &site.Clock.Off)},
					field{"drift", scalar(&l.reader, "drift", "50 ppm", parsePPM, &site.Clock.PPM)},
					field{"stuck", scalar(&l.reader, "stuck", "yes", parseBool, &site.Clock.Stuck)})
			}})
	}
	if site.Name == "" {
		site.Name = "s"
		count = max(count, 1)
	}
	if site.Joins > 0 && len(l.s.Sites) == 0 {
		l.bad(n, "site: the first site is there from the beginning, for others to join: take joins out")
	}
	base, all := site.Name, max(count, 1)
	for i := range all {
		if count > 0 {
			site.Name = fmt.Sprintf("%s-%d", base, i+1)
		}
		if slices.ContainsFunc(l.s.Sites, func(other Site) bool { return other.Name == site.Name }) {
			l.bad(n, "site: %q is there twice: give each a name of its own", site.Name)
			return
		}
		l.s.Sites = append(l.s.Sites, site)
	}
	if len(l.s.Sites) > sitesMax {
		l.bad(n, "site: more than %d sites: take fewer", sitesMax)
		l.s.Sites = l.s.Sites[:sitesMax]
	}
}

func parseName(s string) (string, error) {
	if s == "" || strings.ContainsAny(s, " *?[]>") {
		return "", fmt.Errorf("%q cannot be a name", s)
	}
	return s, nil
}

// names reads a list of site names and patterns into numbers, sorted.
func (l *loader) names(into *[]int) func(ast.Node) {
	return func(n ast.Node) {
		found := map[int]bool{}
		l.list(n, func(n ast.Node) {
			for i := range l.pattern(n) {
				found[i] = true
			}
		})
		for i := range found {
			*into = append(*into, i)
		}
		slices.Sort(*into)
	}
}

// pattern returns the sites that one name or pattern names.
func (l *loader) pattern(n ast.Node) map[int]bool {
	found := map[int]bool{}
	text, ok := l.text(n, "site", "clinic-1, or clinic-*")
	if !ok {
		return found
	}
	for i, s := range l.s.Sites {
		if match, err := path.Match(text, s.Name); match && err == nil {
			found[i] = true
		}
	}
	if len(found) == 0 {
		var some []string
		for _, s := range l.s.Sites[:min(len(l.s.Sites), 5)] {
			some = append(some, s.Name)
		}
		l.bad(n, "site: %q names no site: there are %s…", text, strings.Join(some, ", "))
	}
	return found
}

// expect reads a bound.
func (l *loader) expect(n ast.Node) {
	var b Bound
	scalar(&l.reader, "expect", "messages_per_change < 20", func(s string) (Bound, error) { return parseBound(s, measure.Metrics) }, &b)(n)
	if b.Metric != "" {
		l.s.Expect = append(l.s.Expect, b)
	}
}
