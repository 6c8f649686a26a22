package sweep

import (
	"slices"

	"baraza/sim/counterfactual"
	"baraza/sim/measure"
	"baraza/sim/scenario"
)

// Sweep is a sweep file that has been read and found good.
type Sweep struct {
	File        string
	Name, About string
	Seeds       []uint64
	Axes        []Axis
	Plots       []Plot
	// Counterfactual: the figures of package counterfactual are counted too.
	Counterfactual bool
	Points         []Point
}

// Axis is something that is varied.
type Axis struct {
	Name   string
	Values []Value
	line   int
}

// Value is one value of an axis: what is put where.
type Value struct {
	Label string
	set   []setting
	line  int
}

type setting struct {
	path string
	to   *scenario.Node
}

// Plot is a figure over the values of one axis, with a line for each value of
// another. The rest of the axes make a plot for each combination.
type Plot struct {
	Metric   measure.Metric
	Title    string
	Over, By int // axes; By is -1 when there is one line only
	Log      bool
}

// Point is one scenario of the grid.
type Point struct {
	Values   []int // by axis
	Scenario *scenario.Scenario
	Hash     string // of all that makes the scenario
}

// Run is a point with a seed.
type Run struct {
	Point int
	Seed  uint64
}

// Runs lists all runs, the seeds outermost, so that a sweep that is stopped has
// something of every point.
func (s *Sweep) Runs() []Run {
	var list []Run
	for _, seed := range s.Seeds {
		for p := range s.Points {
			list = append(list, Run{p, seed})
		}
	}
	return list
}

// Labels are the values of a point, by axis.
func (s *Sweep) Labels(p *Point) []string {
	var list []string
	for i, v := range p.Values {
		list = append(list, s.Axes[i].Values[v].Label)
	}
	return list
}

// Metrics are the figures of each run.
func (s *Sweep) Metrics() []measure.Metric {
	list := slices.Clone(measure.Metrics)
	if s.Counterfactual {
		for _, m := range counterfactual.Metrics {
			named, _ := counterfactual.Named(m.Name)
			list = append(list, named)
		}
	}
	return list
}
