// Package scenario reads scenario files and runs them: a simulation as one text
// that people write, keep and send to each other.
//
// Three ideas:
//
//   - Read collects every mistake in a file, each with its line and what to
//     write instead, so that nobody mends a file one run at a time.
//   - A scenario and a seed are a run, to the byte: Run gives the hash of all
//     that happened, and the header of a trace holds all that Run needs.
//   - A random plan of package sim can be written as a scenario (Write) that
//     gives the same run; a failure is kept as a file.
//
// docs/scenarios.md is the description for users.
package scenario
