// Package kv is the small ordered key-value store that the core keeps its log
// and row state in. Production uses Pebble (node/store), the simulator the map
// of this package (Mem); both pass the conformance suite in kvtest.
package kv
