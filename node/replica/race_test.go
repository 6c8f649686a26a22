//go:build race

package replica_test

// underRace: with the race detector Pebble keeps on Go's heap what it else keeps outside
// it, and pools drop what they are given, so that the size of the heap says nothing.
const underRace = true
