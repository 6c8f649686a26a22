package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"baraza/schema"
)

// tables looks at each table: what names its rows at every site, or why it
// cannot be replicated.
func (p *patient) tables(ctx context.Context) error {
	m, err := schema.Load(ctx, p.db, p.opts.Schema)
	if err != nil {
		return err
	}
	refused := map[string]bool{}
	warned := map[string]bool{}
	for _, problem := range schema.Check(m) {
		text, remedy := split(problem.Text)
		if problem.Refused {
			refused[problem.Table] = true
			p.report.add(Problem, problem.Table, "cannot be replicated: "+text, remedy)
		} else {
			warned[problem.Table] = true
			p.report.add(Warning, problem.Table, text, remedy)
		}
	}
	var good []*schema.Table
	for _, t := range m.Tables {
		if t.Replicated && !refused[t.Name] {
			good = append(good, t)
		}
	}
	slices.SortFunc(good, func(a, b *schema.Table) int { return cmp.Compare(a.Name, b.Name) })
	if p.opts.Verbose {
		for _, t := range good {
			if !warned[t.Name] {
				p.report.ok(t.Name, "rows are named by %s (%s)", strings.Join(t.Identity.Columns, ", "), t.Identity.Source)
			}
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
