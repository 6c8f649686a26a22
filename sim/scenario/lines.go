package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"baraza/sim"
)

// line reads what a line is like over what it is already.
func (l *loader) line(n ast.Node, what string, into *sim.Line, more ...field) {
	r := &l.reader
	l.mapping(n, what, append(more,
		field{"latency", func(n ast.Node) { l.latency(n, into) }},
		field{"bandwidth", scalar(r, "bandwidth", "64 kbit/s or 8 kB/s", parseBandwidth, &into.BytesPerSecond)},
		field{"loss", scalar(r, "loss", "1%", parsePart, &into.Loss)},
		field{"duplicate", scalar(r, "duplicate", "1%", parsePart, &into.Duplicate)},
		field{"reorder", scalar(r, "reorder", "1%", parsePart, &into.Reorder)},
		field{"breaks_every", scalar(r, "breaks_every", "10m", parseLength, &into.BreakEvery)},
		field{"open", func(n ast.Node) {
			into.Open = nil
			l.list(n, func(n ast.Node) {
				var w sim.Window
				scalar(r, "open", "[08:00-09:30]", parseWindow, &w)(n)
				into.Open = append(into.Open, w)
			})
		}})...)
}

func (l *loader) latency(n ast.Node, into *sim.Line) {
	r := &l.reader
	lat := sim.Latency{}
	into.Trace = nil
	if !isMapping(n) {
		scalar(r, "latency", "100ms, {uniform: [20ms, 80ms]}, {median: 80ms, sigma: 0.5} or {file: line.csv}", parseLength, &lat.Base)(n)
		into.Latency = lat
		return
	}
	var span []time.Duration
	var file string
	var fileAt ast.Node
	l.mapping(n, "latency",
		field{"uniform", func(n ast.Node) {
			l.list(n, func(n ast.Node) {
				var d time.Duration
				scalar(r, "uniform", "[20ms, 80ms]", parseLength, &d)(n)
				span = append(span, d)
			})
			if len(span) != 2 || span[1] < span[0] {
				l.bad(n, "uniform: this should be the least and the greatest: write it as in [20ms, 80ms]")
				span = nil
			}
		}},
		field{"median", scalar(r, "median", "80ms", parseLength, &lat.Base)},
		field{"sigma", scalar(r, "sigma", "0.5", parseFloat(0, 5), &lat.Sigma)},
		field{"file", func(n ast.Node) {
			fileAt = n
			scalar(r, "file", "line.csv", parseText, &file)(n)
		}})
	switch {
	case file != "":
		into.Trace = l.trace(fileAt, file)
		if into.Trace != nil {
			lat.Base = into.Trace.Median()
		}
	case span != nil:
		lat = sim.Latency{Kind: sim.Uniform, Base: span[0], Spread: span[1] - span[0]}
	default:
		lat.Kind = sim.LogNormal
	}
	into.Latency = lat
}

// trace reads a file of measured latencies: one in milliseconds a line, or the
// time in seconds before it.
func (l *loader) trace(n ast.Node, name string) *sim.LatencyTrace {
	text, err := l.open(name)
	if err != nil {
		l.bad(n, "file: %v: give the path of a file from where the scenario lies", err)
		return nil
	}
	l.s.Files[name] = text
	t := &sim.LatencyTrace{}
	for i, row := range strings.Split(text, "\n") {
		row = strings.TrimSpace(row)
		if row == "" || strings.HasPrefix(row, "#") {
			continue
		}
		numbers, err := parseRow(row)
		if err != nil || len(numbers) > 2 || len(t.Latencies) > 0 && (len(numbers) == 2) != (len(t.At) > 0) {
			l.bad(n, "%s:%d: %q is not a latency: write milliseconds, or seconds,milliseconds, in every line", name, i+1, row)
			return nil
		}
		if len(numbers) == 2 {
			at := time.Duration(numbers[0] * float64(time.Second))
			if k := len(t.At); k > 0 && at < t.At[k-1] {
				l.bad(n, "%s:%d: the time goes back: sort the lines", name, i+1)
				return nil
			}
			t.At = append(t.At, at)
		}
		t.Latencies = append(t.Latencies, time.Duration(numbers[len(numbers)-1]*float64(time.Millisecond)))
	}
	if len(t.Latencies) == 0 {
		l.bad(n, "%s: there is no latency in it: write milliseconds, one a line", name)
		return nil
	}
	return t
}

func parseRow(row string) ([]float64, error) {
	var numbers []float64
	for _, part := range strings.FieldsFunc(row, func(c rune) bool { return c == ',' || c == ';' || c == '\t' || c == ' ' }) {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || n < 0 || n > 1e9 {
			return nil, fmt.Errorf("%q is not a number that a latency can be", part)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// rule reads what the lines between some sites are like.
func (l *loader) rule(n ast.Node) {
	rule := Rule{Line: l.s.Line}
	rule.Line.Open = slices.Clone(rule.Line.Open)
	var ends []map[int]bool
	l.line(n, "lines", &rule.Line, field{"between", l.between(&ends)})
	if len(ends) != 2 {
		l.bad(n, "lines: it does not say which: add between: [hub, clinic-*]")
		return
	}
	rule.A, rule.B = ends[0], ends[1]
	l.s.Rules = append(l.s.Rules, rule)
}

// between reads two names or patterns.
func (l *loader) between(ends *[]map[int]bool) func(ast.Node) {
	return func(n ast.Node) {
		l.list(n, func(n ast.Node) { *ends = append(*ends, l.pattern(n)) })
		if len(*ends) != 2 {
			l.bad(n, "between: this should be two sites or patterns: write it as in [hub, clinic-*]")
			*ends = make([]map[int]bool, 2)
		}
	}
}

// courier reads who carries bundles between two sites, or between one and some.
func (l *loader) courier(n ast.Node) {
	c, r := sim.Courier{Every: 24 * time.Hour, Trip: 2 * time.Hour}, &l.reader
	var ends []map[int]bool
	before := len(l.problems)
	l.mapping(n, "couriers",
		field{"between", l.between(&ends)},
		field{"at", scalar(r, "at", "9h", parseLength, &c.At)},
		field{"every", scalar(r, "every", "1d", parseLength, &c.Every)},
		field{"trip", scalar(r, "trip", "2h", parseLength, &c.Trip)},
		field{"loss", scalar(r, "loss", "5%", parsePart, &c.Loss)})
	switch {
	case len(l.problems) > before:
		return
	case len(ends) != 2:
		l.bad(n, "couriers: it does not say from where to where: add between: [hub, clinic-*]")
		return
	case c.Every < time.Second:
		l.bad(n, "couriers: every: less than a second: make it longer")
		return
	}
	for _, a := range numbers(ends[0]) {
		for _, b := range numbers(ends[1]) {
			if a == b {
				l.bad(n, "couriers: from a site to itself: name two sites in between")
				return
			}
			c.A, c.B = a, b
			l.s.Couriers = append(l.s.Couriers, c)
		}
	}
}
