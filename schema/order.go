package schema

// Order returns all tables of the model, parents before children. The order
// depends on nothing but the model. A reference of a table to itself does not
// count. A circle is entered at a table whose references into it are all
// nullable, where there is one: its rows can be inserted with NULL there.
func Order(m *Model) []*Table {
	o := newOrdering(m)
	for len(o.left) > 0 {
		i := o.ready()
		if i < 0 {
			i = o.breakCircle()
		}
		o.take(i)
	}
	return o.done
}

// edge is how a table refers to another.
type edge struct{ nullable bool }

type ordering struct {
	left  []*Table                   // not placed yet, by name
	needs map[string]map[string]edge // of those left: the tables left that they refer to
	done  []*Table
}

func newOrdering(m *Model) *ordering {
	o := &ordering{left: m.sorted(), needs: make(map[string]map[string]edge)}
	for _, t := range o.left {
		needs := make(map[string]edge)
		add := func(parent string, nullable bool) {
			if parent == t.Name || m.Tables[parent] == nil {
				return
			}
			if e, ok := needs[parent]; ok {
				nullable = nullable && e.nullable
			}
			needs[parent] = edge{nullable}
		}
		for _, ref := range t.References {
			add(ref.Table, t.Column(ref.Column).Nullable)
		}
		for i := range t.Typed { // where it is one it is seldom needed at once
			for _, to := range t.Typed[i].Tables {
				add(to, true)
			}
		}
		for _, fk := range t.Composite {
			nullable := false
			for _, c := range fk.Columns {
				nullable = nullable || t.Column(c).Nullable
			}
			add(fk.Table, nullable)
		}
		o.needs[t.Name] = needs
	}
	return o
}

// ready returns the first table left that refers to no other, -1 for none.
func (o *ordering) ready() int {
	for i, t := range o.left {
		if len(o.needs[t.Name]) == 0 {
			return i
		}
	}
	return -1
}

func (o *ordering) take(i int) {
	t := o.left[i]
	o.done = append(o.done, t)
	o.left = append(o.left[:i:i], o.left[i+1:]...)
	delete(o.needs, t.Name)
	for _, needs := range o.needs {
		delete(needs, t.Name)
	}
}

// breakCircle chooses the table by which to enter a circle that waits for
// nothing outside itself: the one with the fewest NOT NULL references into it,
// then the one with the fewest references, then the first by name.
func (o *ordering) breakCircle() int {
	circle := o.circle()
	best, bestCost := -1, [2]int{}
	for i, t := range o.left {
		if !circle[t.Name] {
			continue
		}
		var cost [2]int
		for _, e := range o.needs[t.Name] {
			if !e.nullable {
				cost[0]++
			}
			cost[1]++
		}
		if best < 0 || cost[0] < bestCost[0] || (cost[0] == bestCost[0] && cost[1] < bestCost[1]) {
			best, bestCost = i, cost
		}
	}
	return best
}

// circle returns the tables of one circle that waits for nothing outside
// itself. There is one whenever no table is ready: following references upward
// ends in it.
func (o *ordering) circle() map[string]bool {
	for _, t := range o.left {
		above := o.above(t.Name)
		closed := true
		for name := range above {
			closed = closed && o.above(name)[t.Name]
		}
		if closed {
			return above
		}
	}
	panic("schema: tables that are not ready and in no circle")
}

// above returns the tables that name refers to, directly or not.
func (o *ordering) above(name string) map[string]bool {
	seen := make(map[string]bool)
	var visit func(string)
	visit = func(n string) {
		for parent := range o.needs[n] {
			if !seen[parent] {
				seen[parent] = true
				visit(parent)
			}
		}
	}
	visit(name)
	return seen
}
