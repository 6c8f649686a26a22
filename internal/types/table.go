package types

import (
	"strings"

	"baraza/internal/mariadb"
)

// Type is a column type with values for it.
type Type struct {
	// Name is the column's name in the tests.
	Name string
	// SQL is the type as it is declared.
	SQL string
	// MySQL is what takes its place on MySQL: "" for the same, none for nothing.
	MySQL string
	// Since is the first MariaDB that has the type; "" for those of today.
	Since mariadb.Flavour
	// Values are literals, as an application would write them.
	Values []string
	// Key: the type can be a primary key by itself.
	Key bool
}

// none says that a server has no such type, nor one that could hold its values.
const none = "-"

// Table lists the types.
var Table = []Type{
	{Name: "ti", SQL: "TINYINT", Key: true, Values: []string{"-128", "127", "0"}},
	{Name: "tu", SQL: "TINYINT UNSIGNED", Values: []string{"0", "255"}},
	{Name: "bo", SQL: "BOOLEAN", Values: []string{"TRUE", "FALSE", "-2"}},
	{Name: "si", SQL: "SMALLINT", Values: []string{"-32768", "32767"}},
	{Name: "su", SQL: "SMALLINT UNSIGNED", Values: []string{"65535"}},
	{Name: "mi", SQL: "MEDIUMINT", Values: []string{"-8388608", "8388607"}},
	{Name: "mu", SQL: "MEDIUMINT UNSIGNED", Values: []string{"16777215"}},
	{Name: "i", SQL: "INT", Key: true, Values: []string{"-2147483648", "2147483647", "-1"}},
	{Name: "iu", SQL: "INT UNSIGNED", Values: []string{"4294967295"}},
	{Name: "iz", SQL: "INT(10) UNSIGNED ZEROFILL", Values: []string{"42"}},
	{Name: "bi", SQL: "BIGINT", Key: true, Values: []string{"-9223372036854775808", "9223372036854775807"}},
	{Name: "bu", SQL: "BIGINT UNSIGNED", Key: true, Values: []string{"18446744073709551615", "9223372036854775808", "9223372036854775807", "0"}},
	{Name: "b1", SQL: "BIT(1)", Values: []string{"b'0'", "b'1'"}},
	{Name: "b17", SQL: "BIT(17)", Values: []string{"b'10000000000000001'"}},
	{Name: "b64", SQL: "BIT(64)", Key: true, Values: []string{"x'FFFFFFFFFFFFFFFF'", "x'8000000000000000'", "0"}},
	{Name: "f", SQL: "FLOAT", Values: []string{"1234567.75", "3.402823466e38", "-3.402823466e38", "1.175494351e-38", "1e-45", "0", "0.1", "16777217", "-1e-40"}},
	{Name: "f73", SQL: "FLOAT(7,3)", Values: []string{"1234.567", "-0.001", "9999.999"}},
	{Name: "d", SQL: "DOUBLE", Key: true, Values: []string{"1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "-4.4501477170144023e-308", "0.1", "1e22", "123456789012345678", "-1.7976931348623157e308", "9007199254740993", "-1.2345678901234568e-10"}},
	{Name: "d102", SQL: "DOUBLE(10,2)", Values: []string{"12345678.91", "0.07", "-99999999.99"}},
	{Name: "d25530", SQL: "DOUBLE(255,30)", Values: []string{"1e200", "0.123456789012345678901234567891"}},
	{Name: "n6530", SQL: "DECIMAL(65,30)", Key: true, Values: []string{strings.Repeat("9", 35) + "." + strings.Repeat("9", 30), "-" + strings.Repeat("9", 35) + ".000000000000000000000000000001", "0", "-0.000000000000000000000000000001"}},
	{Name: "n50", SQL: "DECIMAL(5,0) UNSIGNED", Values: []string{"99999", "0"}},
	{Name: "y", SQL: "YEAR", Key: true, Values: []string{"1901", "2155", "0000", "1970"}},
	{Name: "da", SQL: "DATE", Key: true, Values: []string{"'1000-01-01'", "'9999-12-31'", "'0000-00-00'", "'2024-00-00'", "'2024-02-31'", "'0001-01-01'"}},
	{Name: "dt", SQL: "DATETIME", Values: []string{"'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'", "'2024-10-00 00:00:00'"}},
	{Name: "dt6", SQL: "DATETIME(6)", Key: true, Values: []string{"'2024-02-29 23:59:59.999999'", "'2024-02-29 00:00:00.000001'", "'0000-00-00 00:00:00'", "'9999-12-31 23:59:59.999999'"}},
	{Name: "dt3", SQL: "DATETIME(3)", Values: []string{"'2024-02-29 23:59:59.120'"}},
	{Name: "ts", SQL: "TIMESTAMP NULL", Values: []string{"'1970-01-02 00:00:01'", "'2038-01-18 03:14:07'", "'0000-00-00 00:00:00'"}},
	{Name: "ts6", SQL: "TIMESTAMP(6) NULL", Values: []string{"'2038-01-18 03:14:07.999999'", "'2024-10-27 00:30:00.000001'", "'2024-03-31 01:30:00'"}},
	{Name: "tm", SQL: "TIME", Key: true, Values: []string{"'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"}},
	{Name: "tm6", SQL: "TIME(6)", Values: []string{"'-838:59:58.999999'", "'838:59:58.999999'", "'-00:00:00.000001'", "'25:00:00.5'"}},
	{Name: "c", SQL: "CHAR(10)", Key: true, Values: []string{"''", "'abc'", "'trail  '", "'Zürich'", "'😀'"}},
	{Name: "vc", SQL: "VARCHAR(40)", Values: []string{"''", "'trail  '", `'it''s \\ \0 \n " %_'`, "'日本語 😀'", "_utf8mb4 x'E0A4B9'", "'\t'", "' '"}},
	{Name: "vb", SQL: "VARCHAR(40) COLLATE utf8mb4_bin", Key: true, Values: []string{"'a'", "'A'", "'ä'", "'😀'"}},
	{Name: "l1", SQL: "VARCHAR(40) CHARACTER SET latin1", Key: true, Values: []string{"'é ü ÿ €'", "_latin1 x'A4FF8085'", "'naïve '"}},
	{Name: "l1b", SQL: "VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_bin", Key: true, Values: []string{"'É'", "'é'"}},
	{Name: "cp", SQL: "VARCHAR(40) CHARACTER SET cp1251", Key: true, Values: []string{"'Привет'"}},
	{Name: "u2", SQL: "VARCHAR(40) CHARACTER SET ucs2", Values: []string{"'ab日'"}},
	{Name: "u32", SQL: "VARCHAR(40) CHARACTER SET utf32", Values: []string{"'ab日😀'"}},
	{Name: "u3", SQL: "VARCHAR(40) CHARACTER SET utf8mb3", Key: true, Values: []string{"'日本'", "'é'"}},
	{Name: "ac", SQL: "VARCHAR(40) CHARACTER SET ascii", Values: []string{"'plain'"}},
	{Name: "cb", SQL: "VARCHAR(40) CHARACTER SET binary", Values: []string{"x'00FF'"}},
	{Name: "tt", SQL: "TINYTEXT", Values: []string{"'x'", "REPEAT('x', 255)"}},
	{Name: "tx", SQL: "TEXT", Values: []string{"REPEAT('ü', 30000)", "' '"}},
	{Name: "mt", SQL: "MEDIUMTEXT", Values: []string{"REPEAT('''\\\\', 500000)"}},
	{Name: "lt", SQL: "LONGTEXT", Values: []string{"''", "CONCAT('x', REPEAT('日', 100000), '  ')"}},
	{Name: "bn", SQL: "BINARY(4)", Key: true, Values: []string{"''", "'a'", "x'00FF0027'", "'    '"}},
	{Name: "vbn", SQL: "VARBINARY(40)", Key: true, Values: []string{"''", "x'00275C0A1A22FF'", "'trail  '", "x'C3'", "x'E227'", "x'F05C5C27'", "x'6100'", "x'610000'"}},
	{Name: "tb", SQL: "TINYBLOB", Values: []string{"x'00'", "REPEAT(x'00', 255)"}},
	{Name: "bl", SQL: "BLOB", Values: []string{"x'00'", "''", "REPEAT(x'FF', 65535)"}},
	{Name: "mb", SQL: "MEDIUMBLOB", Values: []string{"REPEAT(x'00275CFF', 1000000)"}},
	{Name: "lb", SQL: "LONGBLOB", Values: []string{"REPEAT(x'27', 3000000)"}},
	{Name: "en", SQL: "ENUM('a','B','c d','é','x,y')", Key: true, Values: []string{"'a'", "'B'", "'c d'", "'é'", "'x,y'"}},
	{Name: "st", SQL: "SET('x','y','z')", Key: true, Values: []string{"''", "'x,z'", "'x,y,z'"}},
	{Name: "js", SQL: "JSON", Values: []string{
		`'{"a": [1, 2.50, "ü", null]}'`, `'"\\u0041"'`, `'{"b":1, "aa":{"z":[],"y":{}}, "a": [1e2,-0,1.0,true], "b":3}'`,
		`'18446744073709551615'`, `'-9223372036854775808'`, `'"😀 \\" \\\\"'`, `'[ ]'`, `'null'`, `'0.1'`, `'1.7976931348623157e308'`,
	}},
	{Name: "uu", SQL: "UUID", MySQL: "CHAR(36)", Key: true, Values: []string{"'5089aaaa-aaaa-1aaa-9aaa-aaaaaaaaaaaa'", "'00000000-0000-0000-0000-000000000000'"}},
	{Name: "ip", SQL: "INET6", MySQL: "VARCHAR(39)", Key: true, Values: []string{"'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.1'"}},
	{Name: "i4", SQL: "INET4", MySQL: "VARCHAR(15)", Values: []string{"'192.0.2.1'", "'255.255.255.255'"}},
	{Name: "ve", SQL: "VECTOR(2)", Since: mariadb.NewerMariaDB, Values: []string{"x'0000803F000000C0'"}},
	{Name: "g", SQL: "GEOMETRY", Values: []string{"ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))')", "ST_GeomFromText('POINT(1e308 -5e-324)')"}},
	{Name: "gp", SQL: "POINT", Values: []string{"ST_GeomFromText('POINT(0.1 51.5)', 4326)", "ST_GeomFromText('POINT(1 2)')"}},
	{Name: "gl", SQL: "LINESTRING", Values: []string{"ST_GeomFromText('LINESTRING(0 0,1 1,2.5 -3)')"}},
	{Name: "gg", SQL: "POLYGON", Values: []string{"ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 0),(1 1,2 1,2 2,1 1))')"}},
	{Name: "gmp", SQL: "MULTIPOINT", Values: []string{"ST_GeomFromText('MULTIPOINT(1 1,2 2)')"}},
	{Name: "gml", SQL: "MULTILINESTRING", Values: []string{"ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))')"}},
	{Name: "gmg", SQL: "MULTIPOLYGON", Values: []string{"ST_GeomFromText('MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))')"}},
	{Name: "gc", SQL: "GEOMETRYCOLLECTION", Values: []string{"ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),POLYGON((0 0,1 0,1 1,0 0)))')"}},
}

// On returns the type's declaration on a server; "" where there is none.
func (t Type) On(f mariadb.Flavour) string {
	switch {
	case f.IsMySQL() && t.MySQL == none:
		return ""
	case f.IsMySQL() && t.MySQL != "":
		return t.MySQL
	case f == mariadb.MariaDB && t.Since != "":
		return ""
	}
	return t.SQL
}

// Between returns the types that two servers can both hold.
func Between(a, b mariadb.Flavour) []Type {
	var list []Type
	for _, t := range Table {
		if t.On(a) != "" && t.On(b) != "" {
			list = append(list, t)
		}
	}
	return list
}
