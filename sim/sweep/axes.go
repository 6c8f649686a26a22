package sweep

import (
	"slices"
	"strings"

	"baraza/sim/counterfactual"
	"baraza/sim/measure"
	"baraza/sim/scenario"
)

// axis reads what is varied: a path with values, or values that each set
// several paths.
func (r *reader) axis(n *scenario.Node) {
	a := Axis{line: n.Line}
	var path string
	var values []*scenario.Node
	r.fields(n, "axes", map[string]func(*scenario.Node){
		"name":   r.text("name", "loss", &a.Name),
		"path":   r.text("path", "line.loss", &path),
		"values": func(n *scenario.Node) { list(n, func(v *scenario.Node) { values = append(values, v) }) },
	})
	if a.Name == "" {
		a.Name = path
	}
	for _, v := range values {
		r.value(&a, path, v)
	}
	switch same := func(other Axis) bool { return other.Name == a.Name }; {
	case a.Name == "":
		r.bad(n.Line, "axes: it has neither a name nor a path: add path: line.loss")
	case len(values) == 0:
		r.bad(n.Line, "axes: %s has no values: add values: [0%%, 1%%]", a.Name)
	case slices.ContainsFunc(r.s.Axes, same):
		r.bad(n.Line, "axes: %s is there twice: give it another name", a.Name)
	case slices.Contains([]string{"run", "seed", "result"}, a.Name):
		r.bad(n.Line, "axes: %q is a column of runs.csv: give the axis another name", a.Name)
	}
	r.s.Axes = append(r.s.Axes, a)
}

// value reads a value for the path of its axis, or {label, value}, or {label,
// set}.
func (r *reader) value(a *Axis, path string, n *scenario.Node) {
	v := Value{line: n.Line}
	if n.Kind != scenario.Mapping || n.Get("label") == nil {
		v.Label = strings.ReplaceAll(n.String(), `"`, "")
		v.set = []setting{{path, n}}
	} else {
		r.fields(n, "values", map[string]func(*scenario.Node){
			"label": r.text("label", "one hour", &v.Label),
			"value": func(n *scenario.Node) { v.set = append(v.set, setting{path, n}) },
			"set": func(n *scenario.Node) {
				if n.Kind != scenario.Mapping {
					r.bad(n.Line, "set: this should be paths with values, as in {duration: 2h, line.loss: 1%%}")
				}
				for i, key := range n.Keys {
					v.set = append(v.set, setting{key, n.Items[i]})
				}
			},
		})
	}
	switch {
	case len(v.set) == 0:
		r.bad(n.Line, "values: %s sets nothing: add value: 5m, or set: {duration: 2h}", v.Label)
	case path == "" && v.set[0].path == "":
		r.bad(n.Line, "values: %s is of an axis without a path: add the path, or write {label: x, set: {line.loss: 1%%}}", v.Label)
	case slices.ContainsFunc(a.Values, func(o Value) bool { return o.Label == v.Label }):
		r.bad(n.Line, "values: %s is there twice: take one out", v.Label)
	}
	a.Values = append(a.Values, v)
}

// plot reads what is to be drawn.
func (r *reader) plot(n *scenario.Node) {
	p := Plot{By: -1}
	var metric, over, by, scale string
	r.fields(n, "plots", map[string]func(*scenario.Node){
		"metric": r.text("metric", "stale_max", &metric),
		"title":  r.text("title", "How stale", &p.Title),
		"over":   r.text("over", "loss", &over),
		"by":     r.text("by", "topology", &by),
		"scale":  r.text("scale", "log", &scale),
	})
	if !slices.Contains([]string{"", "linear", "log"}, scale) {
		r.bad(n.Line, "scale: %q is not known: write linear or log", scale)
	}
	p.Log = scale == "log"
	i := slices.IndexFunc(measure.Metrics, func(m measure.Metric) bool { return m.Name == metric })
	named, other := counterfactual.Named(metric)
	switch {
	case i >= 0:
		p.Metric = measure.Metrics[i]
	case other && !r.s.Counterfactual:
		r.bad(n.Line, "metric: %s is counted only on demand: add a line counterfactual: yes", metric)
	case other:
		p.Metric = named
	default:
		r.bad(n.Line, "metric: there is no figure %q: use one of those that docs/scenarios.md lists, such as stale_max or conflicts", metric)
	}
	if p.Title == "" {
		p.Title = p.Metric.About
	}
	if p.Over = r.named(n, "over", over); by != "" {
		p.By = r.named(n, "by", by)
		if p.By == p.Over {
			r.bad(n.Line, "plots: over and by are the same axis: take by out")
		} else if p.By >= 0 && len(r.s.Axes[p.By].Values) > linesMax {
			r.bad(n.Line, "by: %s has %d values and a plot at most %d lines: swap over and by", by, len(r.s.Axes[p.By].Values), linesMax)
		}
	}
	r.s.Plots = append(r.s.Plots, p)
}

// named finds an axis.
func (r *reader) named(n *scenario.Node, key, name string) int {
	i := slices.IndexFunc(r.s.Axes, func(a Axis) bool { return a.Name == name })
	if i < 0 {
		var names []string
		for _, a := range r.s.Axes {
			names = append(names, a.Name)
		}
		r.bad(n.Line, "%s: there is no axis %q: use %s", key, name, strings.Join(names, ", "))
	}
	return i
}
