package doctor

import (
	"strings"
	"testing"

	"baraza/internal/mariadb/mariadbtest"
	"baraza/node/config"
	"baraza/schema"
)

func TestNumbers(t *testing.T) {
	db := mariadbtest.New(t)
	db.Must(t, "CREATE TABLE note (id INT AUTO_INCREMENT PRIMARY KEY, a INT)")
	known := &config.AutoIncrement{Numbers: config.Numbers{Increment: 10, Offset: 2}, Others: map[string]config.Numbers{"Kisumu": {Increment: 10, Offset: 1}}}
	set := func(statement string) {
		t.Helper()
		db.Must(t, "SET GLOBAL "+statement)
		t.Cleanup(func() { db.Must(t, "SET GLOBAL auto_increment_increment = 1, GLOBAL auto_increment_offset = 1") })
	}
	look := func(known *config.AutoIncrement) (Finding, string) {
		t.Helper()
		r, text := examine(t, db.DSN("root"), Options{AutoIncrement: known, Schema: schema.Options{Numbered: known != nil}})
		for _, f := range r.Findings {
			if f.Subject == "numbers" {
				return f, text
			}
		}
		t.Fatalf("nothing of numbers:\n%s", text)
		return Finding{}, ""
	}
	for _, c := range []struct {
		set    string
		known  *config.AutoIncrement
		level  Level
		text   string
		remedy string
	}{
		{"auto_increment_increment = 1", nil, Problem, "gives out every number", "auto_increment_offset = 1\n"},
		{"auto_increment_increment = 1", known, Problem, "gives out every number", "[mysqld]\nauto_increment_increment = 10\nauto_increment_offset = 2\n"},
		{"auto_increment_increment = 10", known, Problem, "auto_increment_offset 1 of 10 is that of Kisumu", "SET GLOBAL auto_increment_increment = 10, GLOBAL auto_increment_offset = 2;\n"},
		{"auto_increment_offset = 2", known, OK, "number 2, 12, 22", ""},
		{"auto_increment_offset = 3", known, OK, "when the site was set up it was 2 of 10", ""},
		{"auto_increment_offset = 11", nil, Problem, "the server passes over it", "auto_increment_offset = 1"},
	} {
		set(c.set)
		f, text := look(c.known)
		if f.Level != c.level || !strings.Contains(f.Text, c.text) || !strings.Contains(f.Remedy, c.remedy) {
			t.Errorf("%s: %+v\n%s", c.set, f, text)
		}
	}
}
