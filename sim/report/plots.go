package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
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

// faultKeys are the legend of the shades that a run has, and of its repair.
func faultKeys(r *measure.Recorder) []key {
	keys := shadeKeys(r)
	if r.Repaired > 0 {
		keys = append(keys, key{"repair", "all repaired"})
	}
	return keys
}

// shadeKeys are the legend of the shades that a run has.
func shadeKeys(r *measure.Recorder) (keys []key) {
	have := map[string]bool{}
	for i := range r.Spans {
		have[spanClass(&r.Spans[i])] = true
	}
	for _, k := range []key{
		{"band cut", "lines cut"},
		{"band closed", "lines closed by their hours"},
		{"band down", "a site down"},
		{"band restored", "database restored, until it is brought up"},
		{"band lost", "disk lost, until the site has joined again"},
	} {
		if have[k.Class[len("band "):]] {
			keys = append(keys, k)
		}
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
			ticks := logTicks(least, most)
			f.x = scale{from: ticks[0].Seconds(), to: ticks[len(ticks)-1].Seconds(), a: marginLeft, b: float64(width - marginRight), log: true}
			f.yAxis([]float64{0, 0.25, 0.5, 0.75, 1}, func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) })
			f.line(f.x.a, f.y.a, f.x.b, f.y.a, "axis")
			f.logAxis(ticks)
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

func conflictsOf(s *measure.Sample) float64 {
	n := 0
	for _, k := range s.Conflicts {
		n += k
	}
	return float64(n)
}

// several is a chart of counts over time, the first on top.
func several(r *measure.Recorder, title, about, label string, names []string, values []func(*measure.Sample) float64) plot {
	var keys []key
	for i, name := range names {
		keys = append(keys, key{fmt.Sprintf("c%d", i+1), name})
	}
	return plot{title, about, append(keys, faultKeys(r)...), func(width int) string {
		c := counts(r, width, greatest(r, values...))
		for i := range values {
			k := len(values) - 1 - i
			c.series(r.Samples, fmt.Sprintf("c%d", k+1), false, values[k])
		}
		return c.svg(label)
	}}
}

func overwrites(r *measure.Recorder) plot {
	return several(r, "Values overwritten", "Counted from the beginning. What a writer replaced who had not seen it is a conflict, and is kept.",
		"values overwritten, over time", []string{"by a writer who had seen them", "by one who had not"},
		[]func(*measure.Sample) float64{func(s *measure.Sample) float64 { return float64(s.Overwritten) }, conflictsOf})
}

func conflicts(r *measure.Recorder) plot {
	var values []func(*measure.Sample) float64
	for k := range measure.ConflictKinds {
		values = append(values, func(s *measure.Sample) float64 { return float64(s.Conflicts[k]) })
	}
	return several(r, "Conflicts by kind", "Counted from the beginning, one for each value, as the first running site lists them. A delete that loses brings the row back.",
		"conflicts by kind, over time", measure.ConflictNames[:], values)
}

// trafficBins is how many parts of the run the bytes a second are counted in.
const trafficBins = 120

func traffic(r *measure.Recorder) plot {
	all := rates(r, func(s *measure.Sample) (n uint64) {
		for _, b := range s.Bytes {
			n += b
		}
		return n
	})
	entries := rates(r, func(s *measure.Sample) uint64 { return s.Bytes[0] })
	return plot{
		"Bytes a second over all lines",
		fmt.Sprintf("Means over %s each. Messages as they are encoded, without compression and the headers below.", measure.FormatDuration(length(r)/trafficBins)),
		append([]key{{"c1", "all messages"}, {"c2", "log entries: the changes themselves"}}, faultKeys(r)...),
		func(width int) string {
			c := counts(r, width, slices.Max(all))
			for i, list := range [][]float64{all, entries} {
				var d strings.Builder
				fmt.Fprintf(&d, "M%.1f %.1f", c.x.a, c.y.at(list[0]))
				for k, v := range list {
					fmt.Fprintf(&d, "V%.1fH%.1f", c.y.at(v), c.x.at(float64(k+1)/trafficBins*length(r).Seconds()))
				}
				c.add(`<path d="%s" class="series c%d"/>`, d.String(), i+1)
			}
			return c.svg("bytes a second over all lines, over time")
		},
	}
}

// rates are means of what a count from the beginning grows by in a second, in
// trafficBins equal parts of the run; between two samples it grows evenly.
func rates(r *measure.Recorder, count func(*measure.Sample) uint64) []float64 {
	out := make([]float64, trafficBins)
	bin := length(r).Seconds() / trafficBins
	before, last := 0.0, uint64(0)
	for i := range r.Samples {
		s := &r.Samples[i]
		a, b, n := before, s.At.Seconds(), float64(count(s)-last)
		for k := int(a / bin); k < trafficBins && float64(k)*bin < b; k++ {
			part := min(b, float64(k+1)*bin) - max(a, float64(k)*bin)
			out[k] += n * part / (b - a) / bin
		}
		before, last = b, count(s)
	}
	return out
}

// bar is one line of a bar chart.
type bar struct {
	name, text string
	value      float64
	class      string
}

const barHeight, barGap = 18, 8

// charWidth is about how wide a character of a figure is, in pixels.
const charWidth = 6.6

// shorten cuts the middle out of a text that is longer than there is room for.
func shorten(s string, room int) string {
	r := []rune(s)
	if len(r) <= room || room < 3 {
		return s
	}
	return string(r[:room/2]) + "…" + string(r[len(r)-(room-room/2-1):])
}

// bars draws a chart of bars, one below the other.
func bars(width int, label string, list []bar) string {
	names, values := 0, 0
	most := 0.0
	for _, b := range list {
		names, values = max(names, len(b.name)), max(values, len(b.text))
		most = max(most, b.value)
	}
	left := min(float64(names)*7+10, float64(width)*0.42)
	f := newFigure(width, len(list)*(barHeight+barGap)+barGap)
	x := scale{from: 0, to: max(most, 1e-9), a: left, b: float64(width-values*7) - 12}
	for i, b := range list {
		y := float64(barGap + i*(barHeight+barGap))
		f.text(left-8, y+13, "end", "tick", shorten(b.name, int((left-8)/charWidth)))
		f.rect(left, y, max(x.at(b.value)-left, 0.5), barHeight, "bar "+b.class, b.name+": "+b.text)
		f.text(max(x.at(b.value), left)+6, y+13, "start", "value", b.text)
	}
	return f.svg(label)
}

func costs(r *measure.Recorder, bytes bool) plot {
	title, unit := "Messages for each change", ""
	about := "Over all lines, divided by the rows that applications wrote. Changes that are made together share a message."
	if bytes {
		title, unit = "Bytes for each change", "B"
		about = "Over all lines, divided by the rows that applications wrote. A change goes to every other site."
	}
	total := r.Total()
	return plot{
		title, about, nil,
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
			text := fmt.Sprintf("%s, %s msg", measure.Format(float64(l.Bytes), "B"), number(float64(l.Messages)))
			rows = append(rows, bar{s.Sites[l.A].Name + " – " + s.Sites[l.B].Name, text, float64(l.Bytes), "c1"})
		}
		return bars(width, "bytes on each line", rows)
	}}
}
