package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

// Op is one transaction of an application. What it writes hangs on the tables
// it finds and on its seed alone, so a plan still runs with others left out.
type Op struct {
	At   time.Duration
	Site int // counted from 0
	Seed uint64
	// AtBegin: it waits and slips in when the engine next begins a database
	// transaction, which then finds a local change that is not captured yet.
	AtBegin bool
}

// slipIn runs what waits for the engine to begin a transaction.
func (s *Site) slipIn() {
	waiting := s.waiting
	s.waiting = nil
	for _, seed := range waiting {
		s.Write(seed)
	}
}

// WriteEvery lets the first so many sites commit a transaction each time that
// an interval has passed, one site after the other, until all is repaired.
func (w *World) WriteEvery(interval time.Duration, writers int) {
	for i, s := range w.Sites[:writers] {
		seed := uint64(i)
		var write func()
		write = func() {
			if w.repaired {
				return
			}
			s.Write(seed)
			seed += uint64(len(w.Sites))
			w.after(interval, write)
		}
		w.after(interval*time.Duration(i)/time.Duration(writers), write)
	}
}

// transaction is one in the making.
type transaction struct {
	s      *Site
	rnd    *rand.Rand
	there  map[merge.RowID]bool // rows that the transaction itself adds or deletes
	writes []memdb.Write
	values []crdt.Value // fresh ones
	padded bool
	mix    *Mix
	kind   string // the table of the statement in the making
	verb   verb   // of the statement in the making
	over   bool   // no statement may follow
	// renamed: a key was changed.
	renamed bool
	// numbers are counters as the transaction sees them.
	numbers map[cell]crdt.Value
}

// statementsMax is how many statements an application puts into a transaction;
// parents that are missing come on top.
const statementsMax = 4

const (
	// paddedOneIn is how often a transaction has values so large that it takes
	// several log entries, and padBytes how large.
	paddedOneIn = 40
	padBytes    = 150 << 10
	// paddedLeast is the slowest line on which there are such, in bytes per
	// second: there a message takes less than gossip.Config.Stall.
	paddedLeast = 16 << 10
)

// Write runs a transaction of an application.
func (s *Site) Write(seed uint64) {
	x := &transaction{s: s, mix: &s.w.opts.Mix, rnd: rand.New(rand.NewPCG(seed, 1)), there: map[merge.RowID]bool{}}
	x.padded = s.w.opts.Mix.large(x.rnd) && !s.w.slow
	for range 1 + x.rnd.IntN(s.w.opts.Mix.statements()) {
		if !x.over {
			x.statement()
		}
	}
	x.run()
}

// run commits a transaction.
func (x *transaction) run() {
	s := x.s
	s.watch.begin()
	s.writing = true
	pending := s.db.Pending()
	err := s.db.App(x.writes...)
	s.writing = false
	before := s.watch.end()
	s.w.note("%s writes %s: %v", s, writes(x.writes), err)
	if err != nil {
		var bad merge.RowError
		if !errors.As(err, &bad) {
			s.w.fail(fmt.Errorf("%s: an application cannot write: %w", s, err))
		}
		return
	}
	if s.w.opts.Checks != CheckNone {
		s.w.ledger.enter(s, x.values, before)
		if x.renamed {
			s.w.ledger.carry(s, before)
		}
		s.w.ledger.add(s, x.writes, before)
		s.noteCommit(s.w.ledger.txns, pending)
		s.noteWritten(before)
	}
	if o := s.w.opts.Observer; o != nil {
		o.Wrote(s.n-1, len(x.writes))
	}
	s.committed()
}

func (x *transaction) write(kind memdb.Kind, table string, r merge.Row) {
	x.writes = append(x.writes, memdb.Write{Kind: kind, Table: table, Row: r})
	id := merge.RowID{Table: table, Key: r.Key}
	x.there[id] = kind != memdb.Delete
	x.remember(kind, id, &r)
}

// has reports whether a row is there as the transaction sees it.
func (x *transaction) has(table string, key crdt.Key) bool {
	if there, ok := x.there[merge.RowID{Table: table, Key: key}]; ok {
		return there
	}
	return x.s.db.Has(table, key)
}

// fresh returns a value that no application wrote before.
func (x *transaction) fresh() crdt.Value {
	v := x.s.w.ledger.fresh(x.s)
	if x.padded {
		v += crdt.Value(strings.Repeat(".", padBytes))
	}
	x.values = append(x.values, v)
	return v
}

// In a plain mix even rows may be referred to and are never deleted; odd ones may
// be deleted and are never referred to. Rules R4 and R5 are so left aside.
func (x *transaction) any() int {
	if x.verb == insert {
		return x.s.w.opts.Rows + 2 + x.rnd.IntN(newRows)
	}
	n := 1 + x.mix.pick(x.rnd, x.s.w.opts.Rows)
	if x.verb == remove && x.mix.Rules == Plain {
		n |= 1
	}
	return n
}

// owner is the person of a new row that is one person's.
func (x *transaction) owner() int {
	if x.verb == insert {
		return 2 * x.any()
	}
	return x.stable()
}

// stable is a row that may be referred to.
func (x *transaction) stable() int {
	if x.mix.Rules != Plain {
		return 1 + x.mix.pick(x.rnd, x.s.w.opts.Rows)
	}
	return 2 * (1 + x.mix.pick(x.rnd, max(x.s.w.opts.Rows/2, 1)))
}

func (x *transaction) statement() {
	x.verb = x.mix.verb(x.rnd)
	table, n, r := x.row()
	switch {
	case !x.has(table, r.Key):
		x.write(memdb.Insert, table, r)
	case (n%2 == 1 || x.mix.Rules != Plain) && (x.verb == remove || x.verb == anything && x.rnd.IntN(3) == 0):
		x.write(memdb.Delete, table, merge.Row{Key: r.Key})
		x.over = x.mix.Rules != Plain // rows that go with it are not known here
		if x.rnd.IntN(6) == 0 {
			x.write(memdb.Insert, table, r)
		}
	case x.renames(table, &r):
	default:
		x.write(memdb.Update, table, x.some(table, r))
	}
}

// row makes a whole row of a random table, and its parents where missing.
func (x *transaction) row() (table string, n int, r merge.Row) {
	switch x.kind = x.mix.kind(x); x.kind {
	case "person":
		n = x.any()
		return "person", n, x.person(n)
	case "patient":
		n = x.owner()
		x.parent("person", keyOf(n), func() merge.Row { return x.person(n) })
		return "patient", n, x.patient(n)
	case "obs":
		return x.obs()
	case "tag":
		p, label := x.owner(), 1+x.rnd.IntN(2)
		x.parent("person", keyOf(p), func() merge.Row { return x.person(p) })
		l := crdt.Text(fmt.Sprintf("label%d", label))
		r.Key = crdt.MakeKey(refTo(p), l)
		set(&r, field{"person_id", refTo(p)}, field{"label", l}, field{"note", x.fresh()})
		return "tag", label, r
	case "setting":
		n = x.any()
		property := crdt.Text(fmt.Sprintf("p%d", n))
		r.Key = crdt.MakeKey(property)
		set(&r, field{"property", property}, field{"value", x.fresh()})
		return "setting", n, r
	}
	return x.more()
}

func (x *transaction) obs() (string, int, merge.Row) {
	n, p := x.any(), x.stable()
	x.parent("person", keyOf(p), func() merge.Row { return x.person(p) })
	x.parent("patient", patientKey(p), func() merge.Row { return x.patient(p) })
	group := crdt.Null
	if g := x.stable(); g != n && x.has("obs", keyOf(g)) {
		group = refTo(g)
	}
	r := merge.Row{Key: keyOf(n)}
	set(&r, field{"uuid", uuidOf(n)}, field{"patient_id", crdt.Ref(patientKey(p))}, field{"obs_group_id", group}, field{"value_text", x.fresh()})
	return "obs", n, r
}

func (x *transaction) person(n int) merge.Row {
	r := merge.Row{Key: keyOf(n)}
	set(&r, field{"uuid", uuidOf(n)}, field{"name", x.fresh()}, field{"weight", crdt.Float64(float64(x.rnd.IntN(3)))}, field{"note", x.fresh()})
	return r
}

func (x *transaction) patient(n int) merge.Row {
	r := merge.Row{Key: patientKey(n)}
	set(&r, field{"patient_id", refTo(n)}, field{"allergy", x.fresh()})
	return r
}

func (x *transaction) parent(table string, key crdt.Key, row func() merge.Row) {
	if !x.has(table, key) {
		x.write(memdb.Insert, table, row())
	}
}

// some keeps at least one of the columns that are not in the key.
func (x *transaction) some(table string, r merge.Row) merge.Row {
	out := merge.Row{Key: r.Key, Columns: make([]string, 0, len(r.Columns)), Values: make([]crdt.Value, 0, len(r.Columns))}
	identity := clinic.Tables[table].Identity.Columns
	for i, c := range r.Columns {
		last := i == len(r.Columns)-1
		if c != firstValue && !slices.Contains(identity, c) && (x.rnd.IntN(2) == 0 || last) {
			out.Columns, out.Values = append(out.Columns, c), append(out.Values, r.Values[i])
		}
	}
	return out
}

// field is a column with its value.
type field struct {
	column string
	value  crdt.Value
}

// set appends columns and values.
func set(r *merge.Row, fields ...field) {
	if r.Columns == nil {
		r.Columns, r.Values = make([]string, 0, len(fields)), make([]crdt.Value, 0, len(fields))
	}
	for _, f := range fields {
		r.Columns, r.Values = append(r.Columns, f.column), append(r.Values, f.value)
	}
}

// writes are the statements of a transaction, to be shown.
type writes []memdb.Write

func (list writes) String() string {
	var parts []string
	for _, w := range list {
		kind := [...]string{"", "insert", "update", "delete"}[w.Kind]
		parts = append(parts, fmt.Sprintf("%s %s %s %s", kind, w.Table, shortKey(w.Row.Key), showRow(w.Row)))
	}
	return strings.Join(parts, "; ")
}

func showRow(r merge.Row) string {
	var parts []string
	for i, c := range r.Columns {
		parts = append(parts, c+"="+shortValue(r.Values[i]))
	}
	return strings.Join(parts, " ")
}

func shortKey(k crdt.Key) string {
	var parts []string
	for _, v := range k.Values() {
		parts = append(parts, shortValue(v))
	}
	return strings.Join(parts, ",")
}

var shortUUID = strings.NewReplacer("00000000-0000-4000-8000-", "#", `"`, "")

// shownMax is how many bytes of a value are shown.
const shownMax = 100

func shortValue(v crdt.Value) string {
	if v.IsNull() {
		return "NULL"
	}
	if ref, ok := v.Key(); ok {
		return ">" + shortKey(ref)
	}
	if len(v) > shownMax {
		return fmt.Sprintf("%s… (%d B)", v.Payload()[:shownMax/2], len(v))
	}
	return shortUUID.Replace(v.String())
}
