package sim

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"baraza/internal/rules"
	"baraza/merge"
	"baraza/node/replica"
)

// Setting is what an administrator sets for all sites, as `baraza tables set`
// does: what a table's rows show whose unique value another row has, or, with
// Counter, that a column is a counter. At 0 every site has it in its settings
// file, and says so before anything else.
type Setting struct {
	At      time.Duration
	Site    int // counted from 0
	Table   string
	Unique  merge.Way
	Counter string
}

func (x Setting) String() string {
	where, what := "all sites", fmt.Sprintf("unique=%s", x.Unique)
	if x.At > 0 {
		where = fmt.Sprintf("s%d", x.Site+1)
	}
	if x.Counter != "" {
		what = "counter=" + x.Counter
	}
	return fmt.Sprintf("%8.3f s: %s of %s is set at %s", x.At.Seconds(), what, x.Table, where)
}

// Check tells what cannot be set.
func (x *Setting) Check() error {
	t := clinic.Tables[x.Table]
	switch {
	case t == nil:
		return fmt.Errorf("there is no table %q: use one of %v", x.Table, tableNames)
	case x.Counter != "" && !slices.Contains(countable[x.Table], x.Counter):
		return fmt.Errorf("%s.%s cannot be a counter: use %v", x.Table, x.Counter, countable)
	case x.Counter == "" && len(t.Unique) < 2:
		return fmt.Errorf("table %s has no unique values but its key: use one of %v", x.Table, uniqueTables)
	case x.Unique == merge.WayHold && x.Counter == "" && referredTo(x.Table):
		return fmt.Errorf("rows of table %s cannot be held, as others refer to them: use null or mark", x.Table)
	}
	return nil
}

// uniqueTables are the tables with unique values besides their keys.
var uniqueTables = []string{"account", "badge", "users"}

func referredTo(table string) bool {
	for _, t := range clinic.Tables {
		for i := range t.References {
			if t.References[i].Table == table {
				return true
			}
		}
	}
	return false
}

func (x Setting) when() time.Duration { return x.At }
func (x Setting) do(w *World)         { w.set(x) }

// settingPause is the wait before an administrator whose site could not do it
// tries again.
const settingPause = time.Second

// Set sets something now.
func (w *World) Set(x Setting) { w.set(x) }

func (w *World) set(x Setting) {
	if x.At > 0 {
		w.Sites[x.Site%len(w.Sites)].set(x)
		return
	}
	for _, s := range w.Sites {
		if !s.outside {
			s.set(x)
		}
	}
}

// set sets something at a site, as soon as it runs and knows its rows.
func (s *Site) set(x Setting) {
	if s.left || s.w.repaired || s.w.err != nil {
		return
	}
	again := func() { s.w.after(settingPause, func() { s.set(x) }) }
	if !s.up || s.restored.behind || s.fetch != nil {
		again()
		return
	}
	var err error
	if ctx := context.Background(); x.Counter != "" {
		s.declaring = true
		err = s.r.SetCounter(ctx, x.Table, x.Counter)
		s.declaring = false
	} else {
		err = s.r.SetUnique(ctx, x.Table, x.Unique)
	}
	if err == nil {
		err = s.count(context.Background())
	}
	s.w.note("%s sets %s: %v", s, x, err)
	if !s.wroteSystem(err) {
		again()
	}
}

// settingsTable is the system table in which settings travel.
const settingsTable = merge.SystemPrefix + "rules"

// checkSettings: the settings in force are those of the log.
func (s *Site) checkSettings() error {
	want := merge.Rules{Unique: map[string]merge.Way{}, Counters: map[string][]string{}}
	for id, o := range s.oracle.settings {
		key, value := id.Key.Values(), o.Value("value").Payload()
		table, what := key[0].Payload(), key[1].Payload()
		if way, ok := merge.WayNamed(value); ok && what == replica.RuleUnique && way != merge.WayNull {
			want.Unique[table] = way
		}
		if n := len(replica.RuleCounter); len(what) > n && what[:n] == replica.RuleCounter {
			want.Counters[table] = append(want.Counters[table], what[n:])
		}
	}
	have := s.r.Rules()
	if maps.Equal(have.Unique, want.Unique) && sameCounters(have.Counters, want.Counters) {
		return nil
	}
	return fmt.Errorf("%s goes by the settings %v, and its log says %v", s, have, want)
}

// applySetting takes a change of a setting in.
func (o *oracle) applySetting(f *fact) {
	id := merge.RowID{Table: f.Table, Key: f.Key}
	o.changes++
	r := o.settings[id]
	if r == nil {
		r = &oracleRow{Row: rules.Row{ID: id}}
		o.settings[id] = r
	}
	r.facts = append(r.facts, f)
	r.Apply(f.Change, f.at, rules.Known{})
}

// govern lets administrators of a plan set something: counters in one plan of
// three, and in half of those with clashes what becomes of them.
func (p *Plan) govern(length time.Duration) {
	rnd := rand.New(rand.NewPCG(p.Seed, 17))
	counts, fromStart := rnd.IntN(3) == 0, rnd.IntN(2) == 0
	at := func() time.Duration { return max(within(rnd, length), time.Second) }
	if counts {
		p.Mix.Counters = true
		for _, table := range []string{"account", "stock"} {
			for _, column := range countable[table] {
				x := Setting{Site: rnd.IntN(p.Sites), Table: table, Counter: column}
				if !fromStart {
					x.At = at() / 2
				}
				p.Settings = append(p.Settings, x)
			}
		}
	}
	if p.Mix.Rules == Clashes && rnd.IntN(2) == 0 {
		for range 1 + rnd.IntN(4) {
			x := Setting{At: at(), Site: rnd.IntN(p.Sites), Table: uniqueTables[rnd.IntN(len(uniqueTables))], Unique: merge.Way(rnd.IntN(3))}
			if x.Check() == nil {
				p.Settings = append(p.Settings, x)
			}
		}
	}
	slices.SortStableFunc(p.Settings, func(a, b Setting) int { return int(a.At - b.At) })
}
