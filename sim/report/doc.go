// Package report writes down what a simulated run was: the events as they
// happened (trace.jsonl), the measurements (metrics.csv, summary.json), and a
// page for people (report.html), which needs nothing from anywhere else.
//
// The plots are SVG drawn here rather than by a library, so that they take
// their colours from the page, light or dark, and are drawn once for wide and
// once for narrow screens (docs/decisions).
package report
