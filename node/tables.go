package node

import (
	"context"
	"errors"
	"path"
	"slices"

	"baraza/node/admin"
	"baraza/schema"
)

// addPatterns adds table patterns to the settings.
func (n *Node) addPatterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return admin.Nof("the pattern %q is not one: %v", p, err)
		}
		n.cfg.Exclude = slices.DeleteFunc(slices.Clone(n.cfg.Exclude), func(x string) bool { return x == p })
		// No patterns at all means every table: then there is nothing to add.
		if len(n.cfg.Tables) > 0 && !slices.Contains(n.cfg.Tables, p) {
			n.cfg.Tables = append(slices.Clone(n.cfg.Tables), p)
		}
	}
	return nil
}

// removePatterns takes patterns out, or excludes tables that another pattern
// takes.
func (n *Node) removePatterns(patterns []string) error {
	for _, p := range patterns {
		if i := slices.Index(n.cfg.Tables, p); i >= 0 && len(n.cfg.Tables) > 1 {
			n.cfg.Tables = slices.Delete(slices.Clone(n.cfg.Tables), i, i+1)
			continue
		}
		t := n.model.Tables[p]
		if t == nil || !t.Replicated {
			return admin.Nof("no table and no pattern %q is replicated: `baraza tables list` shows them", p)
		}
		n.cfg.Exclude = append(slices.Clone(n.cfg.Exclude), p)
	}
	return nil
}

// changeTables changes the settings, the triggers and the model together, or
// leaves everything as it was.
func (n *Node) changeTables(ctx context.Context, change func() error) error {
	return n.engine.do(ctx, func() error {
		before := n.cfg
		err := change()
		if err == nil {
			err = n.adoptTables(ctx)
		}
		if err != nil {
			n.cfg = before
			return err
		}
		return n.saveSettings()
	})
}

// adoptTables makes the tables of the settings the replicated ones. Local
// changes that were noted before are taken first. It runs on the engine.
func (n *Node) adoptTables(ctx context.Context) error {
	m, _, err := loadModel(ctx, n.db, &n.cfg)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return admin.Nof("%s", refused.Problems[0])
	}
	if err != nil {
		return err
	}
	if _, err := n.replica.Capture(ctx); err != nil {
		return err
	}
	before := n.model
	if err := n.db.Install(ctx, m); err != nil {
		return err
	}
	if err := n.useModel(ctx, m); err != nil {
		return err
	}
	return n.publish(ctx, before)
}

// publish makes the rows of tables that are newly replicated known to all
// sites.
func (n *Node) publish(ctx context.Context, before *schema.Model) error {
	for _, t := range schema.Order(n.model) {
		if old := before.Tables[t.Name]; !t.Replicated || (old != nil && old.Replicated) {
			continue
		}
		scan, err := n.db.Scanner(n.model).Scan(ctx)
		if err != nil {
			return err
		}
		err = n.replica.Publish(ctx, scan, t.Name)
		if e := scan.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		n.grown()
	}
	return nil
}

// reloadTables adopts a change of the schema that was made while the site runs.
// Tables that cannot be replicated any more are passed over with a warning:
// one table never stops the others.
func (n *Node) reloadTables(ctx context.Context) error {
	m, err := n.db.Load(ctx, n.cfg.Schema())
	if err != nil {
		return err
	}
	for _, p := range schema.Check(m) {
		if p.Refused {
			m.Tables[p.Table].Replicated = false
		}
		n.log.Warn(p.String())
	}
	if err := n.db.Install(ctx, m); err != nil {
		return err
	}
	n.log.Info("the schema changed: the tables were read again")
	before := n.model
	if err := n.useModel(ctx, m); err != nil {
		return err
	}
	return n.publish(ctx, before)
}

// useModel hands the model to all that work with it.
func (n *Node) useModel(ctx context.Context, m *schema.Model) error {
	db, source, err := n.db.Open(ctx, m)
	if err != nil {
		return err
	}
	n.model = m
	n.replica.SetModel(m)
	n.replica.SetPorts(n.hooks.Watch(db), source)
	return nil
}

func (n *Node) databaseName() string {
	if n.model == nil {
		return ""
	}
	return n.model.Database
}

// sharedSettings is what a joining site gets.
func (n *Node) sharedSettings() []byte {
	shared := n.cfg.Shared()
	return shared.Marshal()
}
