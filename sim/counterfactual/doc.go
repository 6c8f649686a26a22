// Package counterfactual asks what other rules would have made of the history
// of a simulated run: last writer wins by the clocks on the writers' walls
// instead of hybrid logical clocks, and by whole rows instead of by columns.
//
// It is a counterfactual over one history: what was written, when, and what its
// writers had seen stays as it was under the rules of Baraza. A writer who saw
// other values might have written otherwise, and a lost write would have been
// written again; neither is guessed at. So the figures say how many of these
// writes the other rule would have undone, not what a day under it is like.
//
// The watcher takes the changes from the logs of the sites, with what their
// writers had seen (Prior and the context of the batch), and notes what the
// clock on the wall read at the commit of each.
package counterfactual
