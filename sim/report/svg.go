package report

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"

	"baraza/sim"
	"baraza/sim/measure"
)

// figure is an SVG in the making. Its colours are classes of the page's style.
type figure struct {
	w, h int
	b    strings.Builder
}

func newFigure(w, h int) *figure { return &figure{w: w, h: h} }

func (f *figure) add(format string, args ...any) { fmt.Fprintf(&f.b, format, args...) }

func (f *figure) text(x, y float64, anchor, class, text string) {
	f.add(`<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`, x, y, anchor, class, html.EscapeString(text))
}

func (f *figure) line(x1, y1, x2, y2 float64, class string) {
	f.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`, x1, y1, x2, y2, class)
}

func (f *figure) rect(x, y, w, h float64, class, title string) {
	f.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="%s">`, x, y, w, h, class)
	if title != "" {
		f.add(`<title>%s</title>`, html.EscapeString(title))
	}
	f.add(`</rect>`)
}

// svg returns the figure; label tells those who cannot see it what it is.
func (f *figure) svg(label string) string {
	return fmt.Sprintf(`<svg viewBox="0 0 %d %d" role="img" aria-label="%s">%s</svg>`, f.w, f.h, html.EscapeString(label), f.b.String())
}

// The margins of a chart, in pixels.
const (
	marginLeft, marginRight, marginTop, marginBottom = 58, 14, 10, 26
	chartHeight                                      = 230
)

// chart is a figure with time from left to right and numbers upwards.
type chart struct {
	*figure
	x, y scale
}

// newChart draws the axes of a run that lasts so long.
func newChart(width int, length time.Duration, most float64, yLabel func(float64) string, ticks []float64) *chart {
	c := &chart{figure: newFigure(width, chartHeight)}
	c.x = scale{from: 0, to: length.Seconds(), a: marginLeft, b: float64(width - marginRight)}
	c.y = scale{from: 0, to: most, a: chartHeight - marginBottom, b: marginTop}
	c.yAxis(ticks, yLabel)
	xTicks, label := timeTicks(length, width/90)
	c.xAxis(xTicks, label)
	return c
}

func (c *chart) yAxis(ticks []float64, label func(float64) string) {
	for _, t := range ticks {
		if t > c.y.to*1.0001 {
			continue
		}
		c.line(c.x.a, c.y.at(t), c.x.b, c.y.at(t), "grid")
		c.text(c.x.a-6, c.y.at(t)+4, "end", "tick", label(t))
	}
}

func (c *chart) xAxis(ticks []float64, label func(float64) string) {
	c.line(c.x.a, c.y.a, c.x.b, c.y.a, "axis")
	for i, t := range ticks {
		anchor := "middle"
		if c.x.at(t) > c.x.b-16 {
			anchor = "end"
		}
		if i == 0 {
			anchor = "start"
		}
		c.line(c.x.at(t), c.y.a, c.x.at(t), c.y.a+4, "axis")
		c.text(c.x.at(t), c.y.a+18, anchor, "tick", label(t))
	}
}

// shade marks the times in which something was wrong, and where repair began.
func (c *chart) shade(r *measure.Recorder) {
	for _, band := range bands(r, c) {
		c.rect(band.from, c.y.b, band.to-band.from, c.y.a-c.y.b, "band "+band.class, "")
	}
	if r.Repaired > 0 {
		x := c.x.at(r.Repaired.Seconds())
		c.line(x, c.y.b, x, c.y.a, "repair")
	}
}

type band struct {
	from, to float64
	class    string
}

// bands are the times of faults in pixels; those that touch are one.
func bands(r *measure.Recorder, c *chart) []band {
	var list []band
	for _, class := range []string{"closed", "cut", "restored", "lost", "down"} {
		last := -1
		for _, s := range r.Spans {
			if spanClass(&s) != class {
				continue
			}
			a, b := c.x.at(s.From.Seconds()), c.x.at(s.To.Seconds())
			b = max(b, a+1)
			if last >= 0 && a <= list[last].to+0.3 {
				list[last].to = max(list[last].to, b)
				continue
			}
			list = append(list, band{a, b, class})
			last = len(list) - 1
		}
	}
	return list
}

// spanClass is how a fault is drawn.
func spanClass(s *measure.Span) string {
	switch {
	case s.What == "closed":
		return "closed"
	case s.What == "crash":
		return "down"
	case s.What == sim.Restored.String():
		return "restored"
	case s.What == sim.DiskLost.String(), s.What == sim.BothLost.String():
		return "lost"
	case strings.HasPrefix(s.What, "clock"):
		return "clock"
	}
	return "cut"
}

// series draws a line through the samples; step keeps a value until the next.
func (c *chart) series(samples []measure.Sample, class string, fill bool, value func(*measure.Sample) float64) {
	points := thin(samples, int(c.x.b-c.x.a), value)
	if len(points) == 0 {
		return
	}
	var d strings.Builder
	for i, p := range points {
		letter := "L"
		if i == 0 {
			letter = "M"
		}
		fmt.Fprintf(&d, "%s%.1f %.1f", letter, c.x.at(p[0]), c.y.at(p[1]))
	}
	if fill {
		c.add(`<path d="%sL%.1f %.1fL%.1f %.1fZ" class="area %s"/>`, d.String(), c.x.at(points[len(points)-1][0]), c.y.a, c.x.at(points[0][0]), c.y.a, class)
	}
	c.add(`<path d="%s" class="series %s"/>`, d.String(), class)
}

// thin leaves at most about one low and one high point a pixel, so that peaks
// stay.
func thin(samples []measure.Sample, pixels int, value func(*measure.Sample) float64) [][2]float64 {
	group := max(len(samples)/max(pixels, 1), 1)
	var out [][2]float64
	for i := 0; i < len(samples); i += group {
		low, high := i, i
		for j := i; j < min(i+group, len(samples)); j++ {
			if value(&samples[j]) < value(&samples[low]) {
				low = j
			}
			if value(&samples[j]) > value(&samples[high]) {
				high = j
			}
		}
		for k, j := range []int{min(low, high), max(low, high)} {
			if k == 0 || low != high {
				out = append(out, [2]float64{samples[j].At.Seconds(), value(&samples[j])})
			}
		}
	}
	return out
}

// arrow is the head of an arrow from one point to another.
func arrow(x1, y1, x2, y2 float64) string {
	const long, wide = 6.5, 2.6
	length := max(math.Hypot(x2-x1, y2-y1), 1e-9)
	dx, dy := (x2-x1)/length, (y2-y1)/length
	return fmt.Sprintf("M%.1f %.1fL%.1f %.1fL%.1f %.1fZ", x2, y2,
		x2-long*dx-wide*dy, y2-long*dy+wide*dx, x2-long*dx+wide*dy, y2-long*dy-wide*dx)
}
