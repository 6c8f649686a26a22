package measure

import (
	"fmt"
	"math"
	"strings"
	"time"

	"baraza/sim"
)

// Metric is a figure of a whole run.
type Metric struct {
	Name, Unit, About string
	value             func(r *Recorder) float64
}

func seconds(f func(r *Recorder) time.Duration) func(r *Recorder) float64 {
	return func(r *Recorder) float64 { return f(r).Seconds() }
}

func of(h func(r *Recorder) *Histogram, part float64) func(r *Recorder) float64 {
	return seconds(func(r *Recorder) time.Duration { return h(r).Quantile(part) })
}

func delay(r *Recorder) *Histogram { return &r.Delay }
func all(r *Recorder) *Histogram   { return &r.All }
func stale(r *Recorder) *Histogram { return &r.Stale }

// Metrics are all figures, in the order in which they are shown. Scenarios
// name them in what they expect.
var Metrics = []Metric{
	{"transactions", "", "transactions that applications committed", func(r *Recorder) float64 { return float64(r.total.Transactions) }},
	{"changes", "", "rows that they wrote", func(r *Recorder) float64 { return float64(r.total.Changes) }},
	{"messages", "", "messages sent; small ones that leave a site on one line at one moment are one", func(r *Recorder) float64 { return float64(sum(r.total.Messages)) }},
	{"bytes", "B", "bytes sent", func(r *Recorder) float64 { return float64(sum(r.total.Bytes)) }},
	{"messages_per_change", "", "messages for each row written, pings and all", func(r *Recorder) float64 {
		return ratio(float64(sum(r.total.Messages)), float64(r.total.Changes))
	}},
	{"messages_per_transaction", "", "messages for each transaction, pings and all", func(r *Recorder) float64 {
		return ratio(float64(sum(r.total.Messages)), float64(r.total.Transactions))
	}},
	{"bytes_per_change", "B", "bytes for each row written, over all lines", func(r *Recorder) float64 {
		return ratio(float64(sum(r.total.Bytes)), float64(r.total.Changes))
	}},
	{"ping_messages", "", "messages that only keep connections alive", func(r *Recorder) float64 {
		return float64(r.total.Messages[len(sim.MessageKinds)-2])
	}},
	{"entry_copies", "", "times that a log entry was sent for each time that a site needed it", func(r *Recorder) float64 {
		return ratio(float64(r.entries), float64(r.needed()))
	}},
	{"delay_p50", "s", "commit to visible at another site, median", of(delay, 0.5)},
	{"delay_p90", "s", "the same, 90th percentile", of(delay, 0.9)},
	{"delay_p99", "s", "the same, 99th percentile", of(delay, 0.99)},
	{"delay_max", "s", "the same, greatest", seconds(func(r *Recorder) time.Duration { return r.Delay.Max() })},
	{"all_p50", "s", "commit to visible at every site, median", of(all, 0.5)},
	{"all_p90", "s", "the same, 90th percentile", of(all, 0.9)},
	{"all_p99", "s", "the same, 99th percentile", of(all, 0.99)},
	{"all_max", "s", "the same, greatest", seconds(func(r *Recorder) time.Duration { return r.All.Max() })},
	{"stale_p50", "s", "age of what a running site shows, median over sites and samples", of(stale, 0.5)},
	{"stale_p90", "s", "the same, 90th percentile", of(stale, 0.9)},
	{"stale_p99", "s", "the same, 99th percentile", of(stale, 0.99)},
	{"stale_max", "s", "the same, greatest", seconds(func(r *Recorder) time.Duration { return r.Stale.Max() })},
	{"divergent_mean", "", "cells that differ between running sites, mean over samples", func(r *Recorder) float64 {
		n := 0
		for _, s := range r.Samples {
			n += s.Divergent
		}
		return ratio(float64(n), float64(len(r.Samples)))
	}},
	{"divergent_max", "", "the same, greatest", func(r *Recorder) float64 {
		n := 0
		for _, s := range r.Samples {
			n = max(n, s.Divergent)
		}
		return float64(n)
	}},
	{"divergent_end", "", "the same, at the end", func(r *Recorder) float64 { return float64(r.total.Divergent) }},
	{"overwritten", "", "values replaced by applications that had seen them", func(r *Recorder) float64 { return float64(r.total.Overwritten) }},
	{"conflicts", "", "values replaced by writers that had not", func(r *Recorder) float64 {
		n := 0
		for _, k := range r.total.Conflicts {
			n += k
		}
		return float64(n)
	}},
	{"unseen", "", "transactions that not every site has come to show", func(r *Recorder) float64 {
		return float64(uint64(r.total.Transactions) - r.All.Count())
	}},
	{"settle", "s", "from the repair of all faults to equal sites", seconds(func(r *Recorder) time.Duration {
		if r.Repaired == 0 {
			return 0
		}
		return r.now() - r.Repaired
	})},
}

// Value returns a figure by its name; false when there is none.
func (r *Recorder) Value(name string) (float64, bool) {
	for i := range Metrics {
		if Metrics[i].Name == name {
			return Metrics[i].value(r), true
		}
	}
	return 0, false
}

// needed is how many entries had to come from elsewhere.
func (r *Recorder) needed() (n uint64) {
	for site := range r.seen {
		r.w.Applied(site, func(origin int, seq uint64) {
			if origin != site {
				n += seq
			}
		})
	}
	return n
}

func sum(list []uint64) (n uint64) {
	for _, v := range list {
		n += v
	}
	return n
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Total is what the last sample counts.
func (r *Recorder) Total() *Sample { return &r.total }

// Show writes a figure for people.
func Show(name string, v float64) string {
	for _, m := range Metrics {
		if m.Name == name {
			return Format(v, m.Unit)
		}
	}
	return fmt.Sprint(v)
}

// Format writes a number with its unit.
func Format(v float64, unit string) string {
	switch {
	case unit == "s":
		return FormatDuration(time.Duration(v * float64(time.Second)))
	case unit == "B" && v >= 1e6:
		return fmt.Sprintf("%.1f MB", v/1e6)
	case unit == "B" && v >= 10e3:
		return fmt.Sprintf("%.1f kB", v/1e3)
	case v == math.Trunc(v):
		return strings.TrimSpace(fmt.Sprintf("%.0f %s", v, unit))
	}
	return strings.TrimSpace(fmt.Sprintf("%.2f %s", v, unit))
}

// FormatDuration writes a length of time with two or three digits.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "-" + FormatDuration(-d)
	case d >= 2*day:
		return fmt.Sprintf("%.1f d", float64(d)/float64(day))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.1f min", d.Minutes())
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d == 0:
		return "0 s"
	}
	return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
}
