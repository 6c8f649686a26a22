package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"baraza/sim"
	"baraza/sim/measure"
	"baraza/sim/scenario"
)

// key is one entry of a plot's legend.
type key struct{ Class, Text string }

// plot is a figure with what is said about it.
type plot struct {
	Title, About string
	Keys         []key
	draw         func(width int) string
}

// greatest is the greatest value of all samples.
func greatest(r *measure.Recorder, values ...func(*measure.Sample) float64) (most float64) {
	for i := range r.Samples {
		for _, v := range values {
			most = max(most, v(&r.Samples[i]))
		}
	}
	return most
}

func length(r *measure.Recorder) time.Duration {
	if n := len(r.Samples); n > 0 {
		return max(r.Samples[n-1].At, time.Millisecond)
	}
	return time.Second
}

const yTicks = 5

// counts is a chart of numbers over time.
func counts(r *measure.Recorder, width int, most float64) *chart {
	ticks := numberTicks(most, yTicks)
	c := newChart(width, length(r), ticks[len(ticks)-1], number, ticks)
	c.shade(r)
	return c
}

// faultKeys are the legend of the shades that a run has.
func faultKeys(r *measure.Recorder) (keys []key) {
	have := map[string]bool{}
	for i := range r.Spans {
		have[spanClass(&r.Spans[i])] = true
	}
	for _, k := range []key{{"band cut", "lines cut"}, {"band closed", "lines closed by their hours"}, {"band down", "a site down"}} {
		if have[k.Class[len("band "):]] {
			keys = append(keys, k)
		}
	}
	if r.Repaired > 0 {
		keys = append(keys, key{"repair", "all repaired"})
	}
	return keys
}

func divergence(r *measure.Recorder) plot {
	value := func(s *measure.Sample) float64 { return float64(s.Divergent) }
	return plot{
		"Cells that differ between sites",
		"A cell is a column of a row; it differs when not all running sites show the same.",
		append([]key{{"c1", "cells that differ"}}, faultKeys(r)...),
		func(width int) string {
			c := counts(r, width, greatest(r, value))
			c.series(r.Samples, "c1", true, value)
			return c.svg("cells that differ between sites, over time")
		},
	}
}

func staleness(r *measure.Recorder) plot {
	fields := []func(*measure.Sample) float64{
		func(s *measure.Sample) float64 { return s.StaleMax.Seconds() },
		func(s *measure.Sample) float64 { return s.Stale90.Seconds() },
		func(s *measure.Sample) float64 { return s.Stale50.Seconds() },
	}
	return plot{
		"How old is what a site shows",
		"The age of the oldest change that a site lacks: over the running sites, the median, the 90th percentile and the greatest.",
		append([]key{{"c1", "median site"}, {"c2", "90th percentile"}, {"c3", "stalest site"}}, faultKeys(r)...),
		func(width int) string {
			last := time.Duration(greatest(r, fields...) * float64(time.Second))
			ticks, label := timeTicks(max(last, time.Millisecond), yTicks)
			if n := len(ticks); n > 1 && ticks[n-1] < last.Seconds() {
				ticks = append(ticks, 2*ticks[n-1]-ticks[n-2])
			}
			c := newChart(width, length(r), ticks[len(ticks)-1], label, ticks)
			c.shade(r)
			for i, class := range []string{"c3", "c2", "c1"} {
				c.series(r.Samples, class, false, fields[i])
			}
			return c.svg("age of what sites show, over time")
		},
	}
}

func arrival(r *measure.Recorder) plot {
	return plot{
		"How long a change takes",
		"From the commit of a transaction to its being visible elsewhere: the part of all that took no longer.",
		[]key{{"c1", "to each other site"}, {"c2", "to the last site"}},
		func(width int) string {
			f := &chart{figure: newFigure(width, chartHeight)}
			f.y = scale{from: 0, to: 1, a: chartHeight - marginBottom, b: marginTop}
			least := math.Inf(1)
			r.Delay.Curve(func(d time.Duration, _ float64) { least = min(least, d.Seconds()) })
			most := max(r.Delay.Max(), r.All.Max()).Seconds()
			if most == 0 {
				least, most = 0.001, 1
			}
			f.x = scale{from: math.Pow(10, math.Floor(math.Log10(max(least, 1e-6)))), to: math.Pow(10, math.Ceil(math.Log10(most))), a: marginLeft, b: float64(width - marginRight), log: true}
			f.yAxis([]float64{0, 0.25, 0.5, 0.75, 1}, func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) })
			f.line(f.x.a, f.y.a, f.x.b, f.y.a, "axis")
			decades := math.Log10(f.x.to / f.x.from)
			for v := f.x.from; v <= f.x.to*1.01; v *= 10 {
				anchor := "middle"
				if v > f.x.to*0.99 {
					anchor = "end"
				}
				f.line(f.x.at(v), f.y.a, f.x.at(v), f.y.b, "grid")
				if decades <= float64(width)/60 || math.Mod(math.Round(math.Log10(v/f.x.from)), 2) == 0 {
					f.text(f.x.at(v), f.y.a+18, anchor, "tick", measure.FormatDuration(time.Duration(v*float64(time.Second))))
				}
			}
			for _, h := range []struct {
				h     *measure.Histogram
				class string
			}{{&r.Delay, "c1"}, {&r.All, "c2"}} {
				f.curve(h.h, h.class)
			}
			return f.svg("distribution of delays")
		},
	}
}

// curve draws a distribution.
func (c *chart) curve(h *measure.Histogram, class string) {
	d, y := "", c.y.a
	h.Curve(func(at time.Duration, part float64) {
		x := c.x.at(at.Seconds())
		if d == "" {
			d = fmt.Sprintf("M%.1f %.1f", x, y)
		}
		d += fmt.Sprintf("L%.1f %.1fL%.1f %.1f", x, y, x, c.y.at(part))
		y = c.y.at(part)
	})
	if d != "" {
		c.add(`<path d="%s" class="series %s"/>`, d, class)
	}
}

func overwrites(r *measure.Recorder) plot {
	values := []func(*measure.Sample) float64{func(s *measure.Sample) float64 { return float64(s.Overwritten) }}
	keys := []key{{"c1", "values replaced by a writer who had seen them"}}
	for k, name := range measure.ConflictNames {
		values = append(values, func(s *measure.Sample) float64 { return float64(s.Conflicts[k]) })
		keys = append(keys, key{fmt.Sprintf("c%d", k+2), "conflict: " + name})
	}
	return plot{
		"Writes overwritten, and conflicts",
		"Counted from the beginning. A conflict is kept for each value that was replaced by a writer who had not seen it. A delete that loses to a write that had not seen it brings the row back.",
		append(keys, faultKeys(r)...),
		func(width int) string {
			c := counts(r, width, greatest(r, values...))
			for i, v := range values {
				c.series(r.Samples, fmt.Sprintf("c%d", i+1), false, v)
			}
			return c.svg("values overwritten and conflicts, over time")
		},
	}
}

func traffic(r *measure.Recorder) plot {
	rate := func(bytes func(*measure.Sample) uint64) []measure.Sample {
		var out []measure.Sample
		for i := 1; i < len(r.Samples); i++ {
			a, b := &r.Samples[i-1], &r.Samples[i]
			d := float64(bytes(b)-bytes(a)) / max((b.At-a.At).Seconds(), 1e-9)
			out = append(out, measure.Sample{At: b.At, Overwritten: int(d)})
		}
		return out
	}
	entries := rate(func(s *measure.Sample) uint64 { return s.Bytes[0] })
	all := rate(func(s *measure.Sample) (n uint64) {
		for _, b := range s.Bytes {
			n += b
		}
		return n
	})
	value := func(s *measure.Sample) float64 { return float64(s.Overwritten) }
	return plot{
		"Bytes a second over all lines",
		"Messages as they are encoded, without compression and the headers below.",
		append([]key{{"c1", "all messages"}, {"c2", "log entries: the changes themselves"}}, faultKeys(r)...),
		func(width int) string {
			most := 0.0
			for i := range all {
				most = max(most, value(&all[i]))
			}
			c := counts(r, width, most)
			c.series(all, "c1", false, value)
			c.series(entries, "c2", false, value)
			return c.svg("bytes a second over all lines, over time")
		},
	}
}

// bar is one line of a bar chart.
type bar struct {
	name, text string
	value      float64
	class      string
}

const barHeight, barGap = 18, 8

// bars draws a chart of bars, one below the other.
func bars(width int, label string, list []bar) string {
	names := 0
	most := 0.0
	for _, b := range list {
		names = max(names, len(b.name))
		most = max(most, b.value)
	}
	left := min(float64(names)*7+10, float64(width)*0.42)
	f := newFigure(width, len(list)*(barHeight+barGap)+barGap)
	x := scale{from: 0, to: max(most, 1e-9), a: left, b: float64(width) - 92}
	for i, b := range list {
		y := float64(barGap + i*(barHeight+barGap))
		f.text(left-8, y+13, "end", "tick", b.name)
		f.rect(left, y, max(x.at(b.value)-left, 0.5), barHeight, "bar "+b.class, b.name+": "+b.text)
		f.text(max(x.at(b.value), left)+6, y+13, "start", "value", b.text)
	}
	return f.svg(label)
}

func costs(r *measure.Recorder, bytes bool) plot {
	title, unit := "Messages for each change", ""
	if bytes {
		title, unit = "Bytes for each change", "B"
	}
	total := r.Total()
	return plot{
		title, "Over all lines, divided by the rows that applications wrote. A change has to reach every other site, so at the least one message and its bytes for each.", nil,
		func(width int) string {
			var list []bar
			for k, kind := range sim.MessageKinds {
				n := total.Messages[k]
				if bytes {
					n = total.Bytes[k]
				}
				if n == 0 {
					continue
				}
				v := float64(n) / float64(max(total.Changes, 1))
				list = append(list, bar{kind, measure.Format(v, unit), v, "c1"})
			}
			return bars(width, title, list)
		},
	}
}

// linksMax is how many lines the page shows.
const linksMax = 24

func links(r *measure.Recorder, s *scenario.Scenario) plot {
	list := slices.Clone(r.Links)
	slices.SortStableFunc(list, func(a, b measure.LinkTotal) int { return cmp.Compare(b.Bytes, a.Bytes) })
	about := "Both ways together."
	if len(list) > linksMax {
		rest := list[linksMax:]
		var n uint64
		for _, l := range rest {
			n += l.Bytes
		}
		about = fmt.Sprintf("Both ways together: the %d busiest of %d. The others carried %s, the least busy %s.",
			linksMax, len(r.Links), measure.Format(float64(n), "B"), measure.Format(float64(rest[len(rest)-1].Bytes), "B"))
		list = list[:linksMax]
	}
	return plot{"Bytes and messages on each line", about, nil, func(width int) string {
		var rows []bar
		for _, l := range list {
			text := fmt.Sprintf("%s, %s", measure.Format(float64(l.Bytes), "B"), number(float64(l.Messages)))
			rows = append(rows, bar{s.Sites[l.A].Name + " – " + s.Sites[l.B].Name, text, float64(l.Bytes), "c1"})
		}
		return bars(width, "bytes on each line", rows)
	}}
}
