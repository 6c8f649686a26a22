// Package capture takes row changes out of a MySQL or MariaDB database.
//
// A Source gives Readings: consistent views of everything that local
// applications committed and that was not taken before, never what baraza
// itself applied. capture/trigger is the implementation for servers without a
// binlog: triggers note which row, which columns and when, and the values are
// read from the rows themselves in one snapshot with those notes.
package capture
