package report

import (
	"fmt"
	"slices"
	"time"

	"baraza/sim/measure"
	"baraza/sim/scenario"
)

// The measures of the diagram, in pixels.
const (
	spaceTop   = 34
	spaceLeft  = 62
	spaceLabel = 46 // between two labels of the time, at least
	// A moment at which something happens is that far below the one before it:
	// as the time between them is, within these bounds.
	spaceStepMin, spaceStepMax = 2.5, 26
	spacePerSecond             = 160
)

// warp maps time to height so that what happens can be told apart: where
// nothing happens, it runs faster.
type warp struct {
	at []time.Duration
	y  []float64
}

func newWarp(moments []time.Duration) *warp {
	slices.Sort(moments)
	w := &warp{}
	y := float64(spaceTop) + spaceStepMin
	for i, t := range slices.Compact(moments) {
		if i > 0 {
			y += min(max((t-w.at[i-1]).Seconds()*spacePerSecond, spaceStepMin), spaceStepMax)
		}
		w.at, w.y = append(w.at, t), append(w.y, y)
	}
	return w
}

// height is where a moment is; one outside is at the edge.
func (w *warp) height(t time.Duration) float64 {
	i, found := slices.BinarySearch(w.at, t)
	switch {
	case found:
		return w.y[i]
	case i == 0:
		return w.y[0] - spaceStepMin
	case i == len(w.at):
		return w.bottom()
	}
	part := float64(t-w.at[i-1]) / float64(w.at[i]-w.at[i-1])
	return w.y[i-1] + part*(w.y[i]-w.y[i-1])
}

func (w *warp) bottom() float64 { return w.y[len(w.y)-1] + spaceStepMin }

// spacetime draws each message from the site and moment at which it was sent to
// those at which it came (Lamport 1978). Time goes down, so that it can be read
// on a telephone too.
func spacetime(r *measure.Recorder, s *scenario.Scenario) plot {
	from, end := s.Spacetime[0], r.Drawn[len(r.Drawn)-1].Sent
	about := fmt.Sprintf("From %s to %s. Each line is a site; time goes down (from a minute on as minutes:seconds), faster where nothing happens. Each arrow is a message without pings, each dot a transaction of an application. A message that never came ends in a cross.",
		measure.FormatDuration(from), measure.FormatDuration(end))
	return plot{
		"Who told whom", about,
		append([]key{{"m-entries", "log entries"}, {"m-have", "announcements"}, {"m-subscribe", "subscriptions"}, {"m-hello", "greetings"}, {"dot", "transaction"}}, shadeKeys(r)...),
		func(width int) string {
			d := &diagram{figure: newFigure(width, 0), from: from, end: end, sites: len(s.Sites), warp: newWarp(moments(r, from, end))}
			d.h = int(d.bottom()) + 8
			d.axes(s)
			d.faults(r)
			for i := range r.Drawn {
				d.message(&r.Drawn[i])
			}
			for _, w := range r.Writes {
				if w.At <= end {
					d.add(`<circle cx="%.1f" cy="%.1f" r="2.6" class="dot"/>`, d.x(w.Site), d.height(w.At))
				}
			}
			return d.svg("messages between sites, time going down")
		},
	}
}

// moments are those at which something is drawn.
func moments(r *measure.Recorder, from, end time.Duration) []time.Duration {
	var list []time.Duration
	for i := range r.Drawn {
		list = append(list, r.Drawn[i].Sent)
		if r.Drawn[i].Arrived {
			list = append(list, min(r.Drawn[i].At, end))
		}
	}
	for _, w := range r.Writes {
		list = append(list, min(w.At, end))
	}
	for _, span := range r.Spans {
		for _, t := range []time.Duration{span.From, span.To} {
			if t >= from && t <= end {
				list = append(list, t)
			}
		}
	}
	return list
}

type diagram struct {
	*figure
	*warp
	from, end time.Duration
	sites     int
}

func (d *diagram) x(site int) float64 {
	return spaceLeft + (float64(site)+0.5)*float64(d.w-spaceLeft-8)/float64(d.sites)
}

func (d *diagram) axes(s *scenario.Scenario) {
	last := 0.0
	for i, y := range d.y {
		if y-last < spaceLabel {
			continue
		}
		last = y
		d.line(spaceLeft-4, y, float64(d.w-8), y, "grid")
		d.text(spaceLeft-8, y+4, "end", "tick", seconds(d.at[i]))
	}
	for i, site := range s.Sites {
		d.line(d.x(i), spaceTop-4, d.x(i), d.bottom(), "axis")
		name, room := site.Name, (d.w-spaceLeft)/d.sites/7
		if len(name) > room {
			name = fmt.Sprintf("s%d", i+1)
		}
		d.text(d.x(i), spaceTop-12, "middle", "tick", name)
	}
}

// seconds writes a moment so that two near ones differ.
func seconds(t time.Duration) string {
	if t < time.Minute {
		return fmt.Sprintf("%.2f s", t.Seconds())
	}
	h, m, tenths := int(t.Hours()), int(t.Minutes())%60, int(t%time.Minute/(100*time.Millisecond))
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%02d", h, m, tenths/10)
	}
	return fmt.Sprintf("%d:%02d.%d", m, tenths/10, tenths%10)
}

func (d *diagram) faults(r *measure.Recorder) {
	shaded := map[string]float64{} // how far down, by class
	for _, span := range r.Spans {
		if span.From > d.end || span.To < d.from {
			continue
		}
		a, b := d.height(span.From), d.height(span.To)
		switch class := spanClass(&span); class {
		case "restored", "lost", "down":
			for _, site := range span.Sites {
				d.rect(d.x(site)-7, a, 14, max(b-a, 1), "band "+class, span.What)
			}
		case "cut", "closed":
			if a = max(a, shaded[class]); a < b { // once where several overlap
				d.rect(spaceLeft, a, float64(d.w-spaceLeft-8), b-a, "band "+class, span.What)
				shaded[class] = b
			}
		}
	}
}

func (d *diagram) message(m *measure.Drawn) {
	x1, y1, x2 := d.x(m.From), d.height(m.Sent), d.x(m.To)
	if !m.Arrived {
		x2 = x1 + (x2-x1)*0.3
		d.line(x1, y1, x2, y1+5, "message lost")
		d.text(x2, y1+9, "middle", "lost", "×")
		return
	}
	y2 := d.height(m.At)
	if m.At > d.end { // it comes below the diagram
		x2 = x1 + (x2-x1)*float64(d.end-m.Sent)/float64(m.At-m.Sent)
	}
	d.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="message m-%s"><title>%s, %d B, %s on the way</title></line>`,
		x1, y1, x2, y2, m.Kind, m.Kind, m.Bytes, measure.FormatDuration(m.At-m.Sent))
	if m.At <= d.end {
		d.add(`<path d="%s" class="head m-%s"/>`, arrow(x1, y1, x2, y2), m.Kind)
	}
}
