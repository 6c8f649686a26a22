package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"baraza/schema"
)

// The engine looks now and then whether the schema has changed, so that a change
// takes effect by itself and before anybody writes: triggers are made anew, values
// that waited for a column are written, rows that were set aside are tried again,
// the rows of a new table are published.

const (
	// schemaInterval is how often the server is asked whether the schema may have
	// changed, and schemaLongest how often it is read in any case.
	schemaInterval = time.Second
	schemaLongest  = 30 * time.Second
	// schemaShare bounds what reading it costs where the server's word changes all
	// the time for no reason: a look that took a second, and found nothing, is not
	// followed by another one for schemaShare seconds; the next not for twice as
	// long, and so on.
	schemaShare = 4
)

// schemaWatch is what the engine knows of the schema. It is of the engine's
// goroutine.
type schemaWatch struct {
	looked, read time.Time
	rest         time.Duration // after the last look
	signal       string
	seen         string // the model that was read last
	numbers      map[string]int64
	adopt        bool // adoptModel is still to be done
	filling      filling
}

// knownKey is where the store has the columns of the tables that were replicated
// last.
var knownKey = []byte("Ttables")

// knownTable is a table as it was replicated last.
type knownTable struct {
	Columns  []string `json:"columns"`
	Identity []string `json:"identity"`
	// Fill are columns that came later, and whose values are still to be written.
	Fill []string `json:"fill,omitempty"`
}

// known returns nil for a site that never wrote it down.
func (n *Node) known() (known map[string]knownTable, err error) {
	b, err := n.store.Get(knownKey)
	if err != nil || b == nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &known); err != nil {
		return nil, fmt.Errorf("what the store remembers of the tables is damaged: %w", err)
	}
	return known, nil
}

// readTables reads the tables. Those that cannot be replicated any more are
// passed over with a warning: one table never stops the others. A table keeps
// the identity by which its rows have travelled, whatever better one it gets.
func (n *Node) readTables(ctx context.Context) (*schema.Model, []schema.Problem, error) {
	c := n.settings()
	o := c.Schema()
	o.Lenient = true
	known, err := n.known()
	if err != nil {
		return nil, nil, err
	}
	o.Identity = maps.Clone(o.Identity)
	if o.Identity == nil {
		o.Identity = map[string][]string{}
	}
	for name, k := range known {
		if _, configured := o.Identity[name]; !configured && len(k.Identity) > 0 {
			o.Identity[name] = k.Identity
		}
	}
	m, err := n.db.Load(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	problems := schema.Check(m)
	for _, p := range problems {
		if p.Refused {
			m.Tables[p.Table].Replicated = false
		}
	}
	return m, problems, nil
}

// watchSchema looks whether the schema has changed, and does some of what a change
// has left to do. It reports whether there is more of that. It runs on the engine's
// goroutine.
func (n *Node) watchSchema(ctx context.Context) (more bool, err error) {
	if err := n.lookAtSchema(ctx); err != nil {
		return false, err
	}
	return n.fill(ctx)
}

func (n *Node) lookAtSchema(ctx context.Context) error {
	w := &n.schema
	now := time.Now()
	if now.Sub(w.looked) < schemaInterval || now.Sub(w.read) < w.rest {
		return nil
	}
	w.looked = now
	signal, err := n.db.Signal(ctx)
	if err != nil || signal == w.signal && now.Sub(w.read) < schemaLongest && !w.adopt {
		return err
	}
	first := w.read.IsZero()
	if err := n.lookForTruncate(ctx, signal); err != nil {
		return err
	}
	m, _, err := n.readTables(ctx)
	if err != nil {
		return err
	}
	gaps, err := n.db.Gaps(ctx, m)
	if err != nil {
		return err
	}
	cost := time.Since(now)
	if first {
		w.seen = modelText(n.tables()) // read when the site started
		w.adopt = true
	}
	w.rest = min(max(2*w.rest, schemaShare*cost), schemaLongest)
	if modelText(m) != w.seen || len(gaps) > 0 {
		w.rest = 0
		if err := n.reloadTables(ctx); err != nil {
			return err
		}
	}
	if w.adopt { // by now, or since it failed
		if err := n.adoptModel(ctx); err != nil {
			return err
		}
	}
	// What this look has opened itself is no news.
	if w.signal, err = n.db.Signal(ctx); err != nil {
		return err
	}
	w.read = time.Now()
	return nil
}

// modelText is the same for the same model.
func modelText(m *schema.Model) string {
	b, err := json.Marshal(m)
	if err != nil {
		panic("node: a model did not encode: " + err.Error())
	}
	return string(b)
}

// lookForTruncate puts tables in doubt that may have been emptied with no word
// of it in the log: those without rows, and those whose numbers begin anew.
func (n *Node) lookForTruncate(ctx context.Context, signal string) error {
	w := &n.schema
	before := w.numbers
	if before != nil && truncates(signal) == truncates(w.signal) && time.Since(w.read) < schemaLongest {
		return nil
	}
	numbers, err := n.db.Numbers(ctx, n.tables())
	if err != nil {
		return err
	}
	w.numbers = numbers
	for _, table := range slices.Sorted(maps.Keys(numbers)) {
		now := numbers[table]
		last, ok := before[table]
		switch {
		case now == -1 && last != -1:
			has, err := n.replica.HasLive(table)
			if err != nil {
				return err
			}
			if has || ok && truncates(signal) != truncates(w.signal) {
				n.doubt(table, "it has no rows any more, and nobody was seen to delete them")
			}
		case ok && now > 0 && last > now:
			n.doubt(table, "its numbers have begun anew, so it was emptied")
		}
	}
	return nil
}

// reloadTables adopts a change of the schema that was made while the site runs.
func (n *Node) reloadTables(ctx context.Context) error {
	m, problems, err := n.readTables(ctx)
	if err != nil {
		return err
	}
	if text := modelText(m); text != n.schema.seen {
		if n.schema.seen != "" {
			n.log.Info("the schema changed: the tables were read again")
		}
		for _, p := range problems {
			n.log.Warn(p.String())
		}
		n.schema.seen = text
	}
	gaps, err := n.db.Gaps(ctx, m)
	if err != nil {
		return err
	}
	if err := n.db.Install(ctx, m); err != nil {
		return err
	}
	for _, table := range gaps {
		n.doubt(table, "its triggers were not there for a while")
	}
	if err := n.useModel(ctx, m); err != nil {
		return err
	}
	return errors.Join(n.adoptModel(ctx), n.settleNumbers(ctx))
}

// adoptModel does what a change of the tables asks for since the site ran with
// other ones, in this process or before: rows of new tables are published, values
// for new columns are noted as to be written (fill.go).
func (n *Node) adoptModel(ctx context.Context) error {
	n.schema.adopt = true // until all of it is done
	known, err := n.known()
	if err != nil {
		return err
	}
	now := map[string]knownTable{}
	changed := known == nil
	for _, t := range schema.Order(n.tables()) {
		if !t.Replicated {
			continue
		}
		k := knownTable{Columns: t.Shipped(), Identity: t.Identity.Columns}
		now[t.Name] = k
		if known == nil {
			continue // all this was here when the site was set up
		}
		before, ok := known[t.Name]
		if !ok {
			if err := n.publishTable(ctx, t.Name); err != nil {
				return err
			}
		}
		k.Fill = toFill(before, k.Columns) // all of a table that was away
		now[t.Name] = k
		changed = changed || !ok || !slices.Equal(before.Columns, k.Columns) || !slices.Equal(before.Identity, k.Identity)
	}
	if changed = changed || len(known) != len(now); changed {
		if err := errors.Join(n.noteGone(known, now), n.setKnown(now)); err != nil {
			return err
		}
	}
	n.beginFilling(now, changed && known != nil)
	n.schema.adopt = false
	return nil
}

// untold returns the tables of a model that came since the site ran with other ones: what
// rows of them are here no other site knows until adoptModel has published them.
func (n *Node) untold(m *schema.Model) (tables []string, err error) {
	known, err := n.known()
	if err != nil || known == nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(m.Tables)) {
		if _, ok := known[name]; !ok && m.Tables[name].Replicated {
			tables = append(tables, name)
		}
	}
	return tables, nil
}

// noteFirst writes down the tables of a site that starts for the first time, or waits for
// its first rows: whatever comes later is new. What names the rows may still change before
// they have travelled.
func (n *Node) noteFirst() error {
	known, err := n.known()
	if err != nil || known != nil && !n.replica.BringingUp() {
		return err
	}
	now := map[string]knownTable{}
	for name, t := range n.tables().Tables {
		if t.Replicated {
			now[name] = knownTable{Columns: t.Shipped()}
		}
	}
	return n.setKnown(now)
}

// toFill are the columns of a table that are new, and those that were and are not
// done.
func toFill(before knownTable, columns []string) (fill []string) {
	for _, c := range columns {
		if !slices.Contains(before.Columns, c) || slices.Contains(before.Fill, c) {
			fill = append(fill, c)
		}
	}
	return fill
}

func (n *Node) setKnown(tables map[string]knownTable) error {
	b, err := json.Marshal(tables)
	if err != nil {
		return err
	}
	return setKey(n.store, knownKey, b)
}

// publishTable makes the rows of a table that is newly replicated known to all
// sites. Where the site has had rows of it, it was away and may be another one.
func (n *Node) publishTable(ctx context.Context, table string) error {
	had, err := n.replica.HasLive(table)
	if err != nil {
		return err
	}
	if had {
		n.doubt(table, "it was away for a while")
	}
	scan, err := n.db.Scanner(n.tables()).Scan(ctx)
	if err != nil {
		return err
	}
	err = n.replica.Publish(ctx, scan, table)
	if e := scan.Close(); err == nil {
		err = e
	}
	n.grown()
	return err
}

// tablesOnStart reads the tables for a site that starts. It is an error when none
// of them can be replicated.
func (n *Node) tablesOnStart(ctx context.Context) (*schema.Model, error) {
	m, problems, err := n.readTables(ctx)
	if err != nil {
		return nil, err
	}
	var refused []schema.Problem
	for _, p := range problems {
		n.log.Warn(p.String())
		if p.Refused {
			refused = append(refused, p)
		}
	}
	for _, t := range m.Tables {
		if t.Replicated {
			return m, nil
		}
	}
	if len(refused) > 0 {
		return nil, &RefusedError{refused}
	}
	return nil, fmt.Errorf("no table of database %s matches the patterns %q: give others in baraza.yaml", m.Database, n.settings().Tables)
}
