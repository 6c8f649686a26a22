// Package merge brings remote changes into a database.
//
// Merger is the pure part: it takes a group of changes, the rows as they are,
// and their stamps, asks package crdt what the rows should be, and places the
// result: parents before children, a row whose parent has not come waits, a
// row whose unique value is taken is held, a row the database refuses is set
// aside. Nothing that happens to one row stops the others.
//
// Database is the port it writes through. merge/sqldb implements it for MySQL
// and MariaDB, merge/memdb is the model that tests and the simulator use; both
// pass the conformance suite in merge/dbtest.
package merge
