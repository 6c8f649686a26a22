package sqlrow

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"baraza/crdt"
)

// What capture's triggers need to say about a column in SQL, where the session
// is the application's: its time zone, its character set.

// SameSQL is a condition: row a has the same value in the column as row b (NEW
// and OLD), bit for bit. The server prepares it anew for every row that is
// updated, so it is as short as can be. signedZero: the server tells 0 from -0
// where it prints a number.
func (c *Column) SameSQL(a, b string, signedZero bool) string {
	a, b = a+"."+QuoteName(c.Name), b+"."+QuoteName(c.Name)
	switch {
	case c.kind == kindText && c.plain: // one side in binary makes the comparison binary
		return fmt.Sprintf("CAST(%s AS BINARY) <=> %s", a, b)
	case c.kind == kindText || c.kind == kindJSON || c.kind == kindSpatial:
		return fmt.Sprintf("CAST(%s AS BINARY) <=> CAST(%s AS BINARY)", a, b)
	case signedZero && (c.kind == kindFloat || c.kind == kindDouble): // 0 equals -0
		return fmt.Sprintf("%[1]s <=> %[2]s AND (%[1]s <> 0 OR CONCAT(%[1]s) <=> CONCAT(%[2]s))", a, b)
	case c.stamp: // one hour a year has two instants of one name
		return fmt.Sprintf("UNIX_TIMESTAMP(%s) <=> UNIX_TIMESTAMP(%s)", a, b)
	}
	return a + " <=> " + b
}

// SameKeySQL is a condition: the values are equal as a key's, by the column's
// collation.
func (c *Column) SameKeySQL(a, b string) string {
	if c.stamp {
		return c.SameSQL(a, b, false)
	}
	return a + "." + QuoteName(c.Name) + " <=> " + b + "." + QuoteName(c.Name)
}

// CopySQL is an expression for the column's value that stores the same value in
// a column of its type. MySQL copies a TIMESTAMP by way of the session's local
// time, which in one hour a year is the name of two instants; so it is given
// the time in UTC with that said.
func (c *Column) CopySQL(row string, mysql bool) string {
	name := row + "." + QuoteName(c.Name)
	if !c.stamp || !mysql {
		return name
	}
	return fmt.Sprintf("IF(UNIX_TIMESTAMP(%[1]s)=0,%[1]s,CONCAT(DATE_ADD('1970-01-01 00:00:00',INTERVAL UNIX_TIMESTAMP(%[1]s) SECOND),'+00:00'))", name)
}

// KeySQL is an expression that prints the column's value without a comma, so
// that ParseKey reads it again.
func (c *Column) KeySQL(row string) string {
	name := row + "." + QuoteName(c.Name)
	switch {
	case c.kind == kindText && strings.HasPrefix(c.charset, "utf8"), c.kind == kindBytes:
		return "HEX(" + name + ")"
	case c.kind == kindText:
		return "HEX(CONVERT(" + name + " USING utf8mb4))"
	case c.kind == kindBit:
		return name + "+0"
	case c.kind == kindFloat, c.kind == kindDouble:
		// MySQL cuts the product to 22 characters where it joins it to others,
		// which a FLOAT survives, and a plain DOUBLE is not cut.
		return strings.Replace(c.Expr, QuoteName(c.Name), name, 1)
	case c.stamp:
		return "UNIX_TIMESTAMP(" + name + ")"
	}
	return name
}

// ParseKey reads what KeySQL printed.
func (c *Column) ParseKey(s []byte) (crdt.Value, error) {
	var err error
	var b []byte
	switch {
	case c.kind == kindText || c.kind == kindBytes:
		raw := make([]byte, hex.DecodedLen(len(s)))
		if _, err = hex.Decode(raw, s); err == nil {
			b, err = c.appendBytes(nil, raw)
		}
	case c.kind == kindBit:
		var n uint64
		n, err = strconv.ParseUint(string(s), 10, 64)
		b = appendUint(nil, n)
	case c.stamp:
		return stampValue(string(s))
	default:
		b, err = c.appendBytes(nil, s)
	}
	if err != nil {
		return "", fmt.Errorf("column %s: %q is not what a trigger writes: %w", c.Name, s, err)
	}
	return crdt.Value(b), nil
}

// stampValue turns seconds since 1970 into the TIMESTAMP as the server prints
// it in UTC, with as many decimals.
func stampValue(s string) (crdt.Value, error) {
	whole, frac, point := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return "", err
	}
	text := time.Unix(n, 0).UTC().Format(time.DateTime)
	if n == 0 && strings.Trim(frac, "0") == "" {
		text = "0000-00-00 00:00:00"
	}
	if point {
		text += "." + frac
	}
	return crdt.Tagged(crdt.TagTime, text), nil
}
