package types

import (
	"fmt"
	"strings"
	"testing"

	"baraza/crdt"
	"baraza/internal/mariadb"
)

// back is added to the ids of rows on their way back.
const back = 1_000_000

// wide declares one table with a column of every type, and columns that do not
// travel or are not shown.
func wide(f mariadb.Flavour, types []Type, generated string) string {
	defs := []string{"id INT PRIMARY KEY"}
	for _, t := range types {
		defs = append(defs, t.Name+" "+strings.TrimSuffix(t.On(f), " NULL")+" NULL")
	}
	defs = append(defs, "hidden INT INVISIBLE", "gv BIGINT AS ("+generated+") VIRTUAL", "gs BIGINT AS ("+generated+") STORED")
	return "CREATE TABLE w (" + strings.Join(defs, ", ") + ") CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
}

// zones are those in which applications write.
var zones = []string{"SYSTEM", "+00:00", "-07:00", "+05:45"}

// TestTypes: every value of the table goes to the other site and back. On the
// way it is shown by both servers alike, and back home it is what it was.
func TestTypes(t *testing.T) {
	fa, fb := mariadb.Turn(0), mariadb.Turn(1)
	types := Between(fa, fb)
	a := newSite(t, 0, wide(fa, types, "id + 1"))
	b := newSite(t, 1, wide(fb, types, "id + 2"))
	id := 0
	for _, typ := range types {
		for _, v := range typ.Values {
			id++
			a.exec("SET time_zone='"+zones[id%len(zones)]+"'",
				fmt.Sprintf("INSERT INTO w (id, hidden, %s) VALUES (%d, %d, %s)", typ.Name, id, -id, v))
		}
	}
	there(t, a, b, types, id)
}

// there carries the rows of w with ids up to last from a to b and back, where
// they get other ids, and compares.
func there(t *testing.T, a, b *site, types []Type, last int) {
	t.Helper()
	carry(a, b)
	for _, typ := range types {
		at, here := a.shown(typ), b.shown(typ)
		if len(at) != len(here) {
			t.Errorf("%s: %d values at %s, %d at %s", typ.SQL, len(at), a.name, len(here), b.name)
		}
		for id, v := range at {
			if here[id] != v {
				t.Errorf("%s: value %d, %.80s at %s, is %.80s at %s", typ.SQL, id, v, a.name, here[id], b.name)
			}
		}
	}
	comparePortable(t, a, b, 0)
	if n := count(b, "SELECT COUNT(*) FROM w WHERE hidden=-id AND gv=id+2 AND gs=id+2"); n != last {
		t.Errorf("%s has %d rows whose hidden and generated columns are right, want %d", b.name, n, last)
	}
	b.exec("SET time_zone='+02:00'", fmt.Sprintf("UPDATE w SET id = id + %d ORDER BY id DESC", back))
	carry(b, a)
	for _, typ := range types {
		at := a.shown(typ)
		for id, v := range b.shown(typ) {
			if at[id] != v {
				t.Errorf("%s: value %d, back from %s: %.80s is %.80s", typ.SQL, id-back, b.name, v, at[id])
			}
		}
	}
	comparePortable(t, a, b, back)
	a.exec("DELETE FROM w")
	deleted := a.captured()
	if len(deleted) != last {
		t.Errorf("%d rows deleted, want %d", len(deleted), last)
	}
	have := b.portable("w")
	for _, d := range deleted {
		for i, v := range have[d.Key].Values {
			if !crdt.Same(d.Values[i], v) {
				t.Errorf("row %s, column %s: deleted as %.80s, it was %.80s", d.Key, d.Columns[i], d.Values[i], v)
			}
		}
	}
}

// comparePortable compares what both sites would ship of the rows that b has.
func comparePortable(t *testing.T, a, b *site, least int64) {
	t.Helper()
	comparePortableOf(t, a, b, "w", least)
}

func comparePortableOf(t *testing.T, a, b *site, table string, least int64) {
	t.Helper()
	at := a.portable(table)
	columns, there := a.tables.Table(table).Columns, b.tables.Table(table).Columns
	if strings.Join(columns, " ") != strings.Join(there, " ") {
		t.Fatalf("columns %v and %v", columns, there)
	}
	for key, row := range b.portable(table) {
		if id, _ := row.PK[0].AsInt(); id < least {
			continue
		}
		for i, v := range row.Values {
			if i >= len(at[key].Values) || !crdt.Same(at[key].Values[i], v) {
				t.Errorf("row %s, column %s: %.80s at %s differs", key, columns[i], v, b.name)
			}
		}
	}
}

func count(s *site, query string) (n int) {
	s.Helper()
	if err := s.own.QueryRow(query).Scan(&n); err != nil {
		s.Fatal(err)
	}
	return n
}

// TestKeys: a key of every type names the same row at both sites.
func TestKeys(t *testing.T) {
	fa, fb := mariadb.Turn(0), mariadb.Turn(1)
	var keys []Type
	ddl := make([][]string, 2)
	for _, typ := range Between(fa, fb) {
		if typ.Key {
			keys = append(keys, typ)
			for i, f := range []mariadb.Flavour{fa, fb} {
				ddl[i] = append(ddl[i], fmt.Sprintf("CREATE TABLE k_%[1]s (k %[2]s NOT NULL, m %[2]s NOT NULL, n INT, PRIMARY KEY (k, m)) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", typ.Name, typ.On(f)))
			}
		}
	}
	a, b := newSite(t, 0, ddl[0]...), newSite(t, 1, ddl[1]...)
	for _, typ := range keys {
		for i, v := range typ.Values {
			a.exec(fmt.Sprintf("INSERT INTO k_%s VALUES (%[2]s, %[2]s, %[3]d)", typ.Name, v, i))
		}
	}
	carry(a, b)
	for _, typ := range keys {
		b.exec(fmt.Sprintf("UPDATE k_%s SET n = n + 100", typ.Name))
	}
	carry(b, a)
	for _, typ := range keys {
		if n := count(a, "SELECT COUNT(*) FROM k_"+typ.Name+" WHERE n >= 100"); n != len(typ.Values) {
			t.Errorf("%s: %d rows were found by their key, want %d", typ.SQL, n, len(typ.Values))
		}
		for key, row := range b.portable("k_" + typ.Name) {
			if at := a.portable("k_" + typ.Name)[key]; len(at.Values) == 0 || at.Values[0] != row.Values[0] {
				t.Errorf("%s: the key %s is %s at %s", typ.SQL, key, row.Values[0], b.name)
			}
		}
		a.exec("DELETE FROM k_" + typ.Name)
	}
	carry(a, b)
	for _, typ := range keys {
		if n := count(b, "SELECT COUNT(*) FROM k_"+typ.Name); n != 0 {
			t.Errorf("%s: %d rows are left", typ.SQL, n)
		}
	}
}
