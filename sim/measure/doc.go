// Package measure works out figures of a simulated run: how many cells differ
// between sites, how old is what a site shows, how long a change takes to
// arrive, what was overwritten, what went over the lines.
//
// A Recorder is a sim.Observer. What a change of a row costs does not grow with
// the number of rows: rows that changed are looked at when the next sample is
// due, and delays go into histograms, so that a run of months fits into memory.
package measure
