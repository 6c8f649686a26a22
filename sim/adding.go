package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"baraza/clock"
	"baraza/crdt"
)

// Tables that a site leaves out at first and adds while the network runs, as `baraza
// tables add` does: from then on what its applications write is captured, the rows that
// the table has are published, and what others wrote before, and has waited in the
// site's store, goes into the table. Or the table comes while the process is stopped, and
// is one of those that the site takes: then it does so when it starts.

// Add is when a site, counted from 0, begins to replicate a table that it left out.
type Add struct {
	At    time.Duration
	Site  int
	Table string
	// Stopped is how long the process is stopped while the table comes; 0 for a table
	// that the administrator adds.
	Stopped time.Duration
}

// addable are the tables that sites may add. Rows of tables that others refer to, or that
// refer to rows which are deleted (R4), are not among them: a site that leaves out some
// that others have does not show the same rows of the others.
var addable = []string{"setting", "tag", "obs"}

// Check tells what cannot be added, by what applications write.
func (a *Add) Check(m *Mix) error {
	switch {
	case !slices.Contains(addable, a.Table):
		return fmt.Errorf("table %q cannot be added later: use one of %v", a.Table, addable)
	case m.Rules != Plain && a.Table != addable[0]:
		return fmt.Errorf("table %q cannot be added later where rows are deleted that others refer to: use %s", a.Table, addable[0])
	}
	return nil
}

// without is what a site knows of the tables that it leaves out.
type without struct {
	tables map[string]bool // until all their rows are there
	added  map[string]bool // those that it has begun to add
	told   map[string]bool // those of whose rows it has published some
	came   map[string]bool // those that have come while the process was stopped
	known  map[string]bool // those of them whose rows it has published
}

// leaveOut makes a site's model, without the tables that it adds later.
func (s *Site) leaveOut() {
	s.model, s.without = s.w.model(), without{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, a := range s.w.opts.Adds {
		if a.Site == s.n-1 && s.model.Tables[a.Table] != nil {
			s.without.tables[a.Table] = true
			s.replicate(a.Table, false)
		}
	}
}

// replicate changes the model.
func (s *Site) replicate(table string, yes bool) {
	m, t := *s.model, *s.model.Tables[table]
	t.Replicated = yes
	m.Tables = maps.Clone(m.Tables)
	m.Tables[table] = &t
	s.model = &m
}

// leavesOut reports whether a site does not have all rows of a table yet.
func (s *Site) leavesOut(table string) bool {
	return s.without.tables[table]
}

// promise lets the sites add their tables in time.
func (w *World) promise() {
	for _, a := range w.opts.Adds {
		if s := w.Sites[a.Site]; s.leavesOut(a.Table) {
			w.At(a.At, func() {
				if a.Stopped > 0 {
					s.getTable(a.Table, a.Stopped)
				} else {
					s.add(a.Table)
				}
			})
		}
	}
}

// adds reports whether a site is one that begins to replicate a table while the network
// runs.
func (w *World) adds(site clock.SiteID, table string) bool {
	return slices.ContainsFunc(w.opts.Adds, func(a Add) bool { return a.Table == table && w.Sites[a.Site].id == site })
}

// addPause is the wait before an administrator tries again.
const addPause = time.Second

// add begins to replicate a table, as soon as the site can.
func (s *Site) add(table string) {
	if s.left || s.w.err != nil {
		return
	}
	again := func() { s.w.after(addPause, func() { s.add(table) }) }
	if !s.up || s.joining() || s.restored.behind || s.fetch != nil {
		again()
		return
	}
	err := s.adoptTable(context.Background(), table)
	s.w.note("%s adds table %s: %v", s, table, err)
	if !s.wroteSystem(err) {
		again()
		return
	}
	delete(s.without.tables, table)
	s.watch.all = true
	s.w.fail(s.check())
}

// getTable stops the process for a time, and lets a table come meanwhile. For as long
// before, an application has a lock for which the process waits, so that there are log
// entries by then that are not applied.
func (s *Site) getTable(table string, stopped time.Duration) {
	switch {
	case s.left || s.w.err != nil:
		return
	case s.outside || s.up && s.joining(): // what comes then is there when it gets its first rows
		s.w.after(addPause, func() { s.getTable(table, stopped) })
		return
	}
	s.engine.waits = true
	s.w.note("%s waits for a lock", s)
	s.w.after(stopped, func() {
		if s.left || s.w.err != nil {
			return
		}
		s.Crash(stopped)
		s.without.came[table] = true
		s.w.note("table %s comes at %s", table, s)
	})
}

// untold are the tables that came, and whose rows are not published.
func (s *Site) untold() (tables []string) {
	for _, table := range slices.Sorted(maps.Keys(s.without.came)) {
		if !s.without.known[table] {
			tables = append(tables, table)
		}
	}
	return tables
}

// adoptTables is called before anything is applied, while there are such tables.
func (s *Site) adoptTables(ctx context.Context) error {
	for _, table := range s.r.Untold() {
		err := s.publish(ctx, table)
		s.w.note("%s publishes table %s: %v", s, table, err)
		if err != nil {
			return err
		}
		s.without.known[table] = true
		s.w.after(0, func() { s.add(table) }) // what is left to do
	}
	return nil
}

// fillRows is how many rows a step of filling writes, as in node.
const fillRows = 500

// adoptTable does as node does. Where it is cut off it is done again from the beginning.
func (s *Site) adoptTable(ctx context.Context, table string) error {
	if _, err := s.r.Capture(ctx); err != nil {
		return err
	}
	if !s.model.Tables[table].Replicated {
		s.without.added[table] = true
		s.replicate(table, true)
		s.db.SetModel(s.model)
		s.r.SetModel(s.model)
	}
	if err := s.publish(ctx, table); err != nil {
		return err
	}
	columns := s.model.Tables[table].Shipped()
	var err error
	for next, first := []byte(nil), true; next != nil || first; first = false {
		if next, err = s.r.PlaceColumns(ctx, table, columns, next, fillRows); err != nil {
			return err
		}
	}
	for done, first := false, true; !done; first = false {
		if done, err = s.r.RetrySome(ctx, first, fillRows); err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) publish(ctx context.Context, table string) error {
	scan, err := s.db.Scan(ctx)
	if err != nil {
		return err
	}
	err = s.r.Publish(ctx, scan, table)
	if err = errors.Join(err, scan.Close()); err == nil {
		s.without.told[table] = true
	}
	return err
}

// leaveOutAgain is called before a site starts, and again when its log was read: a table
// that it had begun to add is left out again, as the settings say, if it had told nothing
// of it; one that has come is taken.
func (s *Site) leaveOutAgain() {
	for _, table := range slices.Sorted(maps.Keys(s.without.tables)) {
		s.without.added[table] = s.without.added[table] || s.without.came[table]
		if told := s.without.told[table] || s.without.came[table]; s.model.Tables[table].Replicated != told {
			s.replicate(table, told)
			s.db.SetModel(s.model)
			if s.up {
				s.r.SetModel(s.model)
			}
		}
	}
}

// published takes a row of a table that a site has added into what it logged: of before,
// so that its stamp is less than what the site had seen, and that a transaction of an
// application may be in it in part.
func (l *originLog) published(w *World, s *Site, ch *crdt.Change) error {
	s.without.told[ch.Table] = true
	for _, v := range ch.Values {
		if !isFresh(v) {
			continue
		}
		switch by, committed := w.ledger.wrote[v]; {
		case !committed:
			return fmt.Errorf("%s was never committed", shortValue(v))
		case by.site != s:
			return fmt.Errorf("%s is an echo: %s wrote it", shortValue(v), by.site)
		case l.seen[v] != 0:
			return fmt.Errorf("%s is logged twice", shortValue(v))
		}
		l.seen[v] = l.batch
	}
	return nil
}

// addsStream is the random stream of adding, and stoppedStream that of which tables come
// while a process is stopped; shortAddsStream is that of adding where logs are shortened.
const (
	addsStream      = 132
	stoppedStream   = 133
	shortAddsStream = 134
)

// adding lets sites of one plan in three add a table later, where no database or disk is
// lost, and all sites are members from the beginning: see docs/simulator.md.
func (p *Plan) adding(length time.Duration) {
	stream := uint64(addsStream)
	if p.Publish > 0 {
		stream = shortAddsStream
	}
	rnd := rand.New(rand.NewPCG(p.Seed, stream))
	if rnd.IntN(3) > 0 || !p.mayAdd() {
		return
	}
	table := addable[rnd.IntN(len(addable))]
	if p.Mix.Rules != Plain {
		table = addable[0]
	}
	for site := range p.Sites {
		if rnd.IntN(2) == 0 {
			p.Adds = append(p.Adds, Add{At: max(within(rnd, length), time.Millisecond), Site: site, Table: table})
		}
	}
	rnd = rand.New(rand.NewPCG(p.Seed, stoppedStream))
	for i := range p.Adds {
		if rnd.IntN(3) == 0 {
			p.Adds[i].Stopped = time.Duration(1+rnd.IntN(10)) * time.Second
		}
	}
}

func (p *Plan) mayAdd() bool {
	lost := slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind >= Restored && f.Kind != Left })
	return len(p.Joins) == 0 && !lost
}
