// Package admintest has a Service for tests: it answers with what it was given
// and remembers what it was asked.
package admintest
