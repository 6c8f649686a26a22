package types

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"baraza/internal/mariadb"
)

// instants lie around the hours in which the clocks of Europe/Berlin and of
// America/New_York are put back and forward. Of the first two in each of the
// former pairs the local time has one name.
var instants = []string{
	"1729989000.500000", "1729992600.500000", // 2024-10-27 02:30, twice
	"1711846799.999999", "1711846800.000001", // 2024-03-31 01:59:59.999999 and 03:00
	"1730611800.000001", "1730615400.000001", // 2024-11-03 01:30, twice
	"1710053999.200000", "1710054000.300000", // 2024-03-10 01:59:59.2 and 03:00:00.3
}

// TestZones: a TIMESTAMP is an instant, whatever the zones of the sessions that
// write, note, read and apply it are, and also in the hour that comes twice.
func TestZones(t *testing.T) {
	ddl := []string{
		"CREATE TABLE z (id INT PRIMARY KEY, ts TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), n INT)",
		"CREATE TABLE kz (ts TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) PRIMARY KEY, n INT)",
	}
	a, b := newSite(t, 0, ddl...), newSite(t, 1, ddl...)
	check := func(s *site, what string, want ...string) {
		t.Helper()
		for i, w := range want {
			var ts, key string
			if err := s.own.QueryRow(fmt.Sprintf("SELECT z.ts, kz.ts FROM z JOIN kz ON kz.n = z.id WHERE z.id = %d AND UNIX_TIMESTAMP(z.ts)=%s AND UNIX_TIMESTAMP(kz.ts)=%s", i, w, instants[i])).Scan(&ts, &key); err != nil {
				t.Errorf("%s: %s does not have the instant %s: %v", what, s.name, w, err)
			}
		}
	}
	for _, zone := range zones {
		for i, at := range instants {
			a.exec("SET time_zone='"+zone+"'", "SET timestamp="+at, fmt.Sprintf("INSERT INTO z (id) VALUES (%d)", i), fmt.Sprintf("INSERT INTO kz (n) VALUES (%d)", i))
		}
		carry(a, b)
		check(b, "inserted in "+zone, instants...)
		later := make([]string, len(instants))
		for i := range instants {
			later[i] = instants[i^1] // the other hour of the same name
			b.exec("SET time_zone='"+zone+"'", "SET timestamp="+later[i], fmt.Sprintf("UPDATE z SET n=1 WHERE id=%d", i))
		}
		carry(b, a)
		check(a, "updated in "+zone, later...)
		a.exec("SET time_zone='SYSTEM'", "UPDATE kz SET n = n + 100 ORDER BY ts")
		carry(a, b)
		if n := count(b, "SELECT COUNT(*) FROM kz WHERE n >= 100"); n != len(instants) {
			t.Errorf("%s: %d keys were found", zone, n)
		}
		have := b.portable("z")
		a.exec("DELETE FROM z", "DELETE FROM kz WHERE UNIX_TIMESTAMP(ts) <= 1729989001")
		deleted := a.captured()
		for _, d := range deleted {
			if d.Table == "z" && d.Values[1] != have[d.Key].Values[1] {
				t.Errorf("%s: row %s was deleted with %s, it had %s", zone, d.Key, d.Values[1], have[d.Key].Values[1])
			}
		}
		b.apply(deleted)
		if n := count(b, "SELECT COUNT(*) FROM kz WHERE UNIX_TIMESTAMP(ts) > 1729989001"); n != 3 || n != count(b, "SELECT COUNT(*) FROM kz") {
			t.Errorf("%s: %d rows of the wrong hour are gone", zone, 3-n)
		}
		a.exec("DELETE FROM kz")
		carry(a, b)
	}
}

// TestNegativeZero: it stays where both servers have it, else it is zero, which
// to SQL is the same. MariaDB has it from version 11 on.
func TestNegativeZero(t *testing.T) {
	ddl := "CREATE TABLE zero (id INT PRIMARY KEY, d DOUBLE, f FLOAT)"
	a, b := newSite(t, 0, ddl), newSite(t, 1, ddl)
	a.exec("INSERT INTO zero VALUES (1, '-0', '-0')")
	carry(a, b)
	a.exec("UPDATE zero SET d = 1", "UPDATE zero SET d = -0e0")
	carry(a, b)
	for _, s := range []*site{a, b} {
		var text string
		if err := s.own.QueryRow("SELECT d*1e0 FROM zero").Scan(&text); err != nil {
			t.Fatal(err)
		}
		f, err := strconv.ParseFloat(text, 64)
		has := mariadb.Turn(0) != mariadb.MariaDB && s.server.Flavour() != mariadb.MariaDB
		if err != nil || f != 0 || math.Signbit(f) != has {
			t.Errorf("%s has %s, %v", s.name, text, err)
		}
	}
	comparePortableOf(t, a, b, "zero", 0)
}

// TestLarge: values of 16 MB.
func TestLarge(t *testing.T) {
	ddl := "CREATE TABLE large (id INT PRIMARY KEY, v LONGBLOB, t MEDIUMTEXT) CHARACTER SET utf8mb4"
	a, b := newSite(t, 0, ddl), newSite(t, 1, ddl)
	a.exec("INSERT INTO large VALUES (1, CONCAT(REPEAT(x'00275CFF', 4194304), x'00'), NULL), (2, NULL, REPEAT('''日\\\\😀ü', 1525201))")
	carry(a, b)
	b.exec("UPDATE large SET id = id + 10 ORDER BY id DESC")
	carry(b, a)
	for _, s := range []*site{a, b} {
		var bytes, chars int
		var blob, text string
		if err := s.own.QueryRow("SELECT LENGTH(x.v), LENGTH(y.t), SHA2(x.v, 256), SHA2(y.t, 256) FROM large x, large y WHERE x.id=11 AND y.id=12").Scan(&bytes, &chars, &blob, &text); err != nil {
			t.Fatal(err)
		}
		var want, wantText string
		if err := s.own.QueryRow("SELECT SHA2(CONCAT(REPEAT(x'00275CFF', 4194304), x'00'), 256), SHA2(REPEAT('''日\\\\😀ü', 1525201), 256)").Scan(&want, &wantText); err != nil {
			t.Fatal(err)
		}
		if bytes != 1<<24+1 || blob != want || chars < 1<<24-16 || text != wantText {
			t.Errorf("%s: %d bytes %s, want %s; text of %d bytes %s, want %s", s.name, bytes, blob, want, chars, text, wantText)
		}
	}
}
