package report

import (
	"fmt"

	"time"

	"baraza/sim/measure"
	"baraza/sim/scenario"
)

// The measures of the diagram, in pixels.
const (
	spaceTop     = 34
	spaceLeft    = 58
	spaceMin     = 900  // height
	spaceMax     = 4200 // height
	spacePerDraw = 5    // height for each message
)

// spacetime draws each message from the site and moment at which it was sent to
// those at which it came (Lamport 1978): time goes down, so that it can be read
// on a telephone too.
func spacetime(r *measure.Recorder, s *scenario.Scenario) plot {
	end := s.Spacetime
	about := fmt.Sprintf("The first %s. Each line is a site, time goes down, each arrow is a message without pings, each dot a transaction of an application. A message that never came ends in a cross.",
		measure.FormatDuration(end))
	if r.Cut {
		end = r.Drawn[len(r.Drawn)-1].Sent
		about += fmt.Sprintf(" There were too many messages: drawn to %s.", measure.FormatDuration(end))
	}
	return plot{
		"Who told whom", about,
		[]key{{"m-entries", "log entries"}, {"m-have", "announcements"}, {"m-subscribe", "subscriptions"}, {"m-hello", "greetings"}, {"dot", "transaction"}, {"band down", "a site down"}},
		func(width int) string { return drawSpacetime(r, s, end, width) },
	}
}

func drawSpacetime(r *measure.Recorder, s *scenario.Scenario, end time.Duration, width int) string {
	height := min(max(spaceMin, len(r.Drawn)*spacePerDraw), spaceMax)
	f := newFigure(width, height+spaceTop+10)
	y := scale{from: 0, to: end.Seconds(), a: spaceTop, b: float64(spaceTop + height)}
	n := len(s.Sites)
	x := func(site int) float64 {
		return spaceLeft + (float64(site)+0.5)*float64(width-spaceLeft-8)/float64(n)
	}
	ticks, label := timeTicks(end, height/60)
	for _, t := range ticks {
		f.line(spaceLeft-4, y.at(t), float64(width-8), y.at(t), "grid")
		f.text(spaceLeft-8, y.at(t)+4, "end", "tick", label(t))
	}
	for _, span := range r.Spans {
		if span.From > end {
			continue
		}
		a, b := y.at(span.From.Seconds()), y.at(span.To.Seconds())
		switch spanClass(&span) {
		case "down":
			for _, site := range span.Sites {
				f.rect(x(site)-6, a, 12, max(b-a, 1), "band down", span.What)
			}
		case "cut", "closed":
			f.rect(spaceLeft, a, float64(width-spaceLeft-8), max(b-a, 1), "band "+spanClass(&span), span.What)
		}
	}
	for i, site := range s.Sites {
		f.line(x(i), spaceTop, x(i), float64(spaceTop+height), "axis")
		name := site.Name
		if room := (width - spaceLeft) / n / 7; len(name) > room {
			name = fmt.Sprintf("s%d", i+1)
		}
		f.text(x(i), spaceTop-10-float64(i%2)*10*float64(min(n/9, 1)), "middle", "tick", name)
	}
	for i := range r.Drawn {
		drawMessage(f, &r.Drawn[i], end, x, y)
	}
	for _, w := range r.Writes {
		if w.At <= end {
			f.add(`<circle cx="%.1f" cy="%.1f" r="2.6" class="dot"/>`, x(w.Site), y.at(w.At.Seconds()))
		}
	}
	return f.svg("messages between sites, time going down")
}

func drawMessage(f *figure, m *measure.Drawn, end time.Duration, x func(int) float64, y scale) {
	if m.Sent > end {
		return
	}
	x1, y1, x2 := x(m.From), y.at(m.Sent.Seconds()), x(m.To)
	if !m.Arrived {
		x2 = x1 + (x2-x1)*0.3
		f.line(x1, y1, x2, y1+4, "message lost")
		f.text(x2, y1+8, "middle", "lost", "×")
		return
	}
	y2 := y.at(m.At.Seconds())
	if m.At > end { // it comes below the diagram
		x2 = x1 + (x2-x1)*float64(end-m.Sent)/float64(m.At-m.Sent)
	}
	f.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="message m-%s"><title>%s, %d B, %s on the way</title></line>`,
		x1, y1, x2, y2, m.Kind, m.Kind, m.Bytes, measure.FormatDuration(m.At-m.Sent))
	if m.At <= end {
		side := 5.0
		if x2 > x1 {
			side = -5
		}
		f.add(`<path d="M%.1f %.1fl%.1f -3.2l0 4.6Z" class="head m-%s"/>`, x2, y2, side, m.Kind)
	}
}
