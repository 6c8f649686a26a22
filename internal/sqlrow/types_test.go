package sqlrow

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"baraza/crdt"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/schema"
)

func TestMain(m *testing.M) { mariadbtest.Main(m) }

func open(t testing.TB, d *mariadbtest.DB, apply bool) *sql.DB {
	t.Helper()
	db, err := Open(d.DSN("root"), apply)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func load(t testing.TB, db *sql.DB, opts schema.Options) (*schema.Model, *Tables) {
	t.Helper()
	m, err := schema.Load(context.Background(), db, opts)
	if err != nil {
		t.Fatal(err)
	}
	ts, err := NewTables(m)
	if err != nil {
		t.Fatal(err)
	}
	return m, ts
}

type typ struct {
	name, sql string
	values    []string
}

// types lists SQL types with literals that are at their limits, as an
// application would write them.
var types = []typ{
	{"ti", "TINYINT", []string{"-128", "127", "0"}},
	{"tu", "TINYINT UNSIGNED", []string{"0", "255"}},
	{"si", "SMALLINT", []string{"-32768", "32767"}},
	{"mi", "MEDIUMINT", []string{"-8388608", "8388607"}},
	{"i", "INT", []string{"-2147483648", "2147483647"}},
	{"iu", "INT UNSIGNED", []string{"4294967295"}},
	{"iz", "INT(10) UNSIGNED ZEROFILL", []string{"42"}},
	{"bi", "BIGINT", []string{"-9223372036854775808", "9223372036854775807"}},
	{"bu", "BIGINT UNSIGNED", []string{"18446744073709551615", "9223372036854775808", "9223372036854775807", "0"}},
	{"b1", "BIT(1)", []string{"b'0'", "b'1'"}},
	{"b17", "BIT(17)", []string{"b'10000000000000001'"}},
	{"b64", "BIT(64)", []string{"x'FFFFFFFFFFFFFFFF'", "x'8000000000000000'", "0"}},
	{"f", "FLOAT", []string{"1234567.75", "3.402823466e38", "-3.402823466e38", "1.175494351e-38", "1e-45", "0", "0.1", "16777217"}},
	{"f73", "FLOAT(7,3)", []string{"1234.567", "-0.001", "9999.999"}},
	{"d", "DOUBLE", []string{"1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "0.1", "1e22", "123456789012345678", "-1.7976931348623157e308", "9007199254740993"}},
	{"d102", "DOUBLE(10,2)", []string{"12345678.91", "0.07", "-99999999.99"}},
	{"d25530", "DOUBLE(255,30)", []string{"1e200", "0.123456789012345678901234567891"}},
	{"n6530", "DECIMAL(65,30)", []string{strings.Repeat("9", 35) + "." + strings.Repeat("9", 30), "-" + strings.Repeat("9", 35) + ".000000000000000000000000000001", "0"}},
	{"n50", "DECIMAL(5,0)", []string{"99999", "-99999"}},
	{"y", "YEAR", []string{"1901", "2155", "0000", "1970"}},
	{"da", "DATE", []string{"'1000-01-01'", "'9999-12-31'", "'0000-00-00'", "'2024-00-00'", "'2024-02-31'", "'0001-01-01'"}},
	{"dt", "DATETIME", []string{"'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'"}},
	{"dt6", "DATETIME(6)", []string{"'2024-02-29 23:59:59.999999'", "'2024-02-29 00:00:00.000001'", "'0000-00-00 00:00:00'"}},
	{"ts", "TIMESTAMP NULL", []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'"}},
	{"ts6", "TIMESTAMP(6) NULL", []string{"'2038-01-19 03:14:07.999999'", "'2024-10-27 00:30:00.000001'", "'2024-03-31 01:30:00'"}},
	{"tm", "TIME", []string{"'-838:59:59'", "'838:59:59'", "'00:00:00'"}},
	{"tm6", "TIME(6)", []string{"'-838:59:59.999999'", "'838:59:59.999999'", "'-00:00:00.000001'"}},
	{"c", "CHAR(10)", []string{"''", "'abc'", "'trail  '", "'Zürich'"}},
	{"vc", "VARCHAR(40)", []string{"''", "'trail  '", `'it''s \\ \0 \n " %_'`, "'日本語 😀'", "_utf8mb4 x'E0A4B9'"}},
	{"vb", "VARCHAR(40) COLLATE utf8mb4_bin", []string{"'a'", "'A'"}},
	{"l1", "VARCHAR(40) CHARACTER SET latin1", []string{"'é ü ÿ €'", "_latin1 x'A4FF8085'"}},
	{"cp", "VARCHAR(40) CHARACTER SET cp1251", []string{"'Привет'"}},
	{"u2", "VARCHAR(40) CHARACTER SET ucs2", []string{"'ab日'"}},
	{"u3", "VARCHAR(40) CHARACTER SET utf8mb3", []string{"'日本'"}},
	{"tt", "TINYTEXT", []string{"'x'"}},
	{"tx", "TEXT", []string{"REPEAT('ü', 30000)"}},
	{"mt", "MEDIUMTEXT", []string{"REPEAT('''\\\\', 500000)"}},
	{"lt", "LONGTEXT", []string{"''"}},
	{"bn", "BINARY(4)", []string{"''", "'a'", "x'00FF0027'", "'    '"}},
	{"vbn", "VARBINARY(40)", []string{"''", "x'00275C0A1A22FF'", "'trail  '", "x'C3'", "x'E227'", "x'F05C5C27'"}},
	{"bl", "BLOB", []string{"x'00'", "''"}},
	{"mb", "MEDIUMBLOB", []string{"REPEAT(x'00275CFF', 1000000)"}},
	{"lb", "LONGBLOB", []string{"REPEAT(x'27', 3000000)"}},
	{"en", "ENUM('a','B','c d','é')", []string{"'a'", "'B'", "'c d'", "'é'"}},
	{"st", "SET('x','y','z')", []string{"''", "'x,z'", "'x,y,z'"}},
	{"js", "JSON", []string{`'{"a": [1, 2.50, "ü", null]}'`, "'\"\\\\u0041\"'"}},
	{"uu", "UUID", []string{"'5089AAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA'"}},
	{"ip", "INET6", []string{"'::1'", "'2001:db8::ff00:42:8329'"}},
	{"g", "GEOMETRY", []string{"ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))')"}},
	{"p", "POINT", []string{"ST_GeomFromText('POINT(-0.1 51.5)', 4326)"}},
	{"pg", "POLYGON", []string{"ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 0),(1 1,2 1,2 2,1 1))')"}},
}

// A value that is read and written back stores the same bytes. Compared by the
// server, in the form that tells everything apart.
func TestRoundTrip(t *testing.T) {
	d := mariadbtest.New(t)
	d.Must(t, "SET GLOBAL sql_mode=''") // the application's sessions are lax
	t.Cleanup(func() { d.Must(t, "SET GLOBAL sql_mode=DEFAULT") })
	db := open(t, d, false)
	ctx := context.Background()
	types := types
	if d.Server.Flavour().IsMySQL() { // it does not have these
		types = slices.DeleteFunc(slices.Clone(types), func(typ typ) bool { return typ.sql == "UUID" || typ.sql == "INET6" })
	}
	var defs []string
	for _, typ := range types {
		defs = append(defs, typ.name+" "+typ.sql)
	}
	for _, name := range []string{"a", "b"} {
		if _, err := db.Exec("CREATE TABLE " + name + " (id INT PRIMARY KEY," + strings.Join(defs, ",") + ")"); err != nil {
			t.Fatal(err)
		}
	}
	id := 0
	for _, typ := range types {
		for _, v := range typ.values {
			id++
			if d.Server.Flavour().IsMySQL() { // its longest TIME has no fraction
				v = strings.Replace(v, "838:59:59.", "838:59:58.", 1)
			}
			if _, err := db.Exec(fmt.Sprintf("INSERT INTO a (id, %s) VALUES (%d, %s)", typ.name, id, v)); err != nil {
				t.Fatalf("%s %.60s: %v", typ.sql, v, err)
			}
		}
	}
	_, ts := load(t, db, schema.Options{})
	a := ts.Table("a")
	rows, err := a.Read(ctx, db, "TRUE")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != id {
		t.Fatalf("%d rows of %d", len(rows), id)
	}
	for _, row := range rows {
		insert(t, db, "b", a.Columns, row.Values)
	}
	for _, typ := range types {
		same := fmt.Sprintf("SELECT COUNT(*), MIN(a.id), MIN(LEFT(%[1]s, 80)), MIN(LEFT(%[2]s, 80)) FROM a JOIN b USING (id) WHERE NOT (%[1]s <=> %[2]s)",
			exactly("a."+typ.name, typ.sql), exactly("b."+typ.name, typ.sql))
		var n int
		var first, was, is any
		if err := db.QueryRow(same).Scan(&n, &first, &was, &is); err != nil {
			t.Fatalf("%s: %v", typ.sql, err)
		}
		if n > 0 {
			t.Errorf("%s: %d values changed; first in row %v: %s became %s", typ.sql, n, first, was, is)
		}
	}
	again, err := ts.Table("b").Read(ctx, db, "TRUE")
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		for j := range rows[i].Values {
			if rows[i].Values[j] != again[i].Values[j] {
				t.Errorf("%s: %.60s became %.60s", a.Columns[j], rows[i].Values[j], again[i].Values[j])
			}
		}
	}
}

// exactly is an expression that is equal for equal bits only.
func exactly(column, sqlType string) string {
	switch {
	case strings.HasPrefix(sqlType, "FLOAT"), strings.HasPrefix(sqlType, "DOUBLE"):
		return "CONCAT(" + column + "*1e0)" // all digits
	case strings.HasPrefix(sqlType, "BIT"):
		return "HEX(" + column + ")"
	}
	return "HEX(CAST(" + column + " AS BINARY))"
}

func insert(t testing.TB, db *sql.DB, table string, columns []string, values []crdt.Value) {
	t.Helper()
	var err error
	b := []byte("INSERT INTO " + table + " (" + strings.Join(columns, ",") + ") VALUES (")
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = AppendLiteral(b, v); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(string(append(b, ')'))); err != nil {
		t.Fatalf("%.200s: %v", b, err)
	}
}

// The tags are those that crdt promises, not only the same at both ends.
func TestTags(t *testing.T) {
	d := mariadbtest.New(t)
	db := open(t, d, false)
	d.Must(t, `CREATE TABLE x (i INT PRIMARY KEY, u BIGINT UNSIGNED, b BIT(9), y YEAR, f FLOAT, d DOUBLE, n DECIMAL(9,2), c CHAR(3), e ENUM('q'),
		vb VARBINARY(3), da DATE, t TIMESTAMP(3) NULL, nothing INT)`,
		`SET time_zone='+05:00'; INSERT INTO x VALUES (-1, 18446744073709551615, 257, 1999, 0.1, 0.1, 7, 'ab', 'q', x'00FF', '2024-01-02', '2024-01-01 00:00:00.5', NULL)`)
	_, ts := load(t, db, schema.Options{})
	rows, err := ts.Table("x").Read(context.Background(), db, "TRUE")
	if err != nil {
		t.Fatal(err)
	}
	want := []crdt.Value{
		crdt.Int(-1), crdt.Uint(math.MaxUint64), crdt.Int(257), crdt.Int(1999), crdt.Float32(0.1), crdt.Float64(0.1),
		crdt.Tagged(crdt.TagDecimal, "7.00"), crdt.Text("ab"), crdt.Text("q"), crdt.Bytes("\x00\xff"), crdt.Tagged(crdt.TagTime, "2024-01-02"),
		crdt.Tagged(crdt.TagTime, "2023-12-31 19:00:00.500"), crdt.Null,
	}
	for i, w := range want {
		if rows[0].Values[i] != w {
			t.Errorf("%s: %q, want %q", ts.Table("x").Columns[i], rows[0].Values[i], w)
		}
	}
}

// Random values go in by our literals and come out the same.
func TestRandomValues(t *testing.T) {
	d := mariadbtest.New(t)
	db := open(t, d, true)
	d.Must(t, "CREATE TABLE r (i BIGINT PRIMARY KEY, u BIGINT UNSIGNED, b BIT(64), f FLOAT, d DOUBLE, n DECIMAL(65,30), t LONGTEXT, x LONGBLOB)")
	_, ts := load(t, db, schema.Options{})
	r := ts.Table("r")
	rng := rand.New(rand.NewPCG(1, 2))
	want := make(map[crdt.Value][]crdt.Value)
	for range 500 {
		values := []crdt.Value{
			crdt.Int(int64(rng.Uint64())), crdt.Uint(rng.Uint64()), crdt.Uint(rng.Uint64()), randomFloat32(rng), randomFloat64(rng),
			randomDecimal(rng), crdt.Text(randomText(rng)), crdt.Bytes(randomBytes(rng)),
		}
		insert(t, db, "r", r.Columns, values)
		want[values[0]] = values
	}
	rows, err := r.Read(context.Background(), db, "TRUE")
	if err != nil || len(rows) != len(want) {
		t.Fatal(len(rows), err)
	}
	for _, row := range rows {
		for j, v := range want[row.PK[0]] {
			if row.Values[j] != v {
				t.Errorf("%s: %s became %s", r.Columns[j], v, row.Values[j])
			}
		}
	}
}

func randomFloat32(rng *rand.Rand) crdt.Value {
	for {
		if f := math.Float32frombits(rng.Uint32()); !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) {
			return crdt.Float32(f)
		}
	}
}

func randomFloat64(rng *rand.Rand) crdt.Value {
	for {
		if f := math.Float64frombits(rng.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return crdt.Float64(f)
		}
	}
}

func randomDecimal(rng *rand.Rand) crdt.Value {
	s := fmt.Sprintf("%d.%015d%015d", rng.Int64N(1<<62)+1, rng.Int64N(1e15), rng.Int64N(1e15))
	if rng.IntN(2) == 0 {
		s = "-" + s
	}
	return crdt.Tagged(crdt.TagDecimal, s)
}

func randomText(rng *rand.Rand) string {
	var b strings.Builder
	for range rng.IntN(40) {
		r := rune(rng.IntN(0x10000))
		if rng.IntN(2) == 0 {
			r = rune(rng.IntN(0x80))
		}
		if r >= 0xD800 && r < 0xE000 {
			r += 0x10000
		}
		b.WriteRune(r)
	}
	return b.String()
}

func randomBytes(rng *rand.Rand) string {
	var b []byte
	for range rng.IntN(10) {
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
		b = append(b, `'\`...)
	}
	return string(b)
}

// No value that another site sends ends its literal.
func TestLiteralHoldsAnything(t *testing.T) {
	for _, v := range []crdt.Value{
		crdt.Tagged(crdt.TagDecimal, "1; DROP TABLE x"), crdt.Tagged(crdt.TagDecimal, ""), crdt.Tagged(crdt.TagDecimal, "-"),
		crdt.Tagged(crdt.TagDecimal, "1."), crdt.Tagged(crdt.TagDecimal, "1e5"), crdt.Tagged('?', "x"), crdt.Tagged(crdt.TagInt, ""),
		crdt.Ref("tx"), crdt.Float64(math.NaN()), crdt.Float32(float32(math.Inf(1))),
	} {
		if b, err := AppendLiteral(nil, v); err == nil {
			t.Errorf("%q gives %s", string(v), b)
		}
	}
	got, _ := AppendLiteral(nil, crdt.Text(`a' OR '1'='1\`))
	if string(got) != `'a\' OR \'1\'=\'1\\'` {
		t.Errorf("%s", got)
	}
}

func TestSession(t *testing.T) {
	d := mariadbtest.New(t)
	for _, apply := range []bool{false, true} {
		var mode, zone, charset string
		var applying sql.NullInt64
		err := open(t, d, apply).QueryRow("SELECT @@sql_mode, @@time_zone, @@character_set_results, @baraza_apply").Scan(&mode, &zone, &charset, &applying)
		if err != nil {
			t.Fatal(err)
		}
		if zone != "+00:00" || charset != "utf8mb4" || applying.Valid != apply || !strings.Contains(mode, "STRICT_ALL_TABLES") {
			t.Error(mode, zone, charset, applying)
		}
	}
	if name, err := Database(d.DSN("root")); err != nil || name != d.Name {
		t.Error(name, err)
	}
	if _, err := Open("nonsense", false); err == nil {
		t.Error("a DSN that is none was taken")
	}
}
