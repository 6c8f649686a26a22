// Package types lists the SQL types that travel, with values at their limits,
// and tests that they go from one server to another and back unharmed: written
// by an application, captured, applied at the other site, and the same again
// the other way. docs/types.md tells users what the table says.
//
// BARAZA_SERVER=mariadb,mysql says which servers the two sites have.
package types
