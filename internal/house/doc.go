// Package house checks the house rules: which package may import which, that
// the core is pure, that files and functions stay short, that nothing of the
// machine they were written on gets into the sources.
//
// The rules run as an ordinary test, one subtest a rule, on every Go file of
// the repository. A finding says where, what, and what to do instead. A rule
// that does not fit a case is changed here, with its reason, not worked around.
package house
