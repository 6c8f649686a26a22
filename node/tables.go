package node

import (
	"context"
	"errors"
	"path"
	"slices"

	"baraza/node/admin"
	"baraza/node/config"
	"baraza/schema"
)

// addPatterns adds table patterns to the settings.
func addPatterns(c *config.Config, patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return admin.Nof("the pattern %q is not one: %v", p, err)
		}
		c.Exclude = slices.DeleteFunc(slices.Clone(c.Exclude), func(x string) bool { return x == p })
		// No patterns at all means every table: then there is nothing to add.
		if len(c.Tables) > 0 && !slices.Contains(c.Tables, p) {
			c.Tables = append(slices.Clone(c.Tables), p)
		}
	}
	return nil
}

// removePatterns takes patterns out, or excludes tables that another pattern
// takes.
func (n *Node) removePatterns(c *config.Config, patterns []string) error {
	for _, p := range patterns {
		if i := slices.Index(c.Tables, p); i >= 0 && len(c.Tables) > 1 {
			c.Tables = slices.Delete(slices.Clone(c.Tables), i, i+1)
			continue
		}
		t := n.tables().Tables[p]
		if t == nil || !t.Replicated {
			return admin.Nof("no table and no pattern %q is replicated: `baraza tables list` shows them", p)
		}
		c.Exclude = append(slices.Clone(c.Exclude), p)
	}
	return nil
}

// changeTables changes the settings, the triggers and the model together, or
// leaves everything as it was.
func (n *Node) changeTables(ctx context.Context, change func(*config.Config) error) error {
	return n.engine.do(ctx, func() error {
		c := n.settings()
		if err := change(&c); err != nil {
			return err
		}
		if err := n.adoptTables(ctx, &c); err != nil {
			return err
		}
		n.setSettings(c)
		return n.saveSettings()
	})
}

// adoptTables makes the tables of the settings the replicated ones. Local
// changes that were noted before are taken first. It runs on the engine.
func (n *Node) adoptTables(ctx context.Context, c *config.Config) error {
	m, _, err := loadModel(ctx, n.db, c)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return admin.Nof("%s", refused.Problems[0])
	}
	if err != nil {
		return err
	}
	if err := n.fitNumbers(m); err != nil {
		return err
	}
	if err := n.adoptModel(ctx); err != nil { // so that it is known what is new
		return err
	}
	if _, err := n.replica.Capture(ctx); err != nil {
		return err
	}
	if err := n.db.Install(ctx, m); err != nil {
		return err
	}
	if err := n.useModel(ctx, m); err != nil {
		return err
	}
	return errors.Join(n.adoptModel(ctx), n.settleNumbers(ctx))
}

// useModel hands the model to all that work with it.
func (n *Node) useModel(ctx context.Context, m *schema.Model) error {
	db, source, err := n.db.Open(ctx, m)
	if err != nil {
		return err
	}
	untold, err := n.untold(m)
	if err != nil {
		return err
	}
	n.setTables(m)
	n.replica.SetModel(m, untold...)
	n.replica.SetPorts(n.hooks.Watch(db), source)
	return nil
}

func (n *Node) databaseName() string {
	if m := n.tables(); m != nil {
		return m.Database
	}
	return ""
}

// sharedSettings is what a joining site gets.
func (n *Node) sharedSettings() []byte {
	c := n.settings()
	shared := c.Shared()
	return shared.Marshal()
}
