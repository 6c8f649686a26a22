// Package memnet is a network in memory for tests of whole sites on virtual
// time (testing/synctest): hosts with addresses, connections and packets
// between them, lines with latency and loss, and cuts.
//
//   - A Network has Hosts. A Host is a machine: it listens and dials with the
//     methods that package node asks of a network, and may change its address.
//   - Lines are between hosts, each direction by itself. A cut line behaves as
//     a pulled cable: packets are lost; connections hang, for what is sent waits
//     at the sender as TCP's does, and come alive again when the line is healed;
//     dials hang until they are given up. An address that nobody has is silent,
//     too; a host without a listener there refuses.
//   - A connection keeps SendBytes in each direction, as a socket does; then
//     writes wait. Loss delays the bytes of a connection by RetransmitAfter and
//     takes packets away.
//
// Everything waits on channels and timers of the caller's bubble, so virtual
// time moves on whenever nobody has anything to do. There is no bandwidth:
// bytes cost no time. Runs are not repeatable to the bit, since the goroutines
// of a site are not.
package memnet
