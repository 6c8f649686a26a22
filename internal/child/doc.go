// Package child runs other programs that must not outlive this one: the database
// servers of tests, and the sites of the demo and the benchmark.
package child
