package report

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"baraza/sim"
	"baraza/sim/measure"
	"baraza/sim/scenario"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// The widths, in pixels, at which each plot is drawn.
const wideFigure, narrowFigure = 860, 360

type shown struct {
	Title, About string
	Keys         []key
	Wide, Narrow template.HTML
}

type figureRow struct{ Name, Value, About string }

type bound struct {
	Text, Is string
	Held     bool
}

type faultRow struct{ From, Length, What, Where string }

type pageData struct {
	Title, About, Verdict string
	Held                  bool
	Facts                 []figureRow
	Bounds                []bound
	Plots                 []shown
	Figures               []figureRow
	Faults                []faultRow
	MoreFaults            int
	Scenario, Tail        string
}

// verdict is the sentence at the top.
func verdict(res *scenario.Result) string {
	switch {
	case !res.Held():
		return Verdict(res)
	case res.Scenario.Settle == 0:
		return "every promise held on the way; the sites were not given time to become equal"
	case res.Scenario.Checks == sim.CheckNone:
		return "all sites are equal at the end; nothing else was checked"
	}
	return "every promise held, and all sites are equal"
}

// faultRows is how many faults the page lists.
const faultRows = 60

// WritePage writes the page of a run.
func WritePage(w io.Writer, res *scenario.Result, program string) error {
	s, r := res.Scenario, res.Measured
	d := pageData{Title: s.Name, About: s.About, Verdict: verdict(res), Held: res.Held(), Scenario: s.Text}
	if d.Title == "" {
		d.Title = s.File
	}
	d.Facts = []figureRow{
		{"seed", fmt.Sprint(res.Seed), ""},
		{"sites", fmt.Sprint(len(s.Sites)), ""},
		{"lines", fmt.Sprint(len(r.Links)), ""},
		{"virtual time", measure.FormatDuration(res.Simulated), ""},
		{"steps", fmt.Sprint(res.Steps), ""},
		{"hash", HashText(res.Hash), ""},
		{"baraza", program, ""},
	}
	for _, b := range s.Expect {
		v, _ := r.Value(b.Metric)
		d.Bounds = append(d.Bounds, bound{b.Text, measure.Show(b.Metric, v), b.Holds(v)})
	}
	plots := []plot{divergence(r), staleness(r), arrival(r), overwrites(r), conflicts(r), traffic(r), costs(r, false), costs(r, true), links(r, s)}
	if len(r.Drawn) > 0 {
		plots = append(plots, spacetime(r, s))
	}
	for _, p := range plots {
		// What draw returns is made of numbers and of texts that it escapes.
		d.Plots = append(d.Plots, shown{p.Title, p.About, p.Keys, template.HTML(p.draw(wideFigure)), template.HTML(p.draw(narrowFigure))}) //nolint:gosec // as above
	}
	for _, m := range measure.Metrics {
		v, _ := r.Value(m.Name)
		d.Figures = append(d.Figures, figureRow{m.Name, measure.Show(m.Name, v), m.About})
	}
	d.faults(r, s)
	if res.Err != nil {
		for _, line := range res.Tail {
			d.Tail += line + "\n"
		}
	}
	return page.Execute(w, d)
}

func (d *pageData) faults(r *measure.Recorder, s *scenario.Scenario) {
	d.MoreFaults = max(len(r.Spans)-faultRows, 0)
	for _, span := range r.Spans[:min(len(r.Spans), faultRows)] {
		var where strings.Builder
		for i, site := range span.Sites {
			if i > 0 {
				where.WriteString(", ")
			}
			where.WriteString(s.Sites[site].Name)
		}
		d.Faults = append(d.Faults, faultRow{
			measure.FormatDuration(span.From), measure.FormatDuration((span.To - span.From).Round(time.Millisecond)), span.What, where.String(),
		})
	}
}
