package dbtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"baraza/capture"
	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

// A random history has randomSteps transactions; randomSeeds are run.
const (
	randomSteps = 150
	randomSeeds = 3
)

// testRandom does the same random work on the database and on the model, and
// holds tables, refusals and captured changes against each other.
func testRandom(s *suite) {
	for seed := uint64(1); seed <= randomSeeds; seed++ {
		if s.Failed() {
			return
		}
		s.Harness = s.fresh()
		h := &history{suite: s, rand: rand.New(rand.NewPCG(seed, 0)), own: map[merge.RowID]bool{}}
		now := int64(0)
		h.model = memdb.New(memdb.Config{Model: Model(), First: 500, Now: func() int64 { now++; return now }})
		for step := 0; step < randomSteps && !s.Failed(); step++ {
			if h.rand.IntN(3) == 0 {
				h.application(step)
			} else {
				h.transaction(step)
			}
		}
		h.compare(true)
		if s.Failed() {
			s.Logf("seed %d; the last steps:\n%s", seed, strings.Join(h.trace[max(0, len(h.trace)-12):], "\n"))
		}
	}
}

// history is one random run on both databases.
type history struct {
	*suite
	model *memdb.DB
	rand  *rand.Rand
	trace []string
	own   map[merge.RowID]bool // see mark; a zero key means the whole table
}

func (h *history) note(step int, format string, args ...any) {
	h.trace = append(h.trace, fmt.Sprintf("%d: ", step)+fmt.Sprintf(format, args...))
}

// id is one of a few row numbers, so that rows meet.
func (h *history) id() int { return 1 + h.rand.IntN(12) }

// before is the number of a visit that visit n may follow.
func (h *history) before(n int) int {
	if h.ShortChains {
		return (n - 1) ^ 1 + 1 // 1 and 2 one another, 3 and 4, ...
	}
	return h.id()
}

// maybe returns the value or, now and then, NULL.
func (h *history) maybe(v crdt.Value) any {
	if h.rand.IntN(4) == 0 {
		return nil
	}
	return v
}

func (h *history) name() string {
	return []string{"Ada", "ada ", "Bo", "Cy", "", strings.Repeat("long", 8)}[h.rand.IntN(6)]
}

// row makes a random row of a random table.
func (h *history) row() (string, merge.Row) {
	n := h.id()
	switch h.rand.IntN(9) {
	case 0:
		return "person", withUUID(n, "name", h.name(), "weight", h.maybe(crdt.Float64(h.rand.Float64())))
	case 1:
		return "patient", row(patientKey(n), "patient_id", refTo(n), "allergy", h.name())
	case 2:
		return "obs", obs(n, h.id(), "obs_group_id", h.maybe(refTo(h.id())), "value_text", h.name())
	case 3:
		return "users", withUUID(n, "username", h.maybe(crdt.Text(h.name())), "person_id", refTo(h.id()), "creator", refTo([]int{n, h.id()}[h.rand.IntN(2)]))
	case 4:
		return "tag", tag(n, []string{"a", "b"}[h.rand.IntN(2)])
	}
	switch h.rand.IntN(5) {
	case 0:
		return "visit", visit(n, h.id(), "parent_id", h.maybe(refTo(h.before(n))), "reason", h.name())
	case 1:
		return "charge", charge(h.id(), []string{"a", "b"}[h.rand.IntN(2)])
	case 2:
		return "bill", withUUID(n, "visit_id", refTo(h.id()), "remark_id", h.maybe(refTo(h.id())), "note", h.name())
	}
	if h.rand.IntN(3) == 0 {
		return "badge", withUUID(n, "number", h.name(), "person_id", h.maybe(refTo(h.id())), "slot", h.maybe(crdt.Text(h.name())), "note", h.name())
	}
	return "remark", withUUID(n, "person_id", h.maybe(refTo(h.id())), "body", h.name())
}

// application runs one or two statements on both sides.
func (h *history) application(step int) {
	var writes []memdb.Write
	for range 1 + h.rand.IntN(2) {
		table, r := h.row()
		was, exists := h.find(table, r.Key)
		switch {
		case !exists:
			writes = append(writes, insert(table, r))
		case h.rand.IntN(2) == 0 && h.mayRemove(table, was):
			writes = append(writes, remove(table, r.Key))
		default:
			writes = append(writes, update(table, h.some(table, r)))
		}
	}
	for _, w := range writes {
		h.note(step, "app %d %s %s", w.Kind, w.Table, brief(w.Row))
	}
	want, got := h.model.App(writes...), h.App(writes...)
	if (want == nil) != (got == nil) {
		h.Errorf("step %d: the application gets %v, the model says %v", step, got, want)
	}
}

// mayRemove reports whether an application can remove the row in one statement:
// servers refuse to remove a row that refers to itself.
func (h *history) mayRemove(table string, r merge.Row) bool {
	return table == "visit" || !slices.Contains(r.Values, crdt.Ref(r.Key))
}

// some keeps some of the row's columns that are not in its key.
func (h *history) some(table string, r merge.Row) merge.Row {
	out := merge.Row{Key: r.Key}
	for i, c := range r.Columns {
		if !slices.Contains(h.table(table).Identity.Columns, c) && h.rand.IntN(3) > 0 {
			out.Columns, out.Values = append(out.Columns, c), append(out.Values, r.Values[i])
		}
	}
	return out
}

func (h *history) find(table string, key crdt.Key) (merge.Row, bool) {
	for _, r := range h.model.Rows(table) {
		if r.Key == key {
			return r, true
		}
	}
	return merge.Row{}, false
}

// work is what a transaction does to one table in one call each.
type work struct {
	table          string
	insert, update []merge.Row
	remove         []crdt.Key
}

func (w work) String() string {
	var s strings.Builder
	s.WriteString(w.table)
	for i, r := range w.insert {
		s.WriteString("\n\t" + brief(r) + " or " + brief(w.update[i]))
	}
	for _, key := range w.remove {
		s.WriteString("\n\tremove " + short(key.String()))
	}
	return s.String()
}

func brief(r merge.Row) string {
	var s strings.Builder
	s.WriteString(short(r.Key.String()) + ":")
	for i, c := range r.Columns {
		if c != "uuid" {
			s.WriteString(" " + c + "=" + short(r.Values[i].String()))
		}
	}
	return s.String()
}

// transaction applies random work on both sides and compares what is refused.
func (h *history) transaction(step int) {
	var all []work
	for range 1 + h.rand.IntN(3) {
		all = append(all, h.work())
	}
	commit := h.rand.IntN(5) > 0
	h.note(step, "apply %s, commit %v", all, commit)
	h.mark(all)
	want, _ := h.apply(h.model, all, commit)
	got, err := h.apply(h.DB, all, commit)
	h.ok(err)
	if !slices.Equal(got, want) {
		h.Errorf("step %d: refused\n  %s\nthe model says\n  %s", step, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	h.compare(h.rand.IntN(4) == 0)
}

// work makes random rows of one table, each key once. What is to be done with
// a key is decided when it is known whether it is there.
func (h *history) work() work {
	table, r := h.row()
	w := work{table: table}
	used := map[crdt.Key]bool{}
	for range 6 {
		if !used[r.Key] {
			used[r.Key] = true
			w.insert = append(w.insert, r)
		}
		for more := true; more; {
			var t string
			t, r = h.row()
			more = t != table
		}
	}
	for _, r := range w.insert {
		w.update = append(w.update, h.some(table, r))
		if h.rand.IntN(3) == 0 {
			w.remove = append(w.remove, r.Key)
		}
	}
	return w
}

// apply does the work as the merge would, and returns the refusals.
func (h *history) apply(db merge.Database, all []work, commit bool) ([]string, error) {
	tx, err := db.Begin(h.ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	var said []string
	for _, w := range all {
		refused, err := h.one(tx, w)
		if err != nil {
			return nil, err
		}
		slices.Sort(refused)
		said = append(said, refused...)
	}
	if !commit {
		return said, nil
	}
	return said, tx.Commit()
}

func (h *history) one(tx merge.Tx, w work) ([]string, error) {
	t := h.table(w.table)
	var keys []crdt.Key
	for _, r := range w.insert {
		keys = append(keys, r.Key)
	}
	found, err := tx.Lock(h.ctx, t, keys)
	if err != nil {
		return nil, err
	}
	there := make(map[crdt.Key]bool)
	for _, r := range found {
		there[r.Key] = true
	}
	absent := slices.DeleteFunc(slices.Clone(w.insert), func(r merge.Row) bool { return there[r.Key] })
	changed := slices.DeleteFunc(slices.Clone(w.update), func(r merge.Row) bool { return !there[r.Key] || len(r.Columns) == 0 })
	gone := slices.DeleteFunc(slices.Clone(w.remove), func(k crdt.Key) bool { return !there[k] })
	var said []string
	note := func(what string, list []merge.RowError, err error) error {
		for _, e := range list {
			said = append(said, fmt.Sprintf("%s %s %s: %d", what, w.table, e.Key, e.Refusal))
		}
		return err
	}
	ins, err := tx.Insert(h.ctx, t, absent)
	if err := note("insert", ins, err); err != nil {
		return nil, err
	}
	upd, err := tx.Update(h.ctx, t, changed)
	if err := note("update", upd, err); err != nil {
		return nil, err
	}
	del, err := tx.Delete(h.ctx, t, gone)
	err = note("delete", del, err)
	return said, err
}

// compare holds all tables, and what is captured, against the model.
func (h *history) compare(captured bool) {
	h.Helper()
	for _, table := range []string{"person", "patient", "obs", "users", "tag", "remark"} {
		got, want := lines(h.Rows(table)), lines(h.model.Rows(table))
		if !slices.Equal(got, want) {
			h.Errorf("%s has\n  %s\nthe model has\n  %s", table, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
	if h.Source == nil || !captured {
		return
	}
	model := *h.suite
	model.Source = h.model
	wantRows, wantIDs := model.captured()
	gotRows, gotIDs := h.captured()
	if got, want := h.told(gotRows), h.told(wantRows); !slices.Equal(got, want) {
		h.Errorf("captured\n  %s\nthe model captures\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	h.ok(h.Source.Release(h.ctx, gotIDs))
	h.ok(h.model.Release(h.ctx, wantIDs))
	h.own = map[merge.RowID]bool{}
}

// told is what captured changes say in the end of each row. Rows that baraza
// wrote meanwhile are left out: in production it takes what applications wrote
// to a row before it writes it, and what is told of the others differs.
func (h *history) told(rows []capture.Row) []string {
	type last struct {
		deleted bool
		values  map[string]crdt.Value
	}
	all := map[merge.RowID]*last{}
	for _, r := range rows {
		id := merge.RowID{Table: r.Table, Key: r.Key}
		if h.own[id] || h.own[merge.RowID{Table: r.Table}] {
			continue
		}
		if all[id] == nil || r.Delete {
			all[id] = &last{deleted: r.Delete, values: map[string]crdt.Value{}}
		}
		all[id].deleted = r.Delete
		for i, c := range r.Columns {
			all[id].values[c] = r.Values[i]
		}
	}
	var list []string
	for id, l := range all {
		list = append(list, fmt.Sprintf("%s %s deleted=%t %v", id.Table, short(id.Key.String()), l.deleted, l.values))
	}
	slices.Sort(list)
	return list
}

// mark notes the rows that a transaction of baraza's is about to write; what
// its ON DELETE actions may reach counts as written too.
func (h *history) mark(all []work) {
	for _, w := range all {
		for _, r := range w.insert {
			h.own[merge.RowID{Table: w.table, Key: r.Key}] = true
		}
		for _, key := range w.remove {
			h.own[merge.RowID{Table: w.table, Key: key}] = true
		}
		if w.table == "person" && len(w.remove) > 0 {
			h.own[merge.RowID{Table: "tag"}] = true
			h.own[merge.RowID{Table: "remark"}] = true
		}
	}
}

func lines(rows []merge.Row) []string {
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = show(r, r.Columns)
	}
	slices.Sort(list)
	return list
}
