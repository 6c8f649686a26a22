package sqldb

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"baraza/merge"
	"baraza/schema"

	"github.com/go-sql-driver/mysql"
)

// refusals are the server's errors that mean one row and not the connection or
// the transaction.
var refusals = map[uint16]merge.Refusal{
	1062: merge.RefusedDuplicate, // duplicate entry
	1169: merge.RefusedDuplicate, // unique constraint
	1586: merge.RefusedDuplicate, // duplicate entry, key by name

	1216: merge.RefusedReference, // child row, no name
	1217: merge.RefusedReference, // parent row, no name
	1451: merge.RefusedReference, // parent row is still referred to
	1452: merge.RefusedReference, // child row without its parent
	3008: merge.RefusedReference, // a cascade that is too deep
	6575: merge.RefusedReference, // a cascade through too many tables, MySQL 9.7

	1048: merge.RefusedValue, // column cannot be null
	1118: merge.RefusedValue, // row size too large
	1264: merge.RefusedValue, // out of range
	1265: merge.RefusedValue, // data truncated
	1292: merge.RefusedValue, // incorrect value for the type
	1364: merge.RefusedValue, // no default
	1366: merge.RefusedValue, // incorrect string or integer value
	1367: merge.RefusedValue, // illegal value while parsing
	1406: merge.RefusedValue, // data too long
	1411: merge.RefusedValue, // incorrect value for a function
	1416: merge.RefusedValue, // not a geometry
	1644: merge.RefusedValue, // SIGNAL of an application's trigger
	1690: merge.RefusedValue, // out of range in an expression
	3140: merge.RefusedValue, // invalid JSON
	3150: merge.RefusedValue, // JSON that is too large
	3157: merge.RefusedValue, // JSON that is too deep
	3158: merge.RefusedValue, // JSON object with a name that is NULL
	3548: merge.RefusedValue, // a geometry's SRID is not known
	3616: merge.RefusedValue, // longitude out of range
	3617: merge.RefusedValue, // latitude out of range
	3643: merge.RefusedValue, // SRID of a geometry
	3819: merge.RefusedValue, // check constraint, MySQL
	3903: merge.RefusedValue, // invalid JSON in an index
	4025: merge.RefusedValue, // check constraint, MariaDB
	4078: merge.RefusedValue, // illegal parameter types, MariaDB
	4079: merge.RefusedValue, // illegal parameter type, MariaDB
}

// MariaDB says that a cascade is too deep with an error that may mean anything,
// and the number of InnoDB's own.
const (
	engineError    = 1296
	cascadeTooDeep = "Got error 193 "
)

// retries are the server's errors after which the same work may succeed.
var retries = []uint16{
	1020, // record has changed since last read
	1205, // lock wait timeout
	1213, // deadlock
	1689, // wait on a lock was aborted
	1412, // table definition has changed
	3572, // statement aborted because of NOWAIT
}

// refusalOf returns why the server refused a row; zero when err means anything
// else.
func refusalOf(err error) merge.Refusal {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		if e.Number == engineError && strings.HasPrefix(e.Message, cascadeTooDeep) {
			return merge.RefusedReference
		}
		return refusals[e.Number]
	}
	if errors.Is(err, mysql.ErrPktTooLarge) { // nothing was sent
		return merge.RefusedValue
	}
	return 0
}

// schemaChanged reports whether the server lacks a table or a column of the
// application. That it lacks one of our own is no change but damage.
func schemaChanged(e *mysql.MySQLError) bool {
	const badField, noSuchTable = 1054, 1146
	return e.Number == badField || e.Number == noSuchTable && !strings.Contains(e.Message, "'baraza.")
}

// wrap adds what was done to which table, and ErrRetry or ErrSchemaChanged
// where it belongs.
func wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	var e *mysql.MySQLError
	if errors.As(err, &e) && slices.Contains(retries, e.Number) {
		return fmt.Errorf("%s: %w: %w", doing, merge.ErrRetry, err)
	}
	if e != nil && schemaChanged(e) {
		return fmt.Errorf("%s: %w: %w", doing, merge.ErrSchemaChanged, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// onIdentity reports whether a duplicate is one of the row's identity: the row
// is there by now.
func onIdentity(t *schema.Table, err error) bool {
	name := duplicateIndex(err)
	if name == "PRIMARY" {
		return sameSet(t.PrimaryKey, t.Identity.Columns)
	}
	for _, ix := range t.Unique {
		if strings.EqualFold(ix.Name, name) {
			return sameSet(ix.Columns, t.Identity.Columns)
		}
	}
	return false
}

// duplicateIndex reads the index's name out of a duplicate's message, which
// ends in: for key 'name', on MySQL 8: for key 'table.name'.
func duplicateIndex(err error) string {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return ""
	}
	i := strings.LastIndex(e.Message, " for key '")
	if i < 0 {
		return ""
	}
	name := strings.TrimSuffix(e.Message[i+len(" for key '"):], "'")
	return name[strings.LastIndexByte(name, '.')+1:]
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, name := range a {
		if !slices.Contains(b, name) {
			return false
		}
	}
	return true
}
