// Package dialer keeps sessions up: to every peer that this site should have
// one with and has not, it dials, for ever.
//
// Failure detectors, memberlist's among them, forget a site that is long away,
// and nobody then calls it again. So the peers come from a durable book, and no
// length of absence takes one off it. However long a cut lasted, the sites on
// both sides find each other within BackoffMax, a dial and a little more after
// it heals.
//
// Which peers a site should have sessions with is Targets' choice.
package dialer
