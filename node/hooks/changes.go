package hooks

import (
	"slices"

	"baraza/crdt"
)

// keysMax is how many rows of one table a hook remembers one by one, in rows;
// with more it tells of the whole table.
const keysMax = 10_000

// Changes is which rows were written or deleted. The zero value is none.
type Changes struct {
	tables map[string]*table
	// everything: nobody knows which.
	everything bool
}

// table is the rows of one table; the bool says that the row was deleted.
type table struct {
	keys  map[crdt.Key]bool
	whole bool
}

// Add notes a row.
func (c *Changes) Add(name string, key crdt.Key, deleted bool) {
	t := c.table(name)
	if t.whole {
		return
	}
	t.keys[key] = deleted
	if len(t.keys) > keysMax {
		t.keys, t.whole = nil, true
	}
}

func (c *Changes) table(name string) *table {
	if c.tables == nil {
		c.tables = map[string]*table{}
	}
	t := c.tables[name]
	if t == nil {
		t = &table{keys: map[crdt.Key]bool{}}
		c.tables[name] = t
	}
	return t
}

// merge adds what came later.
func (c *Changes) merge(later *Changes, tells func(string) bool) {
	c.everything = c.everything || later.everything
	for name, from := range later.tables {
		if !tells(name) {
			continue
		}
		if from.whole {
			t := c.table(name)
			t.keys, t.whole = nil, true
			continue
		}
		for key, deleted := range from.keys {
			c.Add(name, key, deleted)
		}
	}
}

// Empty reports whether there is nothing to tell.
func (c *Changes) Empty() bool { return !c.everything && len(c.tables) == 0 }

// Rows counts the rows that are known one by one.
func (c *Changes) Rows() (n int) {
	for _, t := range c.tables {
		n += len(t.keys)
	}
	return n
}

// All reports whether there are rows that are not known one by one.
func (c *Changes) All() bool {
	for _, t := range c.tables {
		if t.whole {
			return true
		}
	}
	return c.everything
}

// names returns the tables in order.
func (c *Changes) names() []string {
	names := make([]string, 0, len(c.tables))
	for name := range c.tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// rows returns a table's rows in the order of their keys.
func (t *table) rows() []crdt.Key {
	keys := make([]crdt.Key, 0, len(t.keys))
	for k := range t.keys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
