// Package clock orders events across sites that cannot ask each other the time.
//
// Three ideas, each in one file:
//
//   - Timestamp and Clock: a hybrid logical clock (Kulkarni et al., "Logical
//     Physical Clocks", 2014). It follows the wall clock as far as it can and
//     never goes back, so that a write that has seen another write always gets
//     a greater timestamp.
//   - Stamp: a timestamp and the site that gave it, a total order over all
//     writes of all sites.
//   - VersionVector: per origin site, how far a site has everything.
//
// The package has no clock of its own: callers pass physical time in, in
// milliseconds since the Unix epoch, UTC. Nothing here is safe for concurrent
// use; the caller owns the lock.
package clock
