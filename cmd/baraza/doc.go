// Command baraza keeps tables in step between MySQL and MariaDB databases that
// can be cut off from each other. This package is the command line and nothing
// more: each file is one subcommand, which reads flags, calls node or asks the
// running site through node/admin, and prints.
//
// Exit codes: 0 done, 1 the answer is no, 2 it could not be done. An error is
// one line on stderr: what is wrong, where, and what to do.
package main
