package replica_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/dbtest"
	"baraza/merge/memdb"
	"baraza/node/replica"
	"baraza/schema"
)

// world is a few sites, and the ledger of what their applications did.
type world struct {
	sites  []*site
	model  *schema.Model
	micros int64
	mode   mode
	ledger map[cell]bool // true: knowingly overwritten
	// added is what applications added to counters, since none had any.
	added  map[cell]crdt.Value
	trace  []string
	serial int
	nonce  uint64
	tiny   bool // the replicas' limits
	// full is every origin's log, also of what sites dropped, and forgotten the
	// site that was.
	full      map[clock.SiteID][][]byte
	forgotten *site
	count     int // of sites
	// counting: the numbers of stock are counters from the start; stocky: most
	// writes are to that table.
	counting, stocky bool
}

// mode is what applications do besides what they always do.
type mode int

const (
	plain      mode = iota
	references      // delete rows that others refer to (R4)
	clashes         // that, and write unique values that clash (R5)
	counts          // what plain does, most of it to counters
)

// cell is one value that an application wrote. Such values are unique.
type cell struct {
	table, column string
	key           crdt.Key
	value         crdt.Value
}

// site is one replica with its machine.
type site struct {
	w      *world
	n      int
	id     clock.SiteID
	db     *memdb.DB
	store  disk
	faults *faults
	r      *replica.Replica
	skew   int64 // of its clock, microseconds
	// gone are sites that were forgotten, as far as this one knows.
	gone map[clock.SiteID]bool
	// acked is how far the log goes by what a step answered: peers were told so,
	// and may have dropped it.
	acked clock.VersionVector
	// restarted: the replica may have forgotten which rows to wake; Retry will.
	restarted bool
}

var clinic = dbtest.Model()

func newWorld(sites int, m mode, tiny bool) (*world, error) {
	return newWorldOn(func(f *faults) (disk, error) { return newCrashStore(f), nil }, sites, m, tiny)
}

// newWorldOn makes a world on disks of a kind.
func newWorldOn(newDisk func(*faults) (disk, error), sites int, m mode, tiny bool) (*world, error) {
	return newWorldOf(clinic, newDisk, sites, m, tiny)
}

// newWorldOf makes a world of other tables.
func newWorldOf(model *schema.Model, newDisk func(*faults) (disk, error), sites int, m mode, tiny bool) (*world, error) {
	w := &world{model: model, count: sites, full: map[clock.SiteID][][]byte{}, mode: m, tiny: tiny, ledger: map[cell]bool{}, added: map[cell]crdt.Value{}, micros: 1_700_000_000_000_000}
	for n := 1; n <= sites; n++ {
		s := &site{w: w, n: n, id: clock.SiteID{byte(n)}, faults: &faults{}}
		var err error
		if s.store, err = newDisk(s.faults); err != nil {
			return nil, err
		}
		s.db = memdb.New(memdb.Config{
			Model: model, First: int64(1 + 100*(n%2)), // some sites number alike, some do not
			Now:   func() int64 { return w.micros + s.skew },
			Fault: s.faults.database,
		})
		w.sites = append(w.sites, s)
		if err := s.open(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (s *site) config() replica.Config {
	s.w.nonce++
	return replica.Config{
		Nonce: s.w.nonce,
		Self:  s.id, Store: s.store, Database: s.db, Source: s.db, Model: s.w.model,
		NowMillis: func() int64 { return (s.w.micros + s.skew) / 1000 },
	}
}

func (s *site) open() (err error) {
	s.r, err = replica.Open(context.Background(), s.config())
	if err == nil && s.w.tiny {
		s.r.SetLimits(2, 150)
	}
	if err == nil {
		err = s.readMembers()
	}
	return err
}

// crash drops what is in memory and starts again from the disks.
func (s *site) crash(kept int) error { return s.crashAgain(kept, 0) }

// crashAgain is crash where the machine goes down once more at the n-th step of
// starting.
func (s *site) crashAgain(kept, n int) error {
	s.db.Disconnect()
	*s.faults = faults{after: n}
	s.restarted = true
	var err error
	if s.store, err = s.store.restart(kept); err != nil {
		return err
	}
	if err = s.open(); s.faults.down {
		return s.crash(kept)
	}
	s.faults.after = 0
	if err == nil && !s.r.Log().Vector().Includes(s.acked) {
		err = fmt.Errorf("site %d: the log goes to %v after a crash, and was said to go to %v", s.n, s.r.Log().Vector(), s.acked)
	}
	return err
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// op is one step of a history. What it does in detail hangs on the state it
// finds and on rnd alone, so that a history still runs with steps left out.
type op struct {
	kind opKind
	site int
	rnd  uint64
}

type opKind int

const (
	opWrite opKind = iota
	opCapture
	opTransfer
	opApply
	opCrash
	opFault
	opSkew
	opRetry
	opPublish
	opTruncate
	opForget
	opRule
	opCounter
)

// run does one step. An error is a broken promise.
func (w *world) run(o op) error {
	s := w.sites[o.site%len(w.sites)]
	rnd := rand.New(rand.NewPCG(o.rnd, 2))
	w.micros += int64(rnd.IntN(3)) * 700
	switch o.kind {
	case opWrite:
		return s.application(rnd)
	case opCapture:
		n, err := s.r.Capture(context.Background())
		w.note("site %d captures %d: %v", s.n, n, err)
		return s.after(err, rnd)
	case opTransfer:
		return s.transfer(w.sites[rnd.IntN(len(w.sites))], rnd)
	case opApply:
		res, err := s.r.Apply(context.Background(), []int{0, 1, 3}[rnd.IntN(3)])
		w.note("site %d applies %+v: %v", s.n, res, err)
		if err == nil && res.System {
			err = s.readMembers()
		}
		return s.after(err, rnd)
	case opPublish, opTruncate, opForget:
		return s.tend(o.kind, rnd)
	case opRule:
		return s.setRule(rnd)
	case opCounter:
		if rnd.IntN(3) == 0 {
			return s.setCounter(rnd)
		}
		return s.lookAtCounters(rnd)
	case opRetry:
		err := s.r.Retry(context.Background())
		w.note("site %d retries: %v", s.n, err)
		return s.after(err, rnd)
	case opCrash:
		w.note("site %d crashes", s.n)
		return s.crashAgain(rnd.IntN(3), rnd.IntN(4))
	case opFault:
		s.faults.after, s.faults.kind = 1+rnd.IntN(12), faultKind(rnd.IntN(int(faultKinds)))
		w.note("site %d will fail at step %d, kind %d", s.n, s.faults.after, s.faults.kind)
	case opSkew:
		s.skew = int64(rnd.IntN(40)-20) * 1_000_000
		w.note("site %d has its clock %d s off", s.n, s.skew/1_000_000)
	}
	return nil
}

// after deals with the error of a step: one that was injected ends in a
// restart, or is survived; any other is a bug.
func (s *site) after(err error, rnd *rand.Rand) error {
	if err == nil {
		s.acked = s.r.Log().Vector()
		return nil
	}
	if !errors.Is(err, errCrash) {
		return fmt.Errorf("site %d: %w", s.n, err)
	}
	if s.faults.down {
		s.w.note("site %d went down at %s", s.n, s.faults.at)
		return s.crashAgain(rnd.IntN(3), rnd.IntN(4))
	}
	return nil
}

// transfer takes some entries of one origin that another site has.
func (s *site) transfer(from *site, rnd *rand.Rand) error {
	vector := from.r.Log().Vector()
	if from == s || len(vector) == 0 || s.gone[from.id] || from.gone[s.id] {
		return nil
	}
	origin := vector[rnd.IntN(len(vector))].Site
	if origin == s.id {
		return nil
	}
	return s.take(from, origin, 1+rnd.IntN(600), rnd)
}

func (s *site) take(from *site, origin clock.SiteID, maxBytes int, rnd *rand.Rand) error {
	after := s.r.Log().Vector().Seq(origin)
	if rnd.IntN(4) == 0 && after > 0 {
		after-- // one that is had already
	}
	first, entries, err := from.r.Log().Read(origin, after, maxBytes)
	if err != nil || len(entries) == 0 {
		return err
	}
	err = s.r.Log().Append(origin, first, entries)
	s.w.note("site %d takes %d entries of site %d from site %d at %d: %v", s.n, len(entries), origin[0], from.n, first, err)
	return s.after(err, rnd)
}

// exchange lets the sites talk until nothing moves any more, and try once more what is
// not in its place.
func (w *world) exchange() error {
	if err := w.talk(); err != nil {
		return err
	}
	return w.retry()
}

// talk lets the sites talk until nothing moves any more.
func (w *world) talk() error {
	w.note("full exchange")
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(1, 1))
	w.micros += 120_000_000 // past every clock's lead
	for _, s := range w.sites {
		s.faults.after, s.skew = 0, 0
	}
	for round, moved := 0, true; moved; round++ {
		if round > 500 {
			return fmt.Errorf("the exchange does not come to an end")
		}
		moved = false
		for _, s := range w.live() {
			n, err := s.r.Capture(ctx)
			if err != nil {
				return fmt.Errorf("site %d: %w", s.n, err)
			}
			moved = moved || n > 0
			for _, from := range w.live() {
				for _, e := range from.r.Log().Vector() {
					if from != s && e.Site != s.id && s.r.Log().Vector().Seq(e.Site) < e.Seq {
						moved = true
						if err := s.take(from, e.Site, 1<<20, rnd); err != nil {
							return err
						}
					}
				}
			}
			for applied := 0; ; applied++ {
				res, err := s.r.Apply(ctx, 0)
				if err != nil {
					return fmt.Errorf("site %d: %w", s.n, err)
				}
				if res.Batches == 0 && res.Woken == 0 {
					break
				}
				moved = true
				if applied > 1000 {
					return fmt.Errorf("site %d: rows are woken again and again: %v", s.n, s.r.WakeRows())
				}
				if res.System {
					if err := s.readMembers(); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// retry tries once more what is not in its place.
func (w *world) retry() error {
	ctx := context.Background()
	for _, s := range w.live() {
		if err := s.checkAwake(); err != nil && !s.restarted {
			return fmt.Errorf("site %d: %w", s.n, err)
		}
		if err := s.r.Retry(ctx); err != nil {
			return fmt.Errorf("site %d: %w", s.n, err)
		}
		for round := 0; ; round++ { // what it left for a transaction of its own
			res, err := s.r.Apply(ctx, 0)
			if err != nil {
				return fmt.Errorf("site %d: %w", s.n, err)
			}
			if res.Woken == 0 {
				break
			}
			if round > 50 {
				return fmt.Errorf("site %d: rows are woken again and again", s.n)
			}
		}
		if behind := s.r.Applied().Behind(s.wholeLog()); behind > 0 {
			return fmt.Errorf("site %d has %d entries that it does not apply", s.n, behind)
		}
	}
	return nil
}

// --- applications ---

func uuid(n int) string         { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
func keyOf(n int) crdt.Key      { return crdt.MakeKey(crdt.Text(uuid(n))) }
func refTo(n int) crdt.Value    { return crdt.Ref(keyOf(n)) }
func patientKey(n int) crdt.Key { return crdt.MakeKey(refTo(n)) }

// rowsMax is how many rows a table has at most. In a plain world, even ones are
// never deleted and odd ones never referred to.
const rowsMax = 6

// fresh returns a value that no application wrote before.
func (s *site) fresh() crdt.Value {
	s.w.serial++
	return crdt.Text(fmt.Sprintf("v%d.%d", s.n, s.w.serial))
}

func (s *site) parent(rnd *rand.Rand) int {
	if s.w.mode != plain {
		return 1 + rnd.IntN(rowsMax)
	}
	return 2 * (1 + rnd.IntN(rowsMax/2))
}

func (s *site) maybe(rnd *rand.Rand, v crdt.Value) crdt.Value {
	if rnd.IntN(3) == 0 {
		return crdt.Null
	}
	return v
}

// application runs one transaction of one to three statements.
func (s *site) application(rnd *rand.Rand) error {
	for range 1 + rnd.IntN(2) {
		before := s.tables()
		var writes []memdb.Write
		there := map[string]bool{}
		for name, rows := range before {
			for key := range rows {
				there[name+string(key)] = true
			}
		}
		for range 1 + rnd.IntN(3) {
			table, n, r := s.row(rnd)
			at := table + string(r.Key)
			w := memdb.Write{Kind: memdb.Insert, Table: table, Row: r}
			switch {
			case !there[at]:
				there[at] = true
			case (n%2 == 1 || s.w.mode != plain) && rnd.IntN(3) == 0:
				w = memdb.Write{Kind: memdb.Delete, Table: table, Row: merge.Row{Key: r.Key}}
				there[at] = false
			default:
				w.Kind, w.Row = memdb.Update, s.some(table, r, rnd)
			}
			writes = append(writes, w)
		}
		err := s.db.App(writes...)
		s.w.note("site %d writes %s: %v", s.n, showWrites(writes), err)
		if err == nil {
			s.enter(before, s.tables())
		}
	}
	return nil
}

// some keeps at least one of the columns that are not in the key.
func (s *site) some(table string, r merge.Row, rnd *rand.Rand) merge.Row {
	out := merge.Row{Key: r.Key}
	last := len(r.Columns) - 1
	for i, c := range r.Columns {
		if !slices.Contains(clinic.Tables[table].Identity.Columns, c) && (rnd.IntN(2) == 0 || i == last) {
			out.Columns, out.Values = append(out.Columns, c), append(out.Values, r.Values[i])
		}
	}
	return out
}

// tables returns all rows of the replicated tables.
func (s *site) tables() map[string]map[crdt.Key]merge.Row {
	all := map[string]map[crdt.Key]merge.Row{}
	for _, name := range tableNames(s.w.model) {
		rows := map[crdt.Key]merge.Row{}
		for _, r := range s.db.Rows(name) {
			rows[r.Key] = r
		}
		all[name] = rows
	}
	return all
}

func tableNames(m *schema.Model) []string {
	var names []string
	for _, t := range schema.Order(m) {
		if t.Replicated {
			names = append(names, t.Name)
		}
	}
	return names
}

// enter writes into the ledger what a transaction did: values that it wrote,
// and values that were there, and so seen, and are not any more.
func (s *site) enter(before, after map[string]map[crdt.Key]merge.Row) {
	for table, rows := range after {
		for key, r := range rows {
			old := before[table][key]
			for i, c := range r.Columns {
				if old.Columns == nil || old.Values[i] != r.Values[i] {
					s.w.written(cell{table, c, key, r.Values[i]})
					s.w.add(cell{table: table, column: c, key: key}, old.Columns != nil, r.Values[i], old.Values, i)
				}
			}
		}
	}
	for table, rows := range before {
		for key, r := range rows {
			now, there := after[table][key]
			for i, c := range r.Columns {
				if !there || now.Values[i] != r.Values[i] {
					s.w.overwritten(cell{table, c, key, r.Values[i]})
				}
			}
		}
	}
}

func isLedger(v crdt.Value) bool { return strings.HasPrefix(string(v), "tv") }

func (w *world) written(c cell) {
	if isLedger(c.value) {
		w.ledger[c] = false
	}
}

func (w *world) overwritten(c cell) {
	if isLedger(c.value) {
		w.ledger[c] = true
	}
}

func showWrites(writes []memdb.Write) string {
	var parts []string
	for _, w := range writes {
		parts = append(parts, fmt.Sprintf("%s %s %s %s", []string{"", "insert", "update", "delete"}[w.Kind], w.Table, shortKey(w.Row.Key), showRow(w.Row)))
	}
	return strings.Join(parts, "; ")
}

func showRow(r merge.Row) string {
	var parts []string
	for i, c := range r.Columns {
		parts = append(parts, c+"="+shortKey(crdt.Key(r.Values[i])))
	}
	return strings.Join(parts, " ")
}

func shortKey(k crdt.Key) string {
	if v := crdt.Value(k); v == crdt.Null {
		return "NULL"
	} else if ref, ok := v.Key(); ok {
		return shortKey(ref)
	}
	return strings.NewReplacer("00000000-0000-4000-8000-00000000000", "#", `"`, "").Replace(k.String())
}
