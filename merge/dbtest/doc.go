// Package dbtest is the conformance suite of merge.Database: what every
// implementation must do, run against each in a few lines, and a random test
// that holds an implementation against the model database merge/memdb.
package dbtest
