package doctor

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// version is a server's version: 10.11.6.
type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) less(o version) bool {
	return cmp.Or(cmp.Compare(v[0], o[0]), cmp.Compare(v[1], o[1]), cmp.Compare(v[2], o[2])) < 0
}

// The oldest versions that have what baraza's statements need.
var (
	mariadbLeast = version{10, 5, 0}
	mysqlLeast   = version{8, 0, 19}
	// mysqlTested is the oldest MySQL that the tests run on.
	mysqlTested = version{9, 7, 0}
)

var versionText = regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)`)

// parseVersion reads VERSION(): "10.11.6-MariaDB-0+deb12u1", "9.7.0", or with
// the prefix that MariaDB shows to old clients, "5.5.5-10.11.6-MariaDB".
func parseVersion(text string) (v version, mariadb bool, err error) {
	mariadb = strings.Contains(text, "MariaDB")
	if mariadb {
		text = strings.TrimPrefix(text, "5.5.5-")
	}
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return v, mariadb, fmt.Errorf("the server's version %q is not understood", text)
	}
	for i := range v {
		if v[i], err = strconv.Atoi(m[i+1]); err != nil {
			return v, mariadb, fmt.Errorf("the server's version %q is not understood", text)
		}
	}
	return v, mariadb, nil
}

// server looks at the kind and version, InnoDB, and whether it can be written.
func (p *patient) server(ctx context.Context) error {
	var text string
	if err := p.db.QueryRowContext(ctx, "SELECT VERSION(), CURRENT_USER()").Scan(&text, &p.user); err != nil {
		return err
	}
	var err error
	if p.version, p.mariadb, err = parseVersion(text); err != nil {
		return err
	}
	kind, least := "MySQL", mysqlLeast
	if p.mariadb {
		kind, least = "MariaDB", mariadbLeast
	}
	switch {
	case p.version.less(least):
		p.report.add(Problem, "server", fmt.Sprintf("%s %s is too old", kind, p.version), fmt.Sprintf("upgrade it to %s %s or later", kind, least))
	case !p.mariadb && p.version.less(mysqlTested):
		p.report.add(Warning, "server", fmt.Sprintf("MySQL %s: this version of baraza was tested with MySQL 9.7 and MariaDB 10.11 and 11.8", p.version), "try it with a copy of the database first")
	default:
		p.report.ok("server", "%s %s, user %s", kind, p.version, p.user)
	}
	var support string
	err = p.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(support), 'NO') FROM information_schema.engines WHERE engine = 'InnoDB'").Scan(&support)
	if err != nil {
		return err
	}
	if support != "YES" && support != "DEFAULT" {
		p.report.add(Problem, "server", "InnoDB is switched off; baraza needs its transactions", "start the server without skip-innodb")
	} else {
		p.report.ok("server", "InnoDB is there")
	}
	readOnly, err := p.variable(ctx, "read_only")
	if err != nil {
		return err
	}
	if on(readOnly) {
		p.report.add(Problem, "server", "the server is read-only; a replica of another server cannot be a site", "SET GLOBAL read_only = OFF;")
	}
	return nil
}
