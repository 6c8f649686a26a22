package sweep

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"
)

// Interval is the mean over seeds with Student's 95 % interval of it. With one
// seed there is no interval: both ends are the mean.
type Interval struct {
	N               int
	Mean, Low, High float64
}

// student are the 97.5 % quantiles of Student's distribution by degrees of
// freedom, from 1.
var student = []float64{
	12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
	2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
}

// normal is the same quantile of the normal distribution; what Student's adds
// to it beyond the table is about 2.4 through the degrees of freedom.
const normal, beyond = 1.960, 2.4

// NewInterval works out the interval of some values.
func NewInterval(values []float64) Interval {
	n := len(values)
	if n == 0 {
		return Interval{}
	}
	var mean, squares float64
	for _, v := range values {
		mean += v / float64(n)
	}
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	if n == 1 {
		return Interval{1, mean, mean, mean}
	}
	t := normal + beyond/float64(n-1)
	if n-1 <= len(student) {
		t = student[n-2]
	}
	half := t * math.Sqrt(squares/float64(n-1)/float64(n))
	return Interval{n, mean, mean - half, mean + half}
}

// Interval is that of a figure at a point, over the runs that have it.
func (s *Sweep) Interval(results []Result, point, metric int) Interval {
	var values []float64
	for i := range results {
		if r := &results[i]; r.Point == point && r.Figures != nil {
			values = append(values, r.Figures[metric])
		}
	}
	return NewInterval(values)
}

// WriteSummary writes a line for each point and figure.
func (s *Sweep) WriteSummary(w io.Writer, results []Result) error {
	out := csv.NewWriter(w)
	var head []string
	for _, a := range s.Axes {
		head = append(head, a.Name)
	}
	rows := [][]string{append(head, "figure", "unit", "seeds", "mean", "low_95", "high_95")}
	for p := range s.Points {
		for m, metric := range s.Metrics() {
			v := s.Interval(results, p, m)
			if v.N > 0 {
				rows = append(rows, append(s.Labels(&s.Points[p]), metric.Name, metric.Unit, strconv.Itoa(v.N), decimal(v.Mean), decimal(v.Low), decimal(v.High)))
			}
		}
	}
	return out.WriteAll(rows)
}
