package doctor

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]struct {
		v       string
		mariadb bool
	}{
		"10.11.6-MariaDB-0+deb12u1":  {"10.11.6", true},
		"5.5.5-10.11.6-MariaDB":      {"10.11.6", true},
		"9.7.0":                      {"9.7.0", false},
		"8.0.36-0ubuntu0.22.04.1":    {"8.0.36", false},
		"11.8.2-MariaDB-ubu2404-log": {"11.8.2", true},
	} {
		v, mariadb, err := parseVersion(text)
		if err != nil || v.String() != want.v || mariadb != want.mariadb {
			t.Errorf("%s: %v %v %v", text, v, mariadb, err)
		}
	}
	if _, _, err := parseVersion("hello"); err == nil {
		t.Error("hello is a version")
	}
	if !(version{10, 4, 30}).less(mariadbLeast) || (version{10, 11, 0}).less(mariadbLeast) || (version{9, 0, 0}).less(mysqlLeast) {
		t.Error("versions do not order")
	}
}

func TestGrants(t *testing.T) {
	all := needApplication
	for name, c := range map[string]struct {
		lines []string
		want  []string // missing on openmrs
	}{
		"none":         {[]string{"GRANT USAGE ON *.* TO `b`@`%` IDENTIFIED BY PASSWORD '*A'"}, all},
		"all":          {[]string{"GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"}, nil},
		"all on db":    {[]string{"GRANT ALL PRIVILEGES ON `openmrs`.* TO `b`@`%`"}, nil},
		"some":         {[]string{"GRANT SELECT, INSERT ON `openmrs`.* TO `b`@`%`"}, []string{"UPDATE", "DELETE", "TRIGGER"}},
		"two lines":    {[]string{"GRANT SELECT ON *.* TO `b`@`%`", "GRANT INSERT, UPDATE, DELETE, TRIGGER ON `openmrs`.* TO `b`@`%`"}, nil},
		"other db":     {[]string{"GRANT ALL PRIVILEGES ON `openmrs2`.* TO `b`@`%`"}, all},
		"pattern":      {[]string{"GRANT ALL PRIVILEGES ON `open%`.* TO `b`@`%`"}, nil},
		"escaped":      {[]string{"GRANT ALL PRIVILEGES ON `open\\%`.* TO `b`@`%`"}, all},
		"one table":    {[]string{"GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON `openmrs`.`person` TO `b`@`%`"}, all},
		"role":         {[]string{"GRANT `clinic` TO `b`@`%`", "GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION"}, all},
		"part revoked": {[]string{"GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON *.* TO `b`@`%`", "REVOKE TRIGGER ON `openmrs`.* FROM `b`@`%`"}, []string{"TRIGGER"}},
	} {
		g := &grants{}
		for _, line := range c.lines {
			g.add(line)
		}
		if got := g.missing("openmrs", needApplication); !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
			t.Errorf("%s: missing %v, want %v", name, got, c.want)
		}
	}
	if got := quoteUser("o'b@%"); got != "'o''b'@'%'" {
		t.Errorf("quoteUser: %s", got)
	}
}

func TestPrintFits(t *testing.T) {
	r := &Report{}
	r.add(Warning, "person", strings.Repeat("word ", 60), "GRANT "+strings.Repeat("x", 200))
	r.ok("server", "fine")
	var b bytes.Buffer
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > 81 && !strings.Contains(line, "-> ") {
			t.Errorf("too long: %q", line)
		}
	}
	if !strings.HasSuffix(b.String(), "\n0 problems, 1 warning\n") {
		t.Errorf("%s", b.String())
	}
}
