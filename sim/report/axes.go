package report

import (
	"fmt"
	"math"
	"strings"
	"time"
)

const day = 24 * time.Hour

// steps are the distances that ticks of a time axis may have.
var steps = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 5 * day, 7 * day, 14 * day, 28 * day, 100 * day, 365 * day,
}

// timeTicks are about so many round moments up to a last one, with a way to
// write them.
func timeTicks(last time.Duration, about int) (ticks []float64, label func(float64) string) {
	step := steps[len(steps)-1]
	for _, s := range steps {
		if last/s <= time.Duration(about) {
			step = s
			break
		}
	}
	for t := time.Duration(0); t <= last; t += step {
		ticks = append(ticks, t.Seconds())
	}
	unit, size := "s", time.Second
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", day}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if step >= u.size || u.size == time.Second && last >= time.Second { // 1.5 s rather than 1500 ms
			unit, size = u.name, u.size
			break
		}
	}
	return ticks, func(v float64) string { return trim(v*float64(time.Second)/float64(size)) + " " + unit }
}

// trim writes a number without needless zeros.
func trim(v float64) string {
	s := fmt.Sprintf("%.3f", v)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// numberTicks are about so many round numbers from 0 to at least last.
func numberTicks(last float64, about int) []float64 {
	if last <= 0 {
		last = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(last/float64(about))))
	for _, f := range []float64{1, 2, 5, 10} {
		if last/(step*f) <= float64(about) {
			step *= f
			break
		}
	}
	var ticks []float64
	for i := 0; ; i++ {
		ticks = append(ticks, float64(i)*step)
		if float64(i)*step >= last {
			return ticks
		}
	}
}

// number writes a count in few characters.
func number(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= u.size {
			return trim(math.Round(v/u.size*100)/100) + u.name
		}
	}
	return trim(v)
}

// scale maps values onto pixels.
type scale struct {
	from, to float64 // values
	a, b     float64 // pixels
	log      bool
}

func (s scale) at(v float64) float64 {
	from, to := s.from, s.to
	if s.log {
		v, from, to = math.Log(max(v, s.from)), math.Log(from), math.Log(to)
	}
	if to == from {
		return s.a
	}
	return s.a + (min(max(v, from), to)-from)/(to-from)*(s.b-s.a)
}

// decades are the ticks of a logarithmic axis of time.
var decades = []struct {
	at   time.Duration
	name string
}{
	{100 * time.Microsecond, "0.1 ms"},
	{time.Millisecond, "1 ms"},
	{10 * time.Millisecond, "10 ms"},
	{100 * time.Millisecond, "100 ms"},
	{time.Second, "1 s"},
	{10 * time.Second, "10 s"},
	{time.Minute, "1 min"},
	{10 * time.Minute, "10 min"},
	{time.Hour, "1 h"},
	{6 * time.Hour, "6 h"},
	{day, "1 d"},
	{7 * day, "1 w"},
	{30 * day, "30 d"},
	{365 * day, "1 y"},
	{3650 * day, "10 y"},
}

// logTicks are the ticks around some lengths of time.
func logTicks(least, most float64) (ticks []time.Duration) {
	for i, d := range decades {
		next := i+1 < len(decades) && decades[i+1].at.Seconds() <= least
		before := i > 0 && decades[i-1].at.Seconds() >= most
		if !next && (!before || len(ticks) < 2) {
			ticks = append(ticks, d.at)
		}
	}
	return ticks
}

// labelRoom is what a label of an axis needs, in pixels.
const labelRoom = 50

// logAxis draws a logarithmic axis of time below a chart.
func (c *chart) logAxis(ticks []time.Duration) {
	last := math.Inf(-1)
	for i, t := range ticks {
		x := c.x.at(t.Seconds())
		c.line(x, c.y.a, x, c.y.b, "grid")
		if x-last < labelRoom {
			continue
		}
		anchor := "middle"
		if i == len(ticks)-1 {
			anchor = "end"
		}
		for _, d := range decades {
			if d.at == t {
				c.text(x, c.y.a+18, anchor, "tick", d.name)
			}
		}
		last = x
	}
}
