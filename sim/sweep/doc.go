// Package sweep runs a scenario over a grid of values and with many seeds, and
// draws what comes of it.
//
// A sweep file names a base scenario and axes: paths into the scenario with the
// values to put there. A point is one value of each axis; a run is a point with
// a seed. Runs are independent, so they go on all cores, and each is appended to
// runs.csv as it ends: a sweep that was stopped goes on with the runs that are
// not there. A line names its scenario by a hash over all that makes it, so that
// lines of another version of the sweep are noticed and never mixed in.
//
// Plots show the mean over the seeds with Student's 95 % interval of the mean.
package sweep
