// Package netcut is a relay on loopback that can be cut like a line: while it is
// cut nothing passes in either direction, connections hang rather than break, as
// they do when a cable is pulled, and go on when it is healed. It carries TCP and
// UDP on one port, for the demo, the end-to-end tests and the benchmarks.
package netcut
