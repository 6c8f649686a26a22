package replica

import (
	"context"
	"fmt"
	"strings"

	"baraza/capture"
	"baraza/crdt"
	"baraza/merge"
)

// The settings that decide what is shown (merge.Rules) travel as data: a row of a
// system table for each, so that every site comes to the same. A row's key is
// the table and what is set, its value the setting.
const (
	rulesTable  = merge.SystemPrefix + "rules"
	rulesColumn = "value"
	// RuleUnique is what a row shows whose unique value another row has.
	RuleUnique = "unique"
	// RuleCounter begins what is set of a column that is a counter.
	RuleCounter = "counter "
)

// Rules returns the settings in force.
func (r *Replica) Rules() merge.Rules { return r.merger.Rules }

// SetUnique sets, for all sites, what a table's rows show whose unique value
// another row has. A setting that is in force is not written again.
func (r *Replica) SetUnique(ctx context.Context, table string, way merge.Way) error {
	said, err := r.ruleOf(table, RuleUnique)
	if err != nil || said == way.String() {
		return err
	}
	return r.setRule(ctx, table, RuleUnique, way.String())
}

// SetCounter makes a column add up, for all sites and for good, what everyone
// adds to it. What was committed here before is what the column had, also what is
// not captured yet.
func (r *Replica) SetCounter(ctx context.Context, table, column string) error {
	said, err := r.ruleOf(table, RuleCounter+column)
	if err != nil || said != "" {
		return err
	}
	if _, err := r.Capture(ctx); err != nil {
		return fmt.Errorf("make %s.%s a counter: %w", table, column, err)
	}
	return r.setRule(ctx, table, RuleCounter+column, "yes")
}

// EachRule calls each for what was set, by table and what is set.
func (r *Replica) EachRule(each func(table, what, value string)) error {
	return r.SystemRows(rulesTable, func(row merge.Row) error {
		if key := row.Key.Values(); len(key) == 2 && len(row.Values) == 1 {
			each(key[0].Payload(), key[1].Payload(), row.Values[0].Payload())
		}
		return nil
	})
}

// HasRule reports whether any site has set something of a table.
func (r *Replica) HasRule(table, what string) (bool, error) {
	said, err := r.ruleOf(table, what)
	return said != "", err
}

func ruleKey(table, what string) crdt.Key { return crdt.MakeKey(crdt.Text(table), crdt.Text(what)) }

func (r *Replica) ruleOf(table, what string) (string, error) {
	s, err := r.stateOf(merge.RowID{Table: rulesTable, Key: ruleKey(table, what)})
	if err != nil || s == nil || s.Dead() || len(s.Values) != 1 {
		return "", err
	}
	return s.Values[0].Payload(), nil
}

func (r *Replica) setRule(ctx context.Context, table, what, value string) error {
	row := capture.Row{
		Table: rulesTable, Key: ruleKey(table, what), At: r.cfg.NowMillis() * 1000,
		Columns: []string{rulesColumn}, Values: []crdt.Value{crdt.Text(value)},
	}
	if err := r.WriteSystem(ctx, []capture.Row{row}); err != nil {
		return fmt.Errorf("set %s of table %s: %w", what, table, err)
	}
	return r.loadRules()
}

// loadRules reads the settings, and wakes the rows that are shown otherwise by
// those that changed. What a newer version has set is passed over.
func (r *Replica) loadRules() error {
	next := merge.Rules{Unique: map[string]merge.Way{}, Counters: map[string][]string{}}
	err := r.EachRule(func(table, what, value string) {
		if way, ok := merge.WayNamed(value); ok && what == RuleUnique && way != merge.WayNull {
			next.Unique[table] = way
		}
		if column, ok := strings.CutPrefix(what, RuleCounter); ok && value != "" {
			next.Counters[table] = append(next.Counters[table], column)
		}
	})
	if err != nil {
		return fmt.Errorf("read the settings of tables: %w", err)
	}
	before := r.merger.Rules
	r.merger.Rules = next
	for _, table := range r.merger.Order {
		if before.Unique[table] == next.Unique[table] {
			continue
		}
		rows, err := r.asideRows(table)
		if err != nil {
			return err
		}
		r.wake = append(r.wake, rows...)
	}
	return nil
}
