package types

import (
	"fmt"
	"strings"
	"testing"

	"baraza/internal/mariadb"
	"baraza/merge"
)

// collations of text keys, and who has them.
var collations = []struct {
	name string
	on   func(f mariadb.Flavour) bool
}{
	{"utf8mb4_general_ci", nil},
	{"utf8mb4_unicode_ci", nil},
	{"utf8mb4_unicode_520_ci", nil},
	{"utf8mb4_bin", nil},
	{"utf8mb3_general_ci", nil},
	{"utf8mb3_bin", nil},
	{"latin1_swedish_ci", nil},
	{"latin1_general_cs", nil},
	{"latin1_bin", nil},
	{"utf8mb4_0900_ai_ci", mariadb.Flavour.IsMySQL},
	{"utf8mb4_0900_as_cs", mariadb.Flavour.IsMySQL},
	{"utf8mb4_0900_bin", mariadb.Flavour.IsMySQL},
	{"utf8mb4_uca1400_ai_ci", notMySQL},
	{"utf8mb4_uca1400_as_cs", notMySQL},
	{"utf8mb4_nopad_bin", notMySQL},
	{"utf8mb4_unicode_nopad_ci", notMySQL},
}

func notMySQL(f mariadb.Flavour) bool { return !f.IsMySQL() }

// spellings are pairs of keys that some collations take for one.
var spellings = [][2]string{
	{"clinic", "CLINIC"}, {"pad", "pad  "}, {"é", "e"}, {"é", "É"}, {"ß", "ss"}, {"æ", "ae"}, {"ñ", "n"}, {"Ω", "ω"}, {"", " "}, {"a-b", "ab"}, {"x", "x y"}, {"o", "ø"},
}

// TestCollations: rows that both sites add by themselves, with keys that are
// written in different ways, are one row exactly where the collation says so.
// Where a key is finer than the collation, as of ß and ss, the second row is
// refused as a duplicate, to be held: never mixed with the first, and nothing
// waits for it.
func TestCollations(t *testing.T) {
	fa, fb := mariadb.Turn(0), mariadb.Turn(1)
	var names, ddl []string
	for _, c := range collations {
		if c.on == nil || c.on(fa) && c.on(fb) {
			ddl = append(ddl, fmt.Sprintf("CREATE TABLE c_%d (k VARCHAR(20) COLLATE %s NOT NULL PRIMARY KEY, n INT)", len(names), c.name))
			names = append(names, c.name)
		}
	}
	a, b := newSite(t, 0, ddl...), newSite(t, 1, ddl...)
	one, two, held := 0, 0, 0
	for i, name := range names {
		for _, s := range spellings {
			if strings.HasPrefix(name, "latin1") && s[0] == "Ω" {
				continue
			}
			var equal bool
			table := fmt.Sprintf("c_%d", i)
			a.exec(fmt.Sprintf("INSERT INTO %s VALUES ('%s', 1)", table, s[0]))
			if err := a.app.QueryRow(fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE k = '%s')", table, s[1])).Scan(&equal); err != nil {
				t.Fatal(err)
			}
			b.exec(fmt.Sprintf("INSERT INTO %s VALUES ('%s', 2)", table, s[1]))
			written := a.captured()
			refused := a.apply(b.captured())
			n := count(a, "SELECT COUNT(*) FROM "+table)
			switch {
			case !equal && n == 2 && len(refused) == 0:
				two++
			case equal && n == 1 && len(refused) == 0 && count(a, "SELECT n FROM "+table) == 2:
				one++
			case equal && n == 1 && len(refused) == 1 && refused[0].Refusal == merge.RefusedDuplicate && count(a, "SELECT n FROM "+table) == 1:
				held++
				t.Logf("%s: %q and %q are two names of what the collation takes for one", name, s[0], s[1])
			default:
				t.Errorf("%s: %q here, %q from there, equal %v: %d rows, refused %v", name, s[0], s[1], equal, n, refused)
			}
			b.apply(written)
			if m := count(b, "SELECT COUNT(*) FROM "+table); m != n {
				t.Errorf("%s: %q and %q: %d rows at one site, %d at the other", name, s[0], s[1], n, m)
			}
			for _, s := range []*site{a, b} {
				s.exec("DELETE FROM " + table)
				s.captured()
			}
		}
	}
	t.Logf("%d collations: %d pairs are one row, %d are two, %d are held", len(names), one, two, held)
}
