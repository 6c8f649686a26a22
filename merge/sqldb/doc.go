// Package sqldb is merge.Database on a MySQL or MariaDB server.
//
// It writes with few and large statements: rows are found and locked by their
// identity in chunks, inserted many at once, and updated many in one round
// trip. A statement that the server refuses for the sake of one row is halved
// until the culprits stand alone; they become RowErrors and all other rows are
// in.
//
// Transactions are READ COMMITTED, so that they lock the rows that they touch
// and no gaps between them, and the session has @baraza_apply set, which tells
// baraza's triggers (and an administrator's, if they ask) who is writing.
//
// The number of the last transaction is in baraza.applied, one row for each
// application database of the server, written in the same transaction as the
// rows: after a crash either both are there or neither.
package sqldb
