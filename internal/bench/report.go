package bench

import (
	"fmt"
	"math"
	"strings"
)

// bar is what design demands of a measurement. The zero bar demands nothing.
type bar struct {
	limit  float64
	atMost bool
	format string // how the limit and the value are printed, as in "%.2f×"
}

func atLeast(limit float64, format string) bar { return bar{limit: limit, format: format} }
func atMost(limit float64, format string) bar {
	return bar{limit: limit, atMost: true, format: format}
}

func (b bar) String() string {
	switch {
	case b.format == "":
		return ""
	case b.atMost:
		return "≤ " + fmt.Sprintf(b.format, b.limit)
	}
	return "≥ " + fmt.Sprintf(b.format, b.limit)
}

// verdict compares the value, not its printed form: 0.7496 does not meet 0.75.
func (b bar) verdict(value float64) string {
	if b.format == "" {
		return ""
	}
	if !math.IsNaN(value) && ((b.atMost && value <= b.limit) || (!b.atMost && value >= b.limit)) {
		return "met"
	}
	return "**MISSED**"
}

// line is one row of the table of results.
type line struct {
	what, against string
	bar           bar
	value         float64 // what the bar is compared with
	measured      string  // the value as printed; "" prints it in the bar's format
}

func (l line) missed() bool { return l.bar.verdict(l.value) == "**MISSED**" }

func (l line) markdown() string {
	measured := l.measured
	if measured == "" {
		measured = fmt.Sprintf(l.bar.format, l.value)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", l.what, l.against, l.bar, measured, l.bar.verdict(l.value))
}

// result is what a section found.
type result struct {
	title  string
	method string
	lines  []line
	// raw is every repetition, a line each.
	raw []string
	err error
}

func (r *result) add(l line) { r.lines = append(r.lines, l) }

func (r *result) rawf(format string, args ...any) {
	r.raw = append(r.raw, fmt.Sprintf(format, args...))
}

func (r *result) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "## %s\n\n%s\n\n", r.title, strings.TrimSpace(r.method))
	if len(r.lines) > 0 {
		b.WriteString("| what | against | bar | measured | |\n|---|---|---|---|---|\n")
		for _, l := range r.lines {
			b.WriteString(l.markdown())
		}
		b.WriteString("\n")
	}
	if r.err != nil {
		fmt.Fprintf(b, "**Could not be measured to the end:** %s\n\n", strings.ReplaceAll(r.err.Error(), "\n", " "))
	}
	if len(r.raw) > 0 {
		fmt.Fprintf(b, "<details><summary>every repetition</summary>\n\n```\n%s\n```\n\n</details>\n\n", strings.Join(r.raw, "\n"))
	}
}

// Report is the outcome of a run.
type Report struct {
	host    host
	options Options
	results []*result
}

// Missed counts the bars that were missed.
func (r *Report) Missed() (n int) {
	for _, s := range r.results {
		for _, l := range s.lines {
			if l.missed() {
				n++
			}
		}
	}
	return n
}

// Failed counts the sections that could not be measured.
func (r *Report) Failed() (n int) {
	for _, s := range r.results {
		if s.err != nil {
			n++
		}
	}
	return n
}

const preamble = `# Benchmarks

Written by ` + "`make bench`" + `; do not edit: notes are in benchmarks-notes.md. Machines
differ, so what counts are ratios of what was measured side by side in this one
run. Repetitions are interleaved; ratios are taken repetition by repetition and
the median is given. A bar that is missed says so. Not measured here: capture
from the binlog.
`

// Markdown writes the report. Notes are appended as they are.
func (r *Report) Markdown(notes string) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s\n%s\n", preamble, r.host.markdown(&r.options))
	for _, s := range r.results {
		s.markdown(b)
	}
	if notes = strings.TrimSpace(notes); notes != "" {
		b.WriteString(notes + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
