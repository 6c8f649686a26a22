package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/node/admin"
	"baraza/node/config"
	"baraza/node/trust"
	"baraza/schema"
)

// Where nothing names a row but an auto-increment number, sites must give out
// different ones (R3). Which a site gives out its server's settings say; every
// site tells the others in a row of a system table, so that a joiner with an
// offset that is taken is refused at any member, and says so in the settings file.
const (
	numbersTable    = merge.SystemPrefix + "numbers"
	incrementColumn = "increment"
	offsetColumn    = "offset"
)

func numbersOf(m *schema.Model) config.Numbers {
	return config.Numbers{Increment: m.Increment, Offset: m.Offset}
}

// facts is what an inviter has to know of a joiner's database.
type facts struct {
	config.Numbers
	// Tables and Exclude are the joiner's own patterns; no Tables: those of the
	// network.
	Tables  []string `json:"tables,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// facts reads what the inviter has to know.
func (s *setup) facts(ctx context.Context) ([]byte, error) {
	c := &s.o.Config
	m, err := s.db.Load(ctx, schema.Options{Lenient: true})
	if err != nil {
		return nil, err
	}
	return json.Marshal(facts{numbersOf(m), c.Tables, c.Exclude})
}

// agree checks that the site that is set up gives out numbers of its own, where
// its tables need that, and writes them into the settings.
func (s *setup) agree(m *schema.Model) error {
	c := &s.o.Config
	tables, now := schema.Numbered(m), numbersOf(m)
	if len(tables) == 0 {
		return nil
	}
	if why := c.AutoIncrement.Misfit(now, tables); why != "" {
		return &trust.Misfit{Why: why}
	}
	next := config.AutoIncrement{Numbers: now}
	if c.AutoIncrement != nil {
		next.Others = c.AutoIncrement.Others
	}
	c.AutoIncrement = &next
	return nil
}

// admits refuses a joiner that would give out numbers of another site.
func (n *Node) admits(name string, about []byte) error {
	f, tables := n.shareNumbers(about)
	if len(tables) == 0 {
		return nil
	}
	c := n.settings()
	known := config.AutoIncrement{Others: c.Members()}
	delete(known.Others, name) // it asks again
	if why := known.Misfit(f.Numbers, tables); why != "" {
		return &trust.Misfit{Why: why}
	}
	return nil
}

// shareNumbers returns what a joiner told, and which tables it will have in
// common with this site whose rows are named by numbers.
func (n *Node) shareNumbers(about []byte) (f facts, tables []string) {
	m := n.tables()
	if m == nil || json.Unmarshal(about, &f) != nil {
		return f, nil // an older version, or this site is not ready to be asked
	}
	takes := schema.Options{Tables: f.Tables, Exclude: f.Exclude}
	for _, table := range schema.Numbered(m) {
		if takes.Takes(table) {
			tables = append(tables, table)
		}
	}
	return f, tables
}

// reserveNumbers tells all sites which numbers a new member gives out, before it
// runs.
func (n *Node) reserveNumbers(ctx context.Context, site clock.SiteID, about []byte) error {
	f, tables := n.shareNumbers(about)
	if len(tables) == 0 {
		return nil
	}
	defer n.grown()
	return n.engine.do(ctx, func() error { return n.writeNumbers(ctx, site, f.Numbers) })
}

// writeNumbers runs on the engine's goroutine.
func (n *Node) writeNumbers(ctx context.Context, site clock.SiteID, x config.Numbers) error {
	row := capture.Row{
		Table: numbersTable, Key: crdt.MakeKey(crdt.Text(site.String())), At: time.Now().UnixMicro(),
		Columns: []string{incrementColumn, offsetColumn}, Values: []crdt.Value{crdt.Uint(x.Increment), crdt.Uint(x.Offset)},
	}
	if err := n.replica.WriteSystem(ctx, []capture.Row{row}); err != nil {
		return fmt.Errorf("tell which numbers %s gives out: %w", n.name(site), err)
	}
	return n.mirrorNumbers()
}

// readNumbers returns the numbers that the members give out.
func (n *Node) readNumbers() (map[clock.SiteID]config.Numbers, error) {
	all := map[clock.SiteID]config.Numbers{}
	err := n.replica.SystemRows(numbersTable, func(r merge.Row) error {
		key := r.Key.Values()
		if len(key) != 1 {
			return nil
		}
		site, err := clock.ParseSiteID(key[0].Payload())
		if _, member := n.book.Member(site); err != nil || !member {
			return nil // of a site that was removed, or whose admission comes later
		}
		var x config.Numbers
		for i, c := range r.Columns {
			v, _ := r.Values[i].AsUint()
			switch c {
			case incrementColumn:
				x.Increment = v
			case offsetColumn:
				x.Offset = v
			}
		}
		all[site] = x
		return nil
	})
	return all, err
}

// mirrorNumbers writes into the settings who gives out which numbers. It runs on
// the engine's goroutine.
func (n *Node) mirrorNumbers() error {
	all, err := n.readNumbers()
	if err != nil || len(all) == 0 && n.settings().AutoIncrement == nil {
		return err
	}
	next := config.AutoIncrement{}
	for site, x := range all {
		if site == n.key.ID() {
			next.Numbers = x
			continue
		}
		if next.Others == nil {
			next.Others = map[string]config.Numbers{}
		}
		next.Others[n.name(site)] = x
	}
	c := n.settings()
	if was := c.AutoIncrement; was != nil {
		if !next.Apart() {
			next.Numbers = was.Numbers // not told yet
		}
		if was.Numbers == next.Numbers && maps.Equal(was.Others, next.Others) {
			return nil
		}
	}
	c.AutoIncrement = &next
	n.setSettings(c)
	return n.saveSettings()
}

// settleNumbers tells the others which numbers this site gives out, if they do not
// know, where its tables need that and nobody else gives out the same. It runs on
// the engine's goroutine.
func (n *Node) settleNumbers(ctx context.Context) error {
	if n.replica.BringingUp() || len(schema.Numbered(n.tables())) == 0 {
		return nil
	}
	all, err := n.readNumbers()
	if err != nil {
		return err
	}
	now, self := numbersOf(n.tables()), n.key.ID()
	if all[self] == now || !now.Apart() {
		return n.mirrorNumbers()
	}
	for site, x := range all {
		if site != self && now.Clashes(x) {
			return n.mirrorNumbers()
		}
	}
	return n.writeNumbers(ctx, self, now)
}

// wrongNumbers is what an administrator should know of the numbers that the server
// gives out now; "" for nothing. It runs on the engine's goroutine.
func (n *Node) wrongNumbers() string {
	tables := schema.Numbered(n.tables())
	if len(tables) == 0 {
		return ""
	}
	c := n.settings()
	known := config.AutoIncrement{}
	if c.AutoIncrement != nil {
		known = *c.AutoIncrement
	}
	return known.Alarm(numbersOf(n.tables()), tables)
}

// fitNumbers refuses further tables in which this site would give out numbers of
// others.
func (n *Node) fitNumbers(m *schema.Model) error {
	had := schema.Numbered(n.tables())
	tables := slices.DeleteFunc(schema.Numbered(m), func(t string) bool { return slices.Contains(had, t) })
	if len(tables) == 0 {
		return nil
	}
	c := n.settings()
	if why := c.AutoIncrement.Misfit(numbersOf(m), tables); why != "" {
		return admin.Nof("%s", why)
	}
	return nil
}
