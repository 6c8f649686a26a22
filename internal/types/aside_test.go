package types

import (
	"fmt"
	"strings"
	"testing"

	"baraza/internal/mariadb"
	"baraza/merge"
)

// narrow are columns that are not the same at both sites, with a value that
// only the first can hold. The second refuses that row with words that name
// what is wrong, and takes all others.
var narrow = []struct {
	name, here, there, value string
	// from and to restrict the servers: "" for any, mysql, or mariadb.
	from, to string
	reason   string
}{
	{name: "emoji", here: "VARCHAR(10)", there: "VARCHAR(10) CHARACTER SET utf8mb3", value: "'😀'", reason: "Incorrect string value"},
	{name: "kanji", here: "VARCHAR(10)", there: "VARCHAR(10) CHARACTER SET latin1", value: "'日本'", reason: "Incorrect string value"},
	{name: "chars", here: "VARCHAR(10)", there: "VARCHAR(5)", value: "'123456'", reason: "too long"},
	{name: "bytes", here: "VARBINARY(10)", there: "BINARY(5)", value: "x'010203040506'", reason: "too long"},
	{name: "ints", here: "INT", there: "TINYINT", value: "128", reason: "Out of range"},
	{name: "sign", here: "BIGINT", there: "BIGINT UNSIGNED", value: "-1", reason: "Out of range"},
	{name: "double", here: "DOUBLE", there: "FLOAT", value: "1e300", reason: "Out of range"},
	{name: "dec", here: "DECIMAL(20,2)", there: "DECIMAL(10,2)", value: "123456789012.5", reason: "Out of range"},
	{name: "places", here: "DECIMAL(20,4)", there: "DECIMAL(20,2)", value: "1.234", reason: "decimals"},
	{name: "micros", here: "DATETIME(6)", there: "DATETIME", value: "'2024-01-01 00:00:00.5'", reason: "decimals"},
	{name: "day", here: "DATETIME", there: "DATE", value: "'2024-01-01 01:00:00'", reason: "time of day"},
	{name: "third", here: "DOUBLE", there: "FLOAT", value: "0.1", reason: "digits"},
	{name: "half2", here: "DOUBLE", there: "INT", value: "0.5", reason: "decimals"},
	{name: "word", here: "ENUM('a','b')", there: "ENUM('a')", value: "'b'", reason: "truncated"},
	{name: "words", here: "SET('a','b')", there: "SET('a')", value: "'a,b'", reason: "truncated"},
	{name: "doc", here: "TEXT", there: "JSON", value: "'{not'", reason: "JSON|CONSTRAINT"},
	{name: "deep", here: "TEXT", there: "JSON", value: "CONCAT(REPEAT('[', 200), REPEAT(']', 200))", reason: "exceeds the maximum depth|CONSTRAINT"},
	{name: "half", here: "TEXT", there: "JSON", value: `'"\\ud800"'`, reason: "surrogate|CONSTRAINT"},
	{name: "shape", here: "GEOMETRY", there: "POINT", value: "ST_GeomFromText('LINESTRING(0 0,1 1)')", reason: "geometry|Incorrect POINT value"},
	{name: "blob", here: "BLOB", there: "POINT", value: "'no point'", reason: "geometry"},
	{name: "srid", here: "POINT", there: "POINT SRID 4326", value: "ST_GeomFromText('POINT(1 2)')", to: "mysql", reason: "SRID"},
	{name: "uuid", here: "VARCHAR(40)", there: "UUID", value: "'nobody'", to: "mariadb", reason: "Incorrect uuid value"},
	{name: "odd", here: "CHAR(36)", there: "UUID", value: "'ced89233-fd3a-b21e-6726-9469d97a1ca9'", to: "mariadb", reason: "Incorrect uuid value"},
	{name: "inet", here: "VARCHAR(40)", there: "INET6", value: "'300.1.1.1'", to: "mariadb", reason: "Incorrect inet6 value"},
	{name: "long", here: "TIME(6)", there: "TIME(6)", value: "'838:59:59.999999'", from: "mariadb", to: "mysql", reason: "Incorrect time value"},
	{name: "late", here: "TIMESTAMP NULL", there: "TIMESTAMP NULL", value: "'2100-01-01 00:00:00'", from: "mariadb-new", to: "mysql|mariadb", reason: "Incorrect datetime value"},
	{name: "rule", here: "INT", there: "INT CHECK (v > 0)", value: "-1", reason: "CONSTRAINT|constraint"},
	{name: "full", here: "INT NULL", there: "INT NOT NULL DEFAULT 7", value: "NULL", reason: "cannot be null"},
}

// TestSetAside: what the other server cannot hold is refused there, row by row.
func TestSetAside(t *testing.T) {
	fa, fb := mariadb.Turn(0), mariadb.Turn(1)
	ddl := make([][]string, 2)
	var want []string
	for _, n := range narrow {
		if !restricts(n.from, fa) && !restricts(n.to, fb) {
			ddl[0] = append(ddl[0], fmt.Sprintf("CREATE TABLE n_%s (id INT PRIMARY KEY, v %s)", n.name, n.here))
			ddl[1] = append(ddl[1], fmt.Sprintf("CREATE TABLE n_%s (id INT PRIMARY KEY, v %s)", n.name, n.there))
			want = append(want, n.name)
		}
	}
	for i := range ddl {
		for j := range ddl[i] {
			ddl[i][j] += " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
		}
	}
	a, b := newSite(t, 0, ddl[0]...), newSite(t, 1, ddl[1]...)
	for _, n := range narrow {
		if restricts(n.from, fa) || restricts(n.to, fb) {
			continue
		}
		a.exec(fmt.Sprintf("INSERT INTO n_%s VALUES (1, %s)", n.name, n.value))
		refused := b.apply(a.captured())
		ok := false
		for reason := range strings.SplitSeq(n.reason, "|") {
			ok = ok || len(refused) == 1 && strings.Contains(refused[0].Detail, reason)
		}
		if len(refused) != 1 || refused[0].Refusal != merge.RefusedValue || !ok {
			t.Errorf("%s %s to %s: refused %v, want the reason %q", n.here, n.value, n.there, refused, n.reason)
		}
		if rows := count(b, "SELECT COUNT(*) FROM n_"+n.name); rows != 0 {
			t.Errorf("%s: %d rows", n.name, rows)
		}
	}
	t.Logf("%s to %s: %s", fa, fb, strings.Join(want, " "))
}

// restricts reports whether a list of servers leaves one out. mariadb stands
// for both MariaDBs but where the newer one is meant alone.
func restricts(list string, f mariadb.Flavour) bool {
	switch list {
	case "":
		return false
	case "mariadb":
		return f.IsMySQL()
	case "mysql|mariadb":
		return f == mariadb.NewerMariaDB
	}
	return list != string(f)
}
