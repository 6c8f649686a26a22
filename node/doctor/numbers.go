package doctor

import (
	"fmt"
	"strings"

	"baraza/node/config"
	"baraza/schema"
)

// numbers looks which auto-increment numbers the server gives out, where the rows
// of a table have no other name.
func (p *patient) numbers(m *schema.Model) {
	var tables []string
	for _, t := range schema.Order(m) {
		alone := len(t.Identity.Columns) == 0 && len(t.PrimaryKey) == 1 && t.PrimaryKey[0] == t.AutoIncrement
		if t.Replicated && (t.Numbered() || alone) {
			tables = append(tables, t.Name)
		}
	}
	if len(tables) == 0 {
		return
	}
	known, now := p.opts.AutoIncrement, config.Numbers{Increment: m.Increment, Offset: m.Offset}
	why := now.Wrong()
	if site := known.Clash(now); why == "" && site != "" {
		why = fmt.Sprintf("auto_increment_offset %d of %d is that of %s", now.Offset, now.Increment, site)
	}
	if why == "" {
		text := fmt.Sprintf("of %d, this server gives out number %d, %d, %d…", now.Increment, now.Offset, now.Offset+now.Increment, now.Offset+2*now.Increment)
		switch {
		case known == nil || !known.Apart():
			text += "; `join` compares that with the other sites"
		case known.Numbers != now:
			text += fmt.Sprintf("; when the site was set up it was %d of %d", known.Offset, known.Increment)
		}
		p.report.ok("numbers", "%s (for %s)", text, strings.Join(tables, ", "))
		return
	}
	want := known.Propose()
	if known != nil && known.Apart() && known.Clash(known.Numbers) == "" {
		want = known.Numbers
	}
	problem := "nothing names the rows of " + strings.Join(tables, ", ") + " but numbers, and other sites give out the same: " + why
	if want.Offset == 0 {
		p.report.add(Problem, "numbers", problem+"; all offsets are taken",
			fmt.Sprintf("set auto_increment_increment to a multiple of %d at every site, offsets as they are; or name a unique key as identity", want.Increment))
		return
	}
	p.report.add(Problem, "numbers", problem, p.numberLines(want, known))
}

// numberLines are what to type, and to write into the server's settings.
func (p *patient) numberLines(want config.Numbers, known *config.AutoIncrement) string {
	now, _ := want.Lines()
	lines := []string{now}
	if !p.mariadb {
		lines = append(lines, strings.ReplaceAll(now, "GLOBAL", "PERSIST")+" -- keeps it over a restart, or in my.cnf:")
	} else {
		lines = append(lines, "-- and in my.cnf, as a restart forgets it:")
	}
	lines = append(lines, "[mysqld]", fmt.Sprintf("auto_increment_increment = %d", want.Increment), fmt.Sprintf("auto_increment_offset = %d", want.Offset),
		"-- then let applications connect anew: sessions keep what they began with")
	if known == nil {
		lines = append(lines, fmt.Sprintf("-- every site has an offset of its own, from 1 to %d: baraza doctor --data DIR at a site tells one that is free", want.Increment))
	}
	return strings.Join(lines, "\n")
}
