package node

import (
	"slices"

	"baraza/node/config"
	"baraza/schema"
)

// The settings and the model of the tables are read by whoever answers the
// command line and by the network, while the engine's goroutine changes them.
// Nobody changes what they point to: they are replaced.

// settings returns the settings as they are now.
func (n *Node) settings() config.Config {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.cfg
}

func (n *Node) setSettings(c config.Config) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cfg = c
}

// tables returns the model of the tables; nil before the database was read.
func (n *Node) tables() *schema.Model {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.model
}

func (n *Node) setTables(m *schema.Model) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.model = m
}

// replicated lists the replicated tables, in order of their names.
func (n *Node) replicated() []string {
	var names []string
	if m := n.tables(); m != nil {
		for name, t := range m.Tables {
			if t.Replicated {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// addresses are where others reach the site.
func (n *Node) addresses() []string {
	c := n.settings()
	return addresses(&c)
}
