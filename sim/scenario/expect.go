package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"baraza/sim/measure"
)

// Bound is what a scenario expects of a figure.
type Bound struct {
	Text, Metric, Op string
	Value            float64 // times in seconds
}

// ops are the comparisons, the longer first so that they are found first.
var ops = []string{"<=", ">=", "==", "<", ">"}

func parseBound(text string, metrics []measure.Metric) (Bound, error) {
	for _, op := range ops {
		name, value, ok := strings.Cut(text, op)
		if !ok {
			continue
		}
		b := Bound{Text: text, Metric: strings.TrimSpace(name), Op: op}
		i := slices.IndexFunc(metrics, func(m measure.Metric) bool { return m.Name == b.Metric })
		if i < 0 {
			var names []string
			for _, m := range metrics {
				names = append(names, m.Name)
			}
			return Bound{}, fmt.Errorf("there is no figure %q (there are %s)", b.Metric, strings.Join(names, ", "))
		}
		value = strings.TrimSpace(value)
		if metrics[i].Unit == "s" {
			d, err := parseLength(value)
			b.Value = d.Seconds()
			return b, err
		}
		v, err := strconv.ParseFloat(value, 64)
		b.Value = v
		return b, err
	}
	return Bound{}, fmt.Errorf("%q compares nothing", text)
}

// Holds reports whether a figure is as expected.
func (b Bound) Holds(v float64) bool {
	switch b.Op {
	case "<":
		return v < b.Value
	case "<=":
		return v <= b.Value
	case ">":
		return v > b.Value
	case ">=":
		return v >= b.Value
	}
	return v == b.Value
}
