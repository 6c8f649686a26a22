package sqldb

import (
	"fmt"
	"strings"
	"testing"

	"baraza/crdt"
	"baraza/merge"
)

// A row with which more levels of rows would go than the server follows stays,
// and the rest of the transaction counts. Rows of replicated tables go one level
// after the other before it comes to that; not those of others.
//
// Seen to fail without each of the three errors in refusalOf.
func TestDeepCascade(t *testing.T) {
	for _, c := range []struct {
		name         string
		levels, side int
		mysql        bool // MariaDB has no such limit
	}{
		{"many levels", 16, 0, false},
		{"many tables", 6, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ddl := []string{
				"CREATE TABLE ward (name VARCHAR(20) PRIMARY KEY, beds INT)",
				`CREATE TABLE paper (id INT PRIMARY KEY, ward VARCHAR(20), above INT,
					FOREIGN KEY (ward) REFERENCES ward (name) ON DELETE CASCADE,
					FOREIGN KEY (above) REFERENCES paper (id) ON DELETE CASCADE)`,
				"INSERT INTO ward VALUES ('a', 1), ('b', 2), ('c', 3)",
				"INSERT INTO paper VALUES (1, 'b', NULL)",
			}
			for i := range c.side {
				ddl = append(ddl, fmt.Sprintf("CREATE TABLE stamp%d (paper INT PRIMARY KEY, FOREIGN KEY (paper) REFERENCES paper (id) ON DELETE CASCADE)", i))
			}
			for n := 2; n <= c.levels; n++ {
				ddl = append(ddl, fmt.Sprintf("INSERT INTO paper VALUES (%d, NULL, %d)", n, n-1))
			}
			for i := range c.side {
				ddl = append(ddl, fmt.Sprintf("INSERT INTO stamp%d SELECT id FROM paper", i))
			}
			s := newSite(t, ddl...)
			tx, err := s.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			ward := s.model.Tables["ward"]
			key := func(name string) crdt.Key { return crdt.MakeKey(crdt.Text(name)) }
			keys := []crdt.Key{key("a"), key("b"), key("c")}
			if _, err := tx.Lock(t.Context(), ward, keys); err != nil {
				t.Fatal(err)
			}
			refused, err := tx.Delete(t.Context(), ward, keys)
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			left := s.rows(t, "ward")
			if c.mysql && !s.raw.Server.Flavour().IsMySQL() {
				if len(refused) != 0 || len(left) != 0 {
					t.Errorf("refused %v, left %v, want neither", refused, left)
				}
				return
			}
			if len(refused) != 1 || refused[0].Key != keys[1] || refused[0].Refusal != merge.RefusedReference || !strings.Contains(refused[0].Detail, "Error ") {
				t.Errorf("refused %v, want ward b for its references", refused)
			}
			if len(left) != 1 || left[0].Key != keys[1] {
				t.Errorf("left are %v, want ward b", left)
			}
			var papers int
			if err := s.raw.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM paper").Scan(&papers); err != nil || papers != c.levels {
				t.Errorf("%d papers, %v, want all %d", papers, err, c.levels)
			}
		})
	}
}
