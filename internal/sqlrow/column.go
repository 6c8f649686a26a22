package sqlrow

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"baraza/crdt"
	"baraza/schema"
)

// kind is how a column's values travel.
type kind uint8

const (
	kindInt kind = iota + 1
	kindBit
	kindFloat
	kindDouble
	kindDecimal
	kindText
	kindBytes
	kindTime
	kindJSON
	kindSpatial
)

var kinds = map[string]kind{
	"tinyint": kindInt, "smallint": kindInt, "mediumint": kindInt, "int": kindInt, "integer": kindInt, "bigint": kindInt,
	"bool": kindInt, "boolean": kindInt, "year": kindInt,
	"bit":   kindBit,
	"float": kindFloat, "double": kindDouble, "real": kindDouble,
	"decimal": kindDecimal, "numeric": kindDecimal,
	"char": kindText, "varchar": kindText, "tinytext": kindText, "text": kindText, "mediumtext": kindText, "longtext": kindText,
	"enum": kindText, "set": kindText, "uuid": kindText, "inet6": kindText, "inet4": kindText,
	"binary": kindBytes, "varbinary": kindBytes, "tinyblob": kindBytes, "blob": kindBytes, "mediumblob": kindBytes, "longblob": kindBytes,
	"vector": kindBytes,
	"date":   kindTime, "datetime": kindTime, "timestamp": kindTime, "time": kindTime,
	"json":     kindJSON,
	"geometry": kindSpatial, "point": kindSpatial, "linestring": kindSpatial, "polygon": kindSpatial, "multipoint": kindSpatial,
	"multilinestring": kindSpatial, "multipolygon": kindSpatial, "geometrycollection": kindSpatial, "geomcollection": kindSpatial,
}

// Column reads and writes the values of one column.
type Column struct {
	Name string
	// Expr is the column in a select list: what reads it without loss.
	Expr string
	kind kind
	fold folding
	// stamp: a TIMESTAMP, which the server shows in the session's time zone.
	stamp bool
	// plain: CHAR, VARCHAR or TEXT.
	plain   bool
	charset string
	// places, date and single are what Fits asks for: how many decimals the
	// column keeps, no time of day, a FLOAT that is not rounded to decimals.
	places int
	date   bool
	single bool
}

// NewColumn returns the reader and writer of a column.
func NewColumn(c *schema.Column) (Column, error) {
	k, ok := kinds[c.Base]
	if !ok {
		return Column{}, fmt.Errorf("column %s: the type %s is not known; exclude the table", c.Name, c.Type)
	}
	return Column{
		Name: c.Name, Expr: selectExpr(QuoteName(c.Name), k, c.Type), kind: k, fold: foldingOf(c.Collation),
		stamp: c.Base == "timestamp", plain: strings.HasSuffix(c.Base, "char") || strings.HasSuffix(c.Base, "text"), charset: c.Charset,
		places: placesOf(c, k), date: c.Base == "date", single: k == kindFloat && !strings.Contains(c.Type, ","),
	}, nil
}

// selectExpr: the server prints a FLOAT with 6 digits and a DOUBLE(M,D) with D
// decimals; multiplied by 1 both are doubles, printed with all the digits that
// it takes to read the same bits again.
func selectExpr(name string, k kind, sqlType string) string {
	if k == kindFloat || (k == kindDouble && strings.Contains(sqlType, ",")) {
		return name + "*1e0"
	}
	return name
}

// QuoteName returns an identifier in backquotes.
func QuoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// appendValue appends the portable form of what the driver returned.
func (c *Column) appendValue(b []byte, src any) ([]byte, error) {
	switch v := src.(type) {
	case nil:
		return b, nil
	case []byte:
		return c.appendBytes(b, v)
	case int64:
		return appendInt(b, v), nil
	case uint64:
		return appendUint(b, v), nil
	case float64:
		if c.kind == kindFloat {
			return append(b, crdt.Float32(float32(v))...), nil
		}
		b = append(b, crdt.TagFloat64)
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v)), nil
	}
	return b, fmt.Errorf("column %s: the driver returned a %T", c.Name, src)
}

func (c *Column) appendBytes(b, v []byte) ([]byte, error) {
	switch c.kind {
	case kindText:
		b = append(b, crdt.TagText)
	case kindBytes:
		b = append(b, crdt.TagBytes)
	case kindTime:
		b = append(b, crdt.TagTime)
	case kindDecimal:
		b = append(b, crdt.TagDecimal)
	case kindJSON:
		b = append(b, crdt.TagJSON)
	case kindSpatial:
		b = append(b, crdt.TagSpatial)
	case kindBit:
		var n uint64
		for _, x := range v {
			n = n<<8 | uint64(x)
		}
		return appendUint(b, n), nil
	case kindInt:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return appendInt(b, n), nil
		}
		n, err := strconv.ParseUint(string(v), 10, 64)
		return appendUint(b, n), err
	case kindFloat, kindDouble:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return b, err
		}
		return c.appendValue(b, f)
	}
	return append(b, v...), nil
}

func appendInt(b []byte, n int64) []byte { return binary.AppendVarint(append(b, crdt.TagInt), n) }

func appendUint(b []byte, n uint64) []byte {
	if n <= math.MaxInt64 {
		return appendInt(b, int64(n))
	}
	return binary.AppendUvarint(append(b, crdt.TagUint), n)
}

// NumberColumn returns the reader of a column of whole numbers that no model
// describes.
func NumberColumn(name string) Column {
	return Column{Name: name, Expr: QuoteName(name), kind: kindInt}
}

// ExprFor returns Expr for a column of the same type by another name.
func (c *Column) ExprFor(name string) string {
	return strings.Replace(c.Expr, QuoteName(c.Name), QuoteName(name), 1)
}
