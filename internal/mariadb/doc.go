// Package mariadb runs private MariaDB and MySQL servers for tests, the demo and
// benchmarks: each in a directory of its own, on a free port of 127.0.0.1, with
// root and no password, and never longer than the process that started it.
//
// Which server it is, a Flavour says: the MariaDB that the machine has, or one
// of those that `make servers` puts into a cache. The environment variable
// BARAZA_SERVER chooses for everything that does not say.
//
// It is no way to run a database for real.
package mariadb
