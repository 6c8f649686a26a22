package doctor

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What baraza's user needs at least, and where. The documented GRANT is made
// of these lists.
var (
	needApplication = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRIGGER"}
	needOwn         = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"}
)

// ownDatabase is where baraza keeps its tables on the server.
const ownDatabase = "baraza"

// checkGrants compares what the user has with what baraza needs.
func (p *patient) checkGrants(ctx context.Context) error {
	rows, err := p.db.QueryContext(ctx, "SHOW GRANTS")
	if err != nil {
		return err
	}
	defer rows.Close()
	p.grants = &grants{}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		p.grants.add(line)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, need := range []struct {
		database string
		rights   []string
	}{{p.database, needApplication}, {ownDatabase, needOwn}} {
		if missing := p.grants.missing(need.database, need.rights); len(missing) > 0 {
			p.report.add(Problem, "grants", fmt.Sprintf("%s lacks %s on all of database %s", p.user, strings.Join(missing, ", "), need.database),
				p.statement(missing, need.database))
		} else {
			p.report.ok("grants", "%s has what baraza needs on database %s", p.user, need.database)
		}
	}
	return nil
}

// statement returns the GRANT for some rights.
func (p *patient) statement(rights []string, database string) string {
	return fmt.Sprintf("GRANT %s ON %s.* TO %s;", strings.Join(rights, ", "), grantName(database), quoteUser(p.user))
}

// grantName writes a database's name as GRANT wants it, where _ and % stand
// for any characters.
func grantName(name string) string {
	return "`" + strings.NewReplacer("`", "``", "_", `\_`, "%", `\%`).Replace(name) + "`"
}

// quoteUser writes user@host so that it can be copied into a statement.
func quoteUser(user string) string {
	at := strings.LastIndexByte(user, '@')
	if at < 0 {
		return "'" + user + "'"
	}
	return "'" + strings.ReplaceAll(user[:at], "'", "''") + "'@'" + user[at+1:] + "'"
}

// grants is what a user may do: per place, the rights. Places are "*" for the
// whole server, and patterns of database names.
type grants struct{ list []grant }

type grant struct {
	revoke   bool
	database string // "*", or a LIKE pattern
	rights   []string
}

// grantText takes a line of SHOW GRANTS apart: rights, database, table. Lines
// that grant roles or proxies have no ON with a dot and do not match.
var grantText = regexp.MustCompile("^(GRANT|REVOKE) (.+?) ON (\\*|`(?:[^`]|``)+`)\\.(\\*|`(?:[^`]|``)+`) (?:TO|FROM) ")

// add takes in a line of SHOW GRANTS. Rights on single tables and columns do
// not count: new tables would not have them.
func (g *grants) add(line string) {
	m := grantText.FindStringSubmatch(line)
	if m == nil || m[4] != "*" {
		return
	}
	database := m[3]
	if database != "*" {
		database = strings.ReplaceAll(database[1:len(database)-1], "``", "`")
	}
	rights := strings.Split(m[2], ",")
	for i := range rights {
		rights[i] = strings.ToUpper(strings.TrimSpace(rights[i]))
	}
	g.list = append(g.list, grant{m[1] == "REVOKE", database, rights})
}

// has reports whether the user has a right on a whole database; "" asks for
// the whole server.
func (g *grants) has(database, right string) bool {
	found := false
	for _, one := range g.list {
		covers := one.database == "*" || database != "" && like(one.database, database)
		if covers && (slices.Contains(one.rights, right) || slices.Contains(one.rights, "ALL PRIVILEGES") || slices.Contains(one.rights, "ALL")) {
			if one.revoke { // a partial revoke of MySQL takes away from *.*
				return false
			}
			found = true
		}
	}
	return found
}

func (g *grants) missing(database string, rights []string) []string {
	return slices.DeleteFunc(slices.Clone(rights), func(r string) bool { return g.has(database, r) })
}

// like matches a name against a pattern of GRANT: _ is any character, % any
// number of them, and a backslash makes the next one ordinary.
func like(pattern, name string) bool {
	if pattern == "" {
		return name == ""
	}
	switch c := pattern[0]; {
	case c == '%':
		for i := 0; i <= len(name); i++ {
			if like(pattern[1:], name[i:]) {
				return true
			}
		}
		return false
	case name == "":
		return false
	case c == '_':
		return like(pattern[1:], name[1:])
	case c == '\\' && len(pattern) > 1:
		return pattern[1] == name[0] && like(pattern[2:], name[1:])
	default:
		return c == name[0] && like(pattern[1:], name[1:])
	}
}
