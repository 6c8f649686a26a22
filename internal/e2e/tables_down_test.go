package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestTableWhileStopped: two sites get tables that their patterns name, with rows under
// the same keys, one of them while its process is stopped and the log of its store holds
// changes that it has not applied: rows of these tables, and the delete of a row that
// takes rows of one of them along. Every value that a site had is visible, or in a
// conflict, at both.
//
// Seen to fail when a site that starts applies before it publishes: what the second had is
// overwritten, and deleted with the person, without a conflict.
func TestTableWhileStopped(t *testing.T) {
	const tables = `
CREATE TABLE kit_part (code VARCHAR(20) PRIMARY KEY, name VARCHAR(40), note VARCHAR(40));
CREATE TABLE kit_box (code VARCHAR(20) PRIMARY KEY, label VARCHAR(40), owner INT, FOREIGN KEY (owner) REFERENCES person (person_id) ON DELETE CASCADE)`
	rows := func(by string) string {
		return tables + fmt.Sprintf(`;
INSERT INTO kit_part VALUES ('both', 'both %[1]s', 'note %[1]s'), ('equal', 'equal', NULL), ('%[1]s', 'only %[1]s', NULL);
INSERT INTO kit_box SELECT '%[1]s', 'box %[1]s', person_id FROM person WHERE uuid = '%[2]s'`, by, uuidOf(2))
	}
	a, b := newSite(t, "first"), newSite(t, "second")
	a.exec(testSchema)
	b.exec(testSchema)
	a.init("--tables", "person,kit_*")
	a.run()
	a.running()
	b.join(a)
	b.run()
	b.running()
	a.exec("INSERT INTO person (uuid, name) VALUES (?, 'one'), (?, 'two')", uuidOf(1), uuidOf(2))
	quiet(t, 30*time.Second, a, b)

	// An application at the second site keeps a row locked, so that nothing is applied there
	// from the moment on when the first site writes to it.
	holds, err := b.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holds.Exec("UPDATE person SET phone = 'never committed' WHERE uuid = ?", uuidOf(1)); err != nil {
		t.Fatal(err)
	}
	a.exec("UPDATE person SET name = 'first of all' WHERE uuid = ?", uuidOf(1))
	quietLog := func() {
		eventually(t, 30*time.Second, "the second site has all entries of the first", func() error {
			at, err := a.status()
			if err != nil {
				return err
			}
			has, err := b.status()
			if err == nil && (has.Vector[at.ID] != at.Vector[at.ID] || at.PendingCapture > 0) {
				err = fmt.Errorf("it has %d of %d, and %d are to be captured", has.Vector[at.ID], at.Vector[at.ID], at.PendingCapture)
			}
			return err
		})
	}
	quietLog()
	a.exec(rows("first"))
	a.noticed("kit_box", "label")
	a.exec("UPDATE kit_part SET note = 'first once more' WHERE code = 'both'")
	a.exec("DELETE FROM person WHERE uuid = ?", uuidOf(2)) // and the first site's box
	quietLog()
	b.kill()
	if err := holds.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := b.value("SELECT CONCAT(COUNT(*), MAX(name = 'one')) FROM person"); got != "21" {
		t.Fatalf("the second site has applied what it was to have in its log only: %s", got)
	}
	b.exec(rows("second"))
	b.run()
	b.running()
	arrives(b, "SELECT COUNT(*) FROM person", "1")
	arrives(a, "SELECT name FROM kit_part WHERE code = 'second'", "only second")
	quiet(t, 30*time.Second, a, b)

	lists := map[*site]string{}
	for _, s := range []*site{a, b} {
		var list []string
		for _, c := range s.conflicts().Conflicts {
			list = append(list, fmt.Sprintf("%s %s %s: %s lost", c.Table, c.Key, c.Column, c.Lost.Value))
		}
		lists[s] = strings.Join(list, "\n")
		shown := same(t, 10*time.Second, "SELECT code, name, note FROM kit_part ORDER BY code", a, b) + same(t, 10*time.Second, "SELECT code, label FROM kit_box ORDER BY code", a, b)
		for _, value := range []string{"both first", "both second", "first once more", "note second", "only first", "only second", "box second"} {
			if !strings.Contains(shown, value) && !strings.Contains(lists[s], value) {
				t.Errorf("site %s: %q is neither visible nor in a conflict", s.name, value)
			}
		}
	}
	if lists[a] != lists[b] || t.Failed() {
		t.Errorf("the conflicts are\n%s\nand\n%s", lists[a], lists[b])
	}
}
