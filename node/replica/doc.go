// Package replica is the core of one site: its log, its version vectors, the
// stamps of its rows, and the two steps that everything else serves:
//
//   - Capture turns what local applications committed into batches of the
//     log.
//   - Apply merges batches of other sites into the database.
//
// The core is pure: the store, the database, the capture source and the time
// come in as ports, there is no goroutine, and the same inputs give the same
// outputs. Package node drives it with real ones, the simulator with models.
//
// # Two stores, one truth
//
// A site keeps rows in its database and log and stamps in its key-value store,
// and a crash may come between the two commits. Apply therefore writes what the
// store should become to a staging area first (synced), then commits the
// database transaction, which carries the group's number, then moves the
// staged writes to their place. Open completes or discards what a crash left:
// staged writes whose number the database has are moved, others are dropped.
// Capture commits the store first and releases the database's log rows after;
// what was taken is remembered in the same store write, so nothing is taken
// twice. docs/crashes.md lists every crash point.
package replica
