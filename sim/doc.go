// Package sim runs many sites in one process on virtual time, with the core
// that production runs: node/replica, merge, gossip and its wire codec. Only
// the network, the clocks, the disk and the database are models.
//
// Three ideas:
//
//   - A run is a function of its Plan. One goroutine works off a queue of
//     events; every concern (each line, each disk, each operation) has a
//     random source of its own. World.Hash sums up all that happened, down to
//     the bytes on the wire: the same plan gives the same hash.
//   - The checkers are always on. After every step of a site the rows that it
//     touched are held against an oracle, which makes them out of the log by
//     package rules; now and then all rows are. The run ends at the
//     first bad event.
//   - A plan is data: operations and faults with a seed each. Leaving some out
//     changes nothing about the others, so a plan that fails can be shrunk.
//
// World and Site drive the ports as node and node/session do; where those
// change their ways, so must this package. docs/simulator.md tells what is not
// modelled.
package sim
