// Package store is the kv.Store of a running site: Pebble on a disk.
//
// What a write promises is kv.Store's contract: a synced write survives a
// crash of the machine, an unsynced one may be lost, but only together with
// every write after it. The tests cut the power of an in-memory disk to see
// it.
//
// The sizes are chosen for a small process beside a database on a clinic's
// machine, not for Pebble's best speed: see the constants in options.go.
package store
