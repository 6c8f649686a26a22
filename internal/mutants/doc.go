// Command mutants verifies the simulator: it plants one bug after another in
// the core, builds `baraza` with it, and lets `baraza sim check` look for it.
// The bugs are switches of that build alone (go build -overlay), so the code
// that runs at sites has none of them. `make mutants` runs it and writes
// docs/mutants.md; it ends with 1 when a bug is not found.
//
// The idea is mutation testing (DeMillo, Lipton, Sayward: Hints on Test Data
// Selection, 1978), with the mutants chosen by hand.
package main
