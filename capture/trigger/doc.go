// Package trigger captures local changes with triggers, for servers without a
// binlog. It is a capture.Source.
//
// The triggers write into the schema baraza, never into the application's:
//
//   - baraza.log gets one row for each row changed: which table, which row by
//     its primary key, which columns, when. No values: they are read
//     from the rows themselves, in one consistent snapshot with the log.
//   - baraza.gone_N gets a deleted row of table N as it last was, with types
//     and bits untouched, and what names it at other sites.
//   - baraza.tables says what N and the places of its columns mean. A table whose
//     columns change gets a new N and new triggers, while log rows written by the
//     old ones keep their meaning: a generation.
//
// What foreign keys do to other rows fires no trigger there: triggers on the parent
// note it, before it is done (cascade.go, paths.go).
//
// Ids of log rows commit out of order: a transaction that took id 7 may commit
// long after one that took id 8. So a Reading begins at the first row there is,
// and what was read is deleted by its ids, once it is durable elsewhere. "Greater
// than the last id" is never asked, but for cheap polling between full looks.
//
// Deleting log rows must not wait for, nor hold up, the application's inserts at
// the end of the log. A plain DELETE of a range reads on to the row behind it, and
// one that the optimizer turns into a scan waits for every uncommitted row: see
// release.go and runs.go.
package trigger
