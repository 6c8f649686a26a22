package crdt_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"baraza/clock"
	"baraza/crdt"
)

// numberColumns are those of a table whose rows are named by a number alone.
var numberColumns = []string{"a", "b", "id"}

// playNumbers runs a script at sites that insert, write and delete the row of one
// number.
func playNumbers(s script, baseline bool) *history {
	h := &history{baseline: baseline}
	authors := make([]*author, lawSites)
	for i := range authors {
		authors[i] = &author{id: clock.SiteID{byte(i + 1)}, clock: clock.NewClock(0), row: startNumber(baseline)}
	}
	for n, step := range s {
		a := authors[step%lawSites]
		step /= lawSites
		kind, rest := step%4, step/4
		if kind == 0 {
			h.receive(a, rest)
			continue
		}
		h.writeNumber(a, n, rest)
	}
	return h
}

func startNumber(baseline bool) crdt.Row {
	if !baseline {
		return crdt.Row{Number: "id"}
	}
	return crdt.Row{Number: "id", Exists: true, Columns: numberColumns, Values: []crdt.Value{"t0", "t0", "t7"}}
}

func (h *history) writeNumber(a *author, n int, choice uint32) {
	ch := crdt.Change{Table: "t", Key: "t7", Time: a.clock.Give(int64(1 + choice%5))}
	value := func(c string) crdt.Value { return crdt.Text(fmt.Sprintf("%s%d.%d", c, a.id[0], n)) }
	life := a.row.Life()
	switch what := choice / 5 % 4; {
	case !a.row.Exists && what == 0:
		return
	case !a.row.Exists:
		ch.Whole, ch.Columns = true, numberColumns
		ch.Values = []crdt.Value{value("a"), value("b"), "t7"}
		if a.row.Dead() {
			ch.Prior = crdt.Stamps{Deleted: a.row.Deleted}.WithLife("id", life)
		}
	case what == 0:
		ch.Delete = true
		ch.Prior = crdt.Stamps{Row: a.row.Row, Cells: a.row.Cells}
	default:
		column := numberColumns[choice/20%2]
		ch.Columns, ch.Values = []string{column}, []crdt.Value{value(column)}
		ch.Prior.Row = a.row.Row
		for _, c := range a.row.Cells {
			if c.Column == column {
				ch.Prior.Cells = append(ch.Prior.Cells, c)
			}
		}
		ch.Prior = ch.Prior.WithLife("id", life)
	}
	a.written++
	d := delivery{origin: a.id, seq: uint64(a.written), context: a.applied.Clone(), changes: []crdt.Change{ch}}
	apply(&a.row, &d)
	a.applied = a.applied.With(clock.Entry{Site: a.id, Seq: d.seq, Through: ch.Time})
	h.deliveries = append(h.deliveries, d)
	h.trace = append(h.trace, fmt.Sprintf("site %d: %+v", a.id[0], ch))
}

// numberOracle says what a set of changes makes of a number, by looking at all of
// them at once.
type numberOracle struct {
	baseline bool
	facts    []numberFact
}

type numberFact struct {
	*crdt.Change
	at, life clock.Stamp
}

func (o *numberOracle) add(d *delivery) {
	for i := range d.changes {
		ch := &d.changes[i]
		f := numberFact{ch, clock.Stamp{Time: ch.Time, Site: d.origin}, clock.Stamp{}}
		if f.life = ch.Prior.Of("id"); ch.Whole && ch.Prior.Deleted.IsZero() {
			f.life = f.at
		}
		o.facts = append(o.facts, f)
	}
}

// holder is the life that has the row: the first that began.
func (o *numberOracle) holder() (first clock.Stamp) {
	for i := range o.facts {
		if f := &o.facts[i]; !o.baseline && f.Whole && f.Prior.Deleted.IsZero() && (first.IsZero() || f.life.Less(first)) {
			first = f.life
		}
	}
	return first
}

// String gives the row, and what of other lives nobody of theirs replaced.
func (o *numberOracle) String() string {
	holder := o.holder()
	row := oracleRow{values: map[string]crdt.Value{}, stamps: map[string]clock.Stamp{}}
	if o.baseline {
		row.values = map[string]crdt.Value{"a": "t0", "b": "t0", "id": "t7"}
	}
	var written, deleted clock.Stamp
	var lost []string
	for i := range o.facts {
		f := &o.facts[i]
		switch {
		case f.life != holder && !f.Delete:
			for j, c := range f.Columns {
				if c != "id" && !o.replaced(f, c) {
					lost = append(lost, fmt.Sprintf("%s=%s@%s<%s", c, f.Values[j], showStamp(f.at), showStamp(holder)))
				}
			}
		case f.life != holder:
		case f.Delete:
			deleted = greater(deleted, f.at)
		default:
			written = greater(written, f.at)
			for j, c := range f.Columns {
				if row.stamps[c].Less(f.at) {
					row.stamps[c], row.values[c] = f.at, f.Values[j]
				}
			}
		}
	}
	row.exists = (o.baseline || !written.IsZero()) && (deleted.IsZero() || deleted.Less(written))
	slices.Sort(lost)
	return row.String() + " lost " + strings.Join(lost, " ")
}

// replaced reports whether somebody of the same life wrote or deleted knowingly over
// a value.
func (o *numberOracle) replaced(f *numberFact, column string) bool {
	return slices.ContainsFunc(o.facts, func(g numberFact) bool {
		return g.life == f.life && g.at != f.at && g.Prior.Deleted.IsZero() && !(g.Whole && !g.Delete) &&
			(g.Delete || slices.Contains(g.Columns, column)) && g.Prior.Of(column) == f.at
	})
}

func greater(a, b clock.Stamp) clock.Stamp {
	if a.Less(b) {
		return b
	}
	return a
}

type oracleRow struct {
	exists bool
	values map[string]crdt.Value
	stamps map[string]clock.Stamp
}

func (r oracleRow) String() string {
	if !r.exists {
		return "none"
	}
	return fmt.Sprintf("id=%s a=%s b=%s", r.values["id"], r.values["a"], r.values["b"])
}

// describeNumber is String of a row that was merged.
func describeNumber(r *crdt.Row) string {
	row := oracleRow{exists: r.Exists, values: map[string]crdt.Value{}}
	for i, c := range r.Columns {
		row.values[c] = r.Values[i]
	}
	var lost []string
	for _, l := range r.Lost {
		if l.Apart {
			lost = append(lost, fmt.Sprintf("%s=%s@%s<%s", l.Column, l.Value, showStamp(l.Stamp), showStamp(l.Winner)))
		}
	}
	slices.Sort(lost)
	return row.String() + " lost " + strings.Join(lost, " ")
}

// TestLawNumbers (R3): of the rows that sites inserted under one number without
// having seen each other's, the first stays, whole and with none of the others'
// values, and of the others nothing is lost without a record; in whatever order the
// changes come, after each of them.
//
// Seen to fail when the later one is not made to give way ("should be"), when a
// write of another life merges by R1, when an insert over a tombstone begins a life,
// and when raiseWinners takes no notice of Apart.
func TestLawNumbers(t *testing.T) {
	for _, baseline := range []bool{false, true} {
		t.Run(fmt.Sprintf("from before %v", baseline), func(t *testing.T) {
			checkLaw(t, func(s script) error {
				h := playNumbers(s, baseline)
				rng := rand.New(rand.NewPCG(uint64(len(s)), 0))
				for range ordersPerHistory {
					row, o := startNumber(baseline), numberOracle{baseline: baseline}
					var order strings.Builder
					for _, d := range h.order(rng) {
						apply(&row, d)
						o.add(d)
						fmt.Fprintf(&order, " %d.%d", d.origin[0], d.seq)
						if got, want := describeNumber(&row), o.String(); got != want {
							return fmt.Errorf("%s\ndelivered%s, the row is\n  %s\nand should be\n  %s", h, order.String(), got, want)
						}
					}
				}
				return nil
			})
		})
	}
}

// TestNumbersClash: the law's histories have what it is about.
func TestNumbersClash(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	clashes, writes := 0, 0
	for range 1000 {
		s := make(script, rng.IntN(14))
		for i := range s {
			s[i] = rng.Uint32()
		}
		h := playNumbers(s, false)
		o := numberOracle{}
		for i := range h.deliveries {
			o.add(&h.deliveries[i])
		}
		lives := map[clock.Stamp]int{}
		for i := range o.facts {
			lives[o.facts[i].life]++
		}
		if len(lives) > 1 {
			clashes++
			most := slices.MaxFunc(o.facts, func(a, b numberFact) int { return cmp.Compare(lives[a.life], lives[b.life]) })
			if lives[most.life] > 2 {
				writes++
			}
		}
	}
	if clashes < 200 || writes < 100 {
		t.Errorf("of 1000 histories %d have two rows of one number, %d more than an insert", clashes, writes)
	}
}

// TestGiveWayOverATombstone: of a row that gives way to an earlier one, which was
// deleted and inserted again by one who had seen that, nothing is lost but what was
// written. A site that has forgotten the tombstone gets it so.
//
// Seen to fail where giveWay does not note that nobody wrote the values it leaves
// (NULL is then a conflict in each column), and where it takes what the earlier row, or
// a third one, lost before for values of the later one.
func TestGiveWayOverATombstone(t *testing.T) {
	a, b := clock.SiteID{1}, clock.SiteID{2}
	first, deleted := clock.Stamp{Time: 1, Site: a}, clock.Stamp{Time: 2, Site: a}
	insert := func(at clock.Timestamp, v crdt.Value) *crdt.Change {
		return &crdt.Change{Table: "t", Key: "t7", Whole: true, Time: at, Columns: numberColumns, Values: []crdt.Value{v, v, "t7"}}
	}
	unseen := crdt.Loss{Column: "a", Value: "tunseen", Stamp: first, Winner: deleted, WinnerDelete: true}
	other := crdt.Loss{Column: "b", Value: "tother", Stamp: clock.Stamp{Time: 2, Site: b}, Winner: first, Apart: true}
	row := crdt.Row{Number: "id", Lost: []crdt.Loss{unseen, other}}
	seen := clock.VersionVector{{Site: a, Seq: 2, Through: deleted.Time}}
	row.Apply(insert(5, "tlater"), b, seen)
	again := insert(4, "tagain")
	again.Prior = crdt.Stamps{Deleted: deleted}.WithLife("id", first)
	row.Apply(again, a, seen)
	if v, _ := row.Value("a"); v != "tagain" || row.Life() != first || len(row.Lost) != 4 {
		t.Fatalf("the row is %v", row)
	}
	for _, l := range row.Lost {
		if l != unseen && l != other && (!l.Apart || l.Value != "tlater" || l.Winner != first) {
			t.Errorf("%v is lost", l)
		}
	}
}

// An insert into a database that was put back, of which its site knew that the row of
// before was deleted, and not that every site had that, loses to that row: also where it
// is forgotten and one follows on it that was inserted later, in either order.
//
// Seen to fail when such an insert does not say what it lost to.
func TestNumberThatLost(t *testing.T) {
	at := func(ms int64, site byte) clock.Stamp {
		return clock.Stamp{Time: clock.At(ms, 0), Site: clock.SiteID{site}}
	}
	insert := func(at clock.Stamp, v string) *crdt.Change {
		return &crdt.Change{Table: "t", Key: "t7", Time: at.Time, Whole: true, Columns: numberColumns, Values: []crdt.Value{crdt.Text(v), crdt.Text(v), "t7"}}
	}
	old, again, last := at(10, 1), at(30, 2), at(40, 3)
	lost := insert(again, "lost")
	lost.Prior = crdt.Stamps{}.LosesTo("id", old)
	// Where the delete is settled, the row begins anew (merge.Settled).
	first := crdt.Row{Number: "id"}
	first.Apply(insert(last, "last"), last.Site, nil)
	first.Apply(lost, again.Site, nil)

	second := crdt.Row{Number: "id"}
	second.Apply(insert(old, "old"), old.Site, nil)
	second.Apply(&crdt.Change{Table: "t", Key: "t7", Time: clock.At(20, 0), Delete: true, Prior: crdt.Stamps{Row: old}}, old.Site, nil)
	second.Apply(lost, again.Site, nil)
	second = crdt.Row{Number: "id", Lost: second.Lost}
	second.Apply(insert(last, "last"), last.Site, nil)

	for i, row := range []crdt.Row{first, second} {
		if v, _ := row.Value("a"); v != crdt.Text("last") || row.Life() != last {
			t.Errorf("order %d: the row of %v has %s, want the last one", i, row.Life(), v)
		}
		if len(row.Lost) != 2 || row.Lost[0].Winner != old || !row.Lost[0].Apart {
			t.Errorf("order %d: lost %+v, want both values, to the first row", i, row.Lost)
		}
	}
}
