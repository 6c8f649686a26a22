// Package demo is the story that `baraza demo` tells: three clinics on this
// machine, each with a MariaDB server and a baraza process of its own.
//
// It does nothing that a user could not do: the sites are child processes of
// the same program, driven by the command line and by SQL. All that the sites
// send each other goes through relays (internal/netcut), so a cut line is cut.
// Every claim in the story is checked before it is printed; the first that is
// not true ends the demo with an error.
package demo
