package trigger

import "strings"

// LeastGrant returns the statements that give an account, written as
// 'name'@'host', what capture needs: the rows and triggers of the application's
// database, and everything in baraza's own schema.
func LeastGrant(account, database string) []string {
	return []string{
		"GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON " + grantName(database) + ".* TO " + account,
		"GRANT ALL PRIVILEGES ON " + grantName(home) + ".* TO " + account,
	}
}

// grantName: in GRANT an underscore stands for any character.
func grantName(database string) string {
	return "`" + strings.NewReplacer("`", "``", "_", `\_`, "%", `\%`).Replace(database) + "`"
}
