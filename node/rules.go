package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"baraza/merge"
	"baraza/node/admin"
	"baraza/node/replica"
	"baraza/schema"
)

// How tables are merged is set for all sites, and travels as data
// (replica.Rules). The settings file says it too, so that a site which joins
// begins with it and an administrator sees it; where the two differ, the
// network's holds and is written to the file.

// SetTable implements admin.Service.
func (s service) SetTable(ctx context.Context, req admin.SetTableRequest) (*admin.TableList, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	if err := s.n.engine.do(ctx, func() error { return s.n.setTable(ctx, &req) }); err != nil {
		return nil, err
	}
	s.n.grown()
	return s.Tables(ctx)
}

// setTable runs on the engine's goroutine.
func (n *Node) setTable(ctx context.Context, req *admin.SetTableRequest) error {
	t := n.tables().Tables[req.Table]
	if t == nil || !t.Replicated {
		return admin.Nof("table %s is not replicated: `baraza tables list` shows those that are", req.Table)
	}
	for _, column := range req.Counters { // all or nothing
		if err := schema.CanCount(n.tables(), t, column); err != nil {
			return admin.Nof("%v", err)
		}
	}
	if err := n.setUnique(ctx, t, req.Unique); err != nil {
		return err
	}
	for _, column := range req.Counters {
		if err := n.replica.SetCounter(ctx, t.Name, column); err != nil {
			return err
		}
	}
	return errors.Join(n.mirrorRules(), n.startCounters(ctx))
}

// startCounters looks at all rows of tables with counters that were declared
// since the site did so. It runs on the engine's goroutine.
func (n *Node) startCounters(ctx context.Context) error {
	for {
		table, err := n.replica.NewCounters()
		if err != nil || table == "" {
			return err
		}
		scan, err := n.db.Scanner(n.tables()).Scan(ctx)
		if err != nil {
			return err
		}
		err = n.replica.StartCounters(ctx, scan, table)
		if e := scan.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		n.log.Info("columns of the table are counters now", "table", table, "columns", n.replica.Rules().Counters[table])
		n.grown()
	}
}

// uncountable returns what an administrator should know of counters that this
// site's tables cannot be.
func (n *Node) uncountable() (alarms []string) {
	counters := n.replica.Rules().Counters
	for _, t := range schema.Order(n.tables()) {
		for _, column := range counters[t.Name] {
			if !t.Replicated {
				continue
			}
			if err := schema.CanCount(n.tables(), t, column); err != nil {
				alarms = append(alarms, fmt.Sprintf("%v; at other sites it is one: change this site's table", err))
			}
		}
	}
	return alarms
}

func (n *Node) setUnique(ctx context.Context, t *schema.Table, name string) error {
	if name == "" {
		return nil
	}
	way, ok := merge.WayNamed(name)
	if !ok {
		return admin.Nof("unique=%s is not known: use unique=null, unique=mark or unique=hold", name)
	}
	if by := schema.Referrers(n.tables())[t.Name]; way == merge.WayHold && len(by) > 0 {
		return admin.Nof("rows of table %s cannot be held outside it, as table %s refers to them: use unique=null or unique=mark", t.Name, by[0].Child.Name)
	}
	return n.replica.SetUnique(ctx, t.Name, way)
}

// mirrorRules writes into the settings what is set for all sites. It runs on the
// engine's goroutine.
func (n *Node) mirrorRules() error {
	c := n.settings()
	unique, counters := maps.Clone(c.Unique), maps.Clone(c.Counters)
	if unique == nil {
		unique = map[string]string{}
	}
	if counters == nil {
		counters = map[string][]string{}
	}
	err := n.replica.EachRule(func(table, what, value string) {
		if what == replica.RuleUnique {
			unique[table] = value
		}
		if column, ok := strings.CutPrefix(what, replica.RuleCounter); ok && !slices.Contains(counters[table], column) {
			counters[table] = append(slices.Clone(counters[table]), column)
		}
	})
	if err != nil || maps.Equal(unique, c.Unique) && maps.EqualFunc(counters, c.Counters, slices.Equal) {
		return err
	}
	c.Unique, c.Counters = unique, counters
	n.setSettings(c)
	return n.saveSettings()
}

// rulesPause is the wait before a site that could not say what its settings file
// sets tries again.
const rulesPause = 10 * time.Second

// announceRules makes known what the settings file sets and nobody has set yet.
func (n *Node) announceRules(ctx context.Context) {
	for {
		err := n.engine.do(ctx, func() error { return errors.Join(n.adoptRules(ctx), n.settleNumbers(ctx)) })
		if err == nil || ctx.Err() != nil {
			n.grown()
			return
		}
		n.log.Warn("cannot tell the others yet how tables are merged", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(rulesPause):
		}
	}
}

// adoptRules runs on the engine's goroutine.
func (n *Node) adoptRules(ctx context.Context) error {
	for _, t := range schema.Order(n.tables()) {
		if !t.Replicated {
			continue
		}
		has, err := n.replica.HasRule(t.Name, replica.RuleUnique)
		if err != nil {
			return err
		}
		req := admin.SetTableRequest{Table: t.Name, Counters: n.settings().Counters[t.Name]}
		if !has {
			req.Unique = n.settings().Unique[t.Name]
		}
		err = n.setTable(ctx, &req)
		if admin.KindOf(err) == admin.No {
			n.log.Warn("a setting is passed over", "file", "baraza.yaml", "error", err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rules adds to a list what is set for its tables.
func (s service) rules(ctx context.Context, m *schema.Model, list *admin.TableList) error {
	if s.n.phase() != "" {
		return nil // not known yet
	}
	return s.n.engine.do(ctx, func() error {
		set := s.n.replica.Rules()
		for i := range list.Tables {
			t := &list.Tables[i]
			if len(m.Tables[t.Name].Unique) > 0 {
				t.Unique = set.Unique[t.Name].String()
			}
			t.Counters = set.Counters[t.Name]
		}
		return nil
	})
}
