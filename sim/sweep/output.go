package sweep

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"baraza/sim/report"
)

// Write writes what came of a sweep beside its table: summary.csv, report.html
// and a file for each plot.
func (s *Sweep) Write(dir string, results []Result, program string) error {
	plots, names := s.draw(results)
	p := &report.LinesPage{Title: s.Name, About: s.About, Plots: plots, Verdict: s.Verdict(results), Held: s.Failed(results) == 0}
	if p.Title == "" {
		p.Title = s.File
	}
	for _, a := range s.Axes {
		var labels []string
		for _, v := range a.Values {
			labels = append(labels, v.Label)
		}
		p.Facts = append(p.Facts, [2]string{a.Name, strings.Join(labels, ", ")})
	}
	p.Facts = append(p.Facts, [2]string{"seeds", fmt.Sprint(len(s.Seeds))}, [2]string{"runs", fmt.Sprint(len(results))}, [2]string{"baraza", program})
	files := map[string]func(io.Writer) error{
		"summary.csv": func(w io.Writer) error { return s.WriteSummary(w, results) },
		"report.html": func(w io.Writer) error { return report.WriteLines(w, p) },
	}
	for i := range plots {
		files[names[i]+".svg"] = func(w io.Writer) error {
			_, err := io.WriteString(w, plots[i].SVG())
			return err
		}
	}
	for name, write := range files {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			return fmt.Errorf("writing %s: %w", f.Name(), err)
		}
	}
	return nil
}

// Failed is how many runs did not hold.
func (s *Sweep) Failed(results []Result) (n int) {
	for i := range results {
		if results[i].Outcome != Held {
			n++
		}
	}
	return n
}

// Verdict is the outcome in words.
func (s *Sweep) Verdict(results []Result) string {
	if n := s.Failed(results); n > 0 {
		return fmt.Sprintf("%d of %d runs did not hold: see the column result of %s", n, len(results), runsFile)
	}
	return fmt.Sprintf("all %d runs held", len(results))
}

// draw makes the plots, with the names of their files.
func (s *Sweep) draw(results []Result) (plots []report.Lines, names []string) {
	metrics := s.Metrics()
	for i := range s.Plots {
		p := &s.Plots[i]
		var metric int
		for m := range metrics {
			if metrics[m].Name == p.Metric.Name {
				metric = m
			}
		}
		for _, group := range s.groups(p) {
			l := report.Lines{Title: p.Title, About: "Figure " + p.Metric.Name + ".", Unit: p.Metric.Unit, Over: s.Axes[p.Over].Name, Log: p.Log}
			for _, v := range s.Axes[p.Over].Values {
				l.X = append(l.X, v.Label)
			}
			if group.name != "" {
				l.Title += ", " + group.name
			}
			for _, line := range group.lines {
				series := report.Series{Name: line.name}
				for _, point := range line.points {
					v := s.Interval(results, point, metric)
					series.Points = append(series.Points, report.Estimate(v))
				}
				l.Series = append(l.Series, series)
			}
			plots = append(plots, l)
			names = append(names, fileName(p.Metric.Name+" "+group.name, names))
		}
	}
	return plots, names
}

// fileName makes a name for a file that is not yet taken.
func fileName(text string, taken []string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, text), "-")
	for base, n := name, 2; slices.Contains(taken, name); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

// group is one plot: what the axes are that it does not show, and its lines.
type group struct {
	name  string
	lines []line
}

type line struct {
	name   string
	points []int // by the values of the axis below
}

// groups sorts the points into plots and lines, in their order.
func (s *Sweep) groups(p *Plot) (list []group) {
	for point := range s.Points {
		var rest []string
		lineName := ""
		for axis, v := range s.Points[point].Values {
			label := s.Axes[axis].Values[v].Label
			switch axis {
			case p.Over:
			case p.By:
				lineName = label
			default:
				rest = append(rest, s.Axes[axis].Name+" "+label)
			}
		}
		name := strings.Join(rest, ", ")
		g := slices.IndexFunc(list, func(g group) bool { return g.name == name })
		if g < 0 {
			g, list = len(list), append(list, group{name: name})
		}
		lines := &list[g].lines
		l := slices.IndexFunc(*lines, func(l line) bool { return l.name == lineName })
		if l < 0 {
			l, *lines = len(*lines), append(*lines, line{name: lineName, points: make([]int, len(s.Axes[p.Over].Values))})
		}
		(*lines)[l].points[s.Points[point].Values[p.Over]] = point
	}
	return list
}
