package sqlrow

import (
	"testing"

	"baraza/crdt"
	"baraza/internal/mariadb/mariadbtest"
)

func TestFold(t *testing.T) {
	for _, c := range []struct{ collation, in, want string }{
		{"utf8mb4_general_ci", "ABC def  ", "abc def"},
		{"utf8mb4_general_ci", "José", "jose"},
		{"utf8mb4_unicode_ci", "JOSE\u0301", "jose"},
		{"utf8mb4_general_ci", "JOSE\u0301", "jose\u0301"},
		{"utf8mb4_general_ci", "Иод Йод", "иод йод"},
		{"utf8mb4_0900_ai_ci", "José ", "jose "},
		{"utf8mb4_0900_as_ci", "José ", "josé "},
		{"utf8mb4_bin", "ABC  ", "ABC"},
		{"utf8mb4_0900_bin", "ABC  ", "ABC  "},
		{"utf8mb4_nopad_bin", "A ", "A "},
		{"latin1_swedish_ci", "ÅSA", "åsa"},
		{"latin1_general_cs", "Ab", "Ab"},
		{"", "A ", "A "},
		{"utf8mb4_general_ci", "   ", ""},
	} {
		col := Column{kind: kindText, fold: foldingOf(c.collation)}
		if got := col.Canonical(crdt.Text(c.in)); got != crdt.Text(c.want) {
			t.Errorf("%s: %q gives %s", c.collation, c.in, got)
		}
	}
	binary := Column{kind: kindBytes}
	if got := binary.Canonical(crdt.Bytes("A ")); got != crdt.Bytes("A ") {
		t.Error("bytes were folded")
	}
}

// Character by character, the folding takes no two for one that the server
// tells apart, in the alphabets that people write names in. The other way round
// it may: there a unique index decides.
func TestFoldAgainstServer(t *testing.T) {
	d := mariadbtest.New(t)
	for _, collation := range []string{"utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci"} {
		d.Must(t, "DROP TABLE IF EXISTS ch", "CREATE TABLE ch (n INT PRIMARY KEY, c VARCHAR(4) COLLATE "+collation+")",
			"INSERT INTO ch SELECT seq, CONVERT(UNHEX(LPAD(HEX(seq), 4, '0')) USING ucs2) FROM "+mariadbtest.Sequence(33, 1423)+" WHERE CHAR_LENGTH(CONVERT(UNHEX(LPAD(HEX(seq), 4, '0')) USING ucs2)) = 1")
		rows, err := d.Query("SELECT n, c, HEX(WEIGHT_STRING(c)) FROM ch")
		if err != nil {
			t.Fatal(err)
		}
		col := Column{kind: kindText, fold: foldingOf(collation)}
		byWeight, byFold := map[string]string{}, map[string]string{}
		apart, together := "", ""
		for rows.Next() {
			var n int
			var c, w string
			if err := rows.Scan(&n, &c, &w); err != nil {
				t.Fatal(err)
			}
			f := string(col.Canonical(crdt.Text(c)))
			if old, ok := byWeight[w]; ok && old != f {
				apart += c
			} else {
				byWeight[w] = f
			}
			if old, ok := byFold[f]; ok && old != w && common(n) {
				together += c
			} else {
				byFold[f] = w
			}
		}
		t.Logf("%s: the server equal, we not: %q", collation, apart)
		if together != "" {
			t.Errorf("%s: we equal, the server not: %q", collation, together)
		}
	}
}

// common is Latin-1, Latin Extended-A, Greek and Cyrillic.
func common(n int) bool {
	return n <= 0x17F || (0x386 <= n && n <= 0x3CE) || (0x400 <= n && n <= 0x45F)
}
