// Package session moves log entries between this site and its peers over
// connections. What is said is decided by gossip.Protocol; this package gives
// it wires, time and a log.
//
//   - A Hub owns the protocol, one Session per peer, and the one goroutine that
//     stores what comes in. All that arrives while it waits for the disk goes to
//     the log together, so one fsync serves many small messages.
//   - A Session is one authenticated connection, whoever dialled it: a reader
//     and a writer goroutine, a stream of length-prefixed messages, compressed
//     with zstd each way. The compression window lives as long as the connection
//     does, so repeated table and column names cost next to nothing.
//   - Nothing queues. The writer asks the protocol what to send when the
//     connection can take more, reads that much from the log, and flushes when
//     there is nothing more: large messages under load, no waiting when idle. The
//     reader stops reading when ReceiveBudget of a peer's bytes are not yet stored;
//     TCP carries that back to the sender. So a slow peer costs a bounded amount of
//     memory and delays no other.
//
// A bundle (bundle.go) is what a session would send one way, in a file; what is
// read of it goes the way of what a session brings.
//
// The package dialer beneath keeps the connections up.
package session
