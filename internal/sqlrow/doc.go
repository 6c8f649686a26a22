// Package sqlrow moves rows between SQL and their portable form, exactly.
//
//   - Open gives connections whose session is pinned: what a value looks like
//     does not depend on the server's settings (open.go).
//   - Column reads a value from a result row and writes it as a literal that
//     stores the same value again, bit for bit (column.go, literal.go).
//   - Tables knows how the tables of a model are named and refer to each other;
//     Refs translates local numbers to portable keys and back, in batches and
//     within one transaction (table.go, portable.go, local.go).
//   - fold.go brings key values into the canonical form in which they are equal
//     exactly when the column's collation says so.
//
// Capture reads through it, the merge reads and writes through it.
package sqlrow
