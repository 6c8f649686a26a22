package node

import (
	"context"
	"maps"
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
	if err := n.setUnique(ctx, t, req.Unique); err != nil {
		return err
	}
	return n.mirrorRules()
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
	unique := maps.Clone(n.settings().Unique)
	if unique == nil {
		unique = map[string]string{}
	}
	err := n.replica.EachRule(func(table, what, value string) {
		if what == replica.RuleUnique {
			unique[table] = value
		}
	})
	if err != nil || maps.Equal(unique, n.settings().Unique) {
		return err
	}
	c := n.settings()
	c.Unique = unique
	n.setSettings(c)
	return n.saveSettings()
}

// rulesPause is the wait before a site that could not say what its settings file
// sets tries again.
const rulesPause = 10 * time.Second

// announceRules makes known what the settings file sets and nobody has set yet.
func (n *Node) announceRules(ctx context.Context) {
	for {
		err := n.engine.do(ctx, func() error { return n.adoptRules(ctx) })
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
		name := n.settings().Unique[t.Name]
		if name == "" || !t.Replicated {
			continue
		}
		has, err := n.replica.HasRule(t.Name, replica.RuleUnique)
		if err != nil {
			return err
		}
		if has {
			continue
		}
		err = n.setUnique(ctx, t, name)
		if admin.KindOf(err) == admin.No {
			n.log.Warn("a setting is passed over", "file", "baraza.yaml", "error", err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return n.mirrorRules()
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
		}
		return nil
	})
}
