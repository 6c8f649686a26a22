// Package mariadb runs private MariaDB servers for tests, the demo and
// benchmarks: each in a directory of its own, on a free port of 127.0.0.1, with
// root and no password, and never longer than the process that started it.
//
// It is no way to run a database for real.
package mariadb
