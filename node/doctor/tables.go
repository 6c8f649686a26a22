package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"baraza/capture/trigger"
	"baraza/schema"
)

// tables looks at each table: what names its rows at every site, or why it
// cannot be replicated.
func (p *patient) tables(ctx context.Context) error {
	m, err := schema.Load(ctx, p.db, p.opts.Schema)
	if err != nil {
		return err
	}
	p.numbers(m)
	refused := map[string]bool{}
	for _, problem := range schema.Check(m) {
		text, remedy := split(problem.Text)
		if problem.Refused {
			refused[problem.Table] = true
			p.report.add(Problem, problem.Table, "cannot be replicated: "+text, remedy)
		} else {
			p.report.add(Warning, problem.Table, text, remedy)
		}
	}
	outside := trigger.Outside(m)
	for _, name := range slices.Sorted(maps.Keys(outside)) {
		p.report.ok(name, "not replicated, and gets triggers all the same: the server changes rows of %s with its rows (ON DELETE, ON UPDATE)",
			strings.Join(outside[name], ", "))
	}
	var good []*schema.Table
	for _, t := range m.Tables {
		if t.Replicated && !refused[t.Name] {
			good = append(good, t)
		}
	}
	slices.SortFunc(good, func(a, b *schema.Table) int { return cmp.Compare(a.Name, b.Name) })
	if p.opts.Verbose || p.opts.Profile != nil {
		for _, t := range good {
			p.report.ok(t.Name, "replicated; %s", p.becomes(t))
		}
		if err := p.leftOut(ctx, m); err != nil {
			return err
		}
	}
	switch {
	case len(good)+len(refused) == 0:
		p.report.add(Problem, "tables", "no table of database "+p.database+" is chosen", "check the DSN's database and --tables")
	case len(good) > 0:
		p.report.ok("tables", "%s can be replicated: %s", count(len(good), "table"), sources(good))
	}
	return nil
}

// split takes the remedy off what schema says: it stands after the semicolon.
func split(text string) (what, remedy string) {
	what, remedy, _ = strings.Cut(text, "; ")
	return what, remedy
}

// sources counts the tables by where their identity comes from.
func sources(tables []*schema.Table) string {
	counts := map[string]int{}
	for _, t := range tables {
		source := t.Identity.Source
		if strings.HasPrefix(source, "reference") {
			source = "the table they refer to"
		}
		counts[source]++
	}
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d named by %s", counts[name], name)
	}
	return strings.Join(names, ", ")
}

// becomes says how a table is replicated.
func (p *patient) becomes(t *schema.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rows are named by %s (%s)", strings.Join(t.Identity.Columns, ", "), t.Identity.Source)
	if t.Identity.Source == "configuration" && p.opts.Profile != nil {
		for _, id := range p.opts.Profile.Identity {
			if id.Table == t.Name && slices.Equal(id.Columns, t.Identity.Columns) {
				fmt.Fprintf(&b, ": %s", id.Why)
			}
		}
	}
	if t.Identity.Local {
		fmt.Fprintf(&b, "; %s stays this site's own", strings.Join(t.PrimaryKey, ", "))
	}
	var undeclared []string
	for _, ref := range t.References {
		if !ref.Declared {
			undeclared = append(undeclared, ref.Column+" to "+ref.Table)
		}
	}
	if len(undeclared) > 0 {
		fmt.Fprintf(&b, "; references without a foreign key: %s", strings.Join(undeclared, ", "))
	}
	for i := range t.Typed {
		fmt.Fprintf(&b, "; %s is a reference where %s says so", t.Typed[i].Column, strings.Trim(t.Typed[i].By+"."+t.Typed[i].Type, "."))
	}
	if t.Match != nil {
		fmt.Fprintf(&b, "; rows with the same %s are one when sites meet", strings.Join(t.Match.Columns, ", "))
	}
	if len(t.Dates) > 0 {
		fmt.Fprintf(&b, "; first stamps by %s", strings.Join(t.Dates, ", "))
	}
	return b.String()
}

// leftOut tells of the tables that are not replicated, and why.
func (p *patient) leftOut(ctx context.Context, m *schema.Model) error {
	rows, err := p.db.QueryContext(ctx, `SELECT t.TABLE_NAME, EXISTS (SELECT 1 FROM information_schema.STATISTICS s
			WHERE s.TABLE_SCHEMA = t.TABLE_SCHEMA AND s.TABLE_NAME = t.TABLE_NAME AND s.INDEX_NAME = 'PRIMARY')
		FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var keyed bool
		if err := rows.Scan(&name, &keyed); err != nil {
			return err
		}
		if t := m.Tables[name]; t == nil || !t.Replicated {
			p.report.ok(name, "left out: %s", p.whyNot(name, keyed))
		}
	}
	return rows.Err()
}

// whyNot says why a table is left out: by the profile, else by the settings.
func (p *patient) whyNot(name string, keyed bool) string {
	if p.opts.Profile != nil {
		lists := p.opts.Profile.Exclude
		if !keyed {
			lists = slices.Concat(lists, p.opts.Profile.Keyless)
		}
		for _, e := range lists {
			for _, pattern := range e.Tables {
				if ok, _ := path.Match(pattern, name); ok {
					return e.Why
				}
			}
		}
	}
	return "the settings leave it out or do not name it"
}
