package scenario

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"

	"baraza/merge"
	"baraza/sim"
)

// setting reads what an administrator sets for all sites.
func (l *loader) setting(n ast.Node) {
	x, r := sim.Setting{}, &l.reader
	var sites []int
	unique := false
	before := len(l.problems)
	l.mapping(n, "settings",
		field{"at", scalar(r, "at", "10m", parseLength, &x.At)},
		field{"site", l.names(&sites)},
		field{"table", scalar(r, "table", "stock", parseText, &x.Table)},
		field{"counter", scalar(r, "counter", "quantity", parseText, &x.Counter)},
		field{"unique", func(n ast.Node) {
			unique = true
			scalar(r, "unique", `"null", mark or hold`, parseWay, &x.Unique)(n)
		}})
	switch {
	case len(l.problems) > before:
		return
	case unique == (x.Counter != ""):
		l.bad(n, "settings: it does not say what is set: add unique: mark, or counter: quantity")
		return
	case x.At > 0 && len(sites) != 1:
		l.bad(n, "settings: this should be at one site: add site: %s", l.s.firstSite())
		return
	}
	if err := x.Check(); err != nil {
		l.bad(n, "settings: %v", err)
		return
	}
	if x.At > 0 {
		x.Site = sites[0]
	}
	l.s.Settings = append(l.s.Settings, x)
}

func parseWay(s string) (merge.Way, error) {
	w, ok := merge.WayNamed(s)
	if !ok {
		return w, fmt.Errorf("%q is no way to settle clashes", s)
	}
	return w, nil
}

// writeSettings writes a plan's settings.
func writeSettings(p *sim.Plan, line func(format string, args ...any)) {
	if len(p.Settings) > 0 {
		line("settings:")
	}
	for _, x := range p.Settings {
		at, what := "", "unique: "+strconv.Quote(x.Unique.String())
		if x.At > 0 {
			at = fmt.Sprintf("at: %v, site: s%d, ", x.At, x.Site%p.Sites+1)
		}
		if x.Counter != "" {
			what = "counter: " + x.Counter
		}
		line("  - {%stable: %s, %s}", at, x.Table, what)
	}
}

// adding reads which site adds a table that it left out.
func (l *loader) adding(n ast.Node) {
	a, r := sim.Add{}, &l.reader
	var sites []int
	before := len(l.problems)
	l.mapping(n, "added",
		field{"at", scalar(r, "at", "10m", parseLength, &a.At)},
		field{"site", l.names(&sites)},
		field{"table", scalar(r, "table", "setting", parseText, &a.Table)},
		field{"stopped", scalar(r, "stopped", "10s", parseLength, &a.Stopped)})
	switch {
	case len(l.problems) > before:
		return
	case a.At <= 0 || a.Stopped < 0 || len(sites) != 1:
		l.bad(n, "added: this should be at one site, at some time: add site: %s, at: 10m", l.s.firstSite())
		return
	}
	if err := a.Check(&l.s.Mix); err != nil {
		l.bad(n, "added: %v", err)
		return
	}
	a.Site = sites[0]
	l.s.Adds = append(l.s.Adds, a)
}

func writeAdds(p *sim.Plan, line func(format string, args ...any)) {
	if len(p.Adds) > 0 {
		line("added:")
	}
	for _, a := range p.Adds {
		stopped := ""
		if a.Stopped > 0 {
			stopped = fmt.Sprintf(", stopped: %v", a.Stopped)
		}
		line("  - {at: %v, site: s%d, table: %s%s}", a.At, a.Site+1, a.Table, stopped)
	}
}
