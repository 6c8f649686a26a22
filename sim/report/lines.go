package report

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"

	"baraza/sim/measure"
)

// Lines is a plot of a figure over some values that stand side by side, with an
// interval at each.
type Lines struct {
	Title, About string
	Unit         string   // of the figure: s, B, % or none
	Over         string   // what the values below are
	X            []string // the values, evenly spaced
	Log          bool
	Series       []Series // at most four
}

// Series is one line of it.
type Series struct {
	Name   string
	Points []Estimate // by X
}

// Estimate is a mean and its interval, over N runs; none is not drawn.
type Estimate struct {
	N               int
	Mean, Low, High float64
}

const (
	// linesHeight is of the plot, legendLine of a line of its legend, linesLeft
	// the room for what is written at the axis.
	linesHeight, legendLine, linesLeft = 260, 18, 68
	// dodge is the distance of the lines at one value, so that no interval hides
	// another; cap half the width of its ends.
	dodge, capHalf = 7.0, 4.0
)

// seriesClasses tell the lines apart, by colour and by dashes.
var seriesClasses = []string{"c1", "c2", "c3", "c4"}

// extent is the least and greatest of what is drawn, of what is positive where
// the axis is logarithmic.
func (p *Lines) extent() (least, most float64, zero bool) {
	least = math.Inf(1)
	for _, s := range p.Series {
		for _, e := range s.Points {
			if e.N == 0 {
				continue
			}
			most = max(most, e.Mean, e.High)
			for _, v := range []float64{e.Mean, e.Low} {
				switch {
				case v > 0:
					least = min(least, v)
				case v == e.Mean:
					zero = true
				}
			}
			if e.Low <= 0 && e.Mean > 0 {
				least = min(least, e.Mean/2) // the interval leaves the axis below
			}
		}
	}
	return least, most, zero
}

// axis makes the axis upwards: its ends, its ticks and what is written at them.
func (p *Lines) axis() (from, to float64, ticks []float64, label func(float64) string) {
	least, most, zero := p.extent()
	label = func(v float64) string { return number(v) + map[bool]string{true: " %"}[p.Unit == "%"] }
	switch {
	case p.Log && most > 0 && p.Unit == "s":
		for _, d := range logTicks(least, most) {
			ticks = append(ticks, d.Seconds())
		}
		label = func(v float64) string {
			for _, d := range decades {
				if d.at.Seconds() == v {
					return d.name
				}
			}
			return ""
		}
	case p.Log && most > 0:
		for e := math.Floor(math.Log10(least)); ; e++ {
			ticks = append(ticks, math.Pow(10, e))
			if math.Pow(10, e) >= most && len(ticks) > 1 {
				break
			}
		}
	case p.Unit == "s":
		last := time.Duration(max(most, 0.001) * float64(time.Second))
		ticks, label = timeTicks(last, yTicks)
		if n := len(ticks); n > 1 && ticks[n-1] < last.Seconds() {
			ticks = append(ticks, 2*ticks[n-1]-ticks[n-2])
		}
	default:
		ticks = numberTicks(most, yTicks)
	}
	if p.Log && zero && most > 0 { // a logarithmic axis has no 0: it is put at the lower end
		plain, bottom := label, ticks[0]
		label = func(v float64) string {
			if v == bottom {
				return "≤ " + plain(v)
			}
			return plain(v)
		}
	}
	return ticks[0], ticks[len(ticks)-1], ticks, label
}

// draw draws it with its legend.
func (p *Lines) draw(width int) *figure {
	rows := p.legendRows(width)
	top := float64(rows*legendLine + marginTop)
	f := newFigure(width, rows*legendLine+linesHeight)
	c := &chart{figure: f}
	from, to, ticks, label := p.axis()
	bottom := float64(f.h - marginBottom - legendLine)
	c.y = scale{from: from, to: to, a: bottom, b: top, log: p.Log && from > 0}
	c.x = scale{from: 0, to: float64(len(p.X)), a: linesLeft, b: float64(width - marginRight)}
	c.yAxis(ticks, label)
	c.line(c.x.a, c.y.a, c.x.b, c.y.a, "axis")
	for i, x := range p.X {
		at := c.x.at(float64(i) + 0.5)
		c.line(at, c.y.a, at, c.y.a+4, "axis")
		room := int((c.x.b - c.x.a) / float64(len(p.X)) / charWidth)
		c.text(at, c.y.a+18, "middle", "tick", shorten(x, room))
	}
	c.text((c.x.a+c.x.b)/2, c.y.a+36, "middle", "tick", p.Over)
	p.legend(f)
	for i := range p.Series {
		p.series(c, i)
	}
	return f
}

// entry is the room that an entry of the legend takes.
func (p *Lines) entry(i int) float64 {
	return 34 + charWidth*float64(len([]rune(p.Series[i].Name))) + 16
}

// legendPlaces are where the entries of the legend begin, by row.
func (p *Lines) legendPlaces(width int) (at [][2]float64) {
	x, row := float64(linesLeft), 0.0
	for i := range p.Series {
		if i > 0 && x+p.entry(i) > float64(width) {
			x, row = linesLeft, row+1
		}
		at = append(at, [2]float64{x, row})
		x += p.entry(i)
	}
	return at
}

func (p *Lines) legendRows(width int) int {
	if len(p.Series) < 2 {
		return 0
	}
	places := p.legendPlaces(width)
	return int(places[len(places)-1][1]) + 1
}

func (p *Lines) legend(f *figure) {
	if len(p.Series) < 2 {
		return
	}
	for i, at := range p.legendPlaces(f.w) {
		y := at[1]*legendLine + 12
		f.line(at[0], y-4, at[0]+26, y-4, "series "+seriesClasses[i%4])
		f.text(at[0]+34, y, "start", "value", p.Series[i].Name)
	}
}

// series draws one line, with the intervals as bars.
func (p *Lines) series(c *chart, n int) {
	class := seriesClasses[n%len(seriesClasses)]
	var d strings.Builder
	letter := "M"
	for i, e := range p.Series[n].Points {
		if e.N == 0 {
			letter = "M"
			continue
		}
		x := c.x.at(float64(i)+0.5) + dodge*(float64(n)-float64(len(p.Series)-1)/2)
		fmt.Fprintf(&d, "%s%.1f %.1f", letter, x, c.y.at(e.Mean))
		letter = "L"
		if low, high := c.y.at(e.Low), c.y.at(e.High); low-high > 1 {
			c.line(x, low, x, high, "interval "+class)
			c.line(x-capHalf, low, x+capHalf, low, "interval "+class)
			c.line(x-capHalf, high, x+capHalf, high, "interval "+class)
		}
		c.add(`<circle cx="%.1f" cy="%.1f" r="3.4" class="point %s"><title>%s</title></circle>`, x, c.y.at(e.Mean), class, html.EscapeString(p.tell(n, i)))
	}
	c.add(`<path d="%s" class="series %s"/>`, d.String(), class)
}

// tell is a point in words.
func (p *Lines) tell(n, i int) string {
	e := p.Series[n].Points[i]
	show := func(v float64) string { return measure.Format(v, p.Unit) }
	return fmt.Sprintf("%s, %s: %s (95 %%: %s to %s, %d runs)", p.Series[n].Name, p.X[i], show(e.Mean), show(e.Low), show(e.High), e.N)
}

// linesStyle is that of a plot that stands alone.
const linesStyle = `svg{font:12px system-ui,sans-serif}text{fill:#5b6570}.value,.title{fill:#1c2126}.title{font-weight:600;font-size:14px}.grid{stroke:#e3e5e2}.axis{stroke:#8b949c}` +
	`.series{fill:none;stroke-width:1.7;stroke-linejoin:round}.interval{stroke-width:1.3}.point{stroke:none}.c1{stroke:#0b63b0}.c2{stroke:#c25400}.c3{stroke:#7a3fa0}.c4{stroke:#1b7f4d}` +
	`.c2.series{stroke-dasharray:7 2.5}.c3.series{stroke-dasharray:2.5 2.5}.c4.series{stroke-dasharray:9 3 2 3}.point.c1{fill:#0b63b0}.point.c2{fill:#c25400}.point.c3{fill:#7a3fa0}.point.c4{fill:#1b7f4d}`

// aloneWidth and titleHeight are of a plot in a file of its own, in pixels.
const aloneWidth, titleHeight = 640, 26

// SVG is the plot as a file of its own, in light colours.
func (p *Lines) SVG() string {
	f := p.draw(aloneWidth)
	h := f.h + titleHeight
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s"><style>%s</style><rect width="%d" height="%d" fill="#fdfdfb"/>`+
		`<text x="%d" y="17" class="title">%s</text><g transform="translate(0 %d)">%s</g></svg>`+"\n",
		f.w, h, f.w, h, html.EscapeString(p.Title), linesStyle, f.w, h, linesLeft, html.EscapeString(p.Title), titleHeight, f.b.String())
}
