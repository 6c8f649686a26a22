package crdt_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"baraza/clock"
	"baraza/crdt"
)

var rowSeed = flag.Uint64("rowseed", 0, "run only the row history with this seed")

// rowHistories is how many random histories one run of the test tries.
const rowHistories = 20_000

// rowBatch is one write of one site, as it travels.
type rowBatch struct {
	origin  clock.SiteID
	seq     uint64
	context clock.VersionVector
	change  crdt.Change
}

// rowSite is one site's copy of the row.
type rowSite struct {
	id      clock.SiteID
	clock   *clock.Clock
	row     crdt.Row
	applied clock.VersionVector
	log     []rowBatch // its own writes
}

var rowColumns = []string{"a", "b", "c"}

// TestRowConverges: a row is a function of the set of changes, not of their
// order, for every causal order of delivery: values, stamps and losses (R1, R2,
// R7). And the ledger: every value written is visible, knowingly overwritten, or
// lost with a record.
func TestRowConverges(t *testing.T) {
	first, last := uint64(1), uint64(rowHistories)
	if *rowSeed != 0 {
		first, last = *rowSeed, *rowSeed
	}
	for seed := first; seed <= last; seed++ {
		// Short histories first: a bug then shows in a small case.
		steps := 3 + int(seed)/400
		if trace, err := rowHistory(seed, steps); err != nil {
			t.Fatalf("%v\n%s\nreplay: go test ./crdt -run TestRowConverges -rowseed %d", err, strings.Join(trace, "\n"), seed)
		}
	}
}

func rowHistory(seed uint64, steps int) (trace []string, err error) {
	r := rand.New(rand.NewPCG(seed, 1))
	sites := make([]*rowSite, 2+r.IntN(2))
	for i := range sites {
		sites[i] = &rowSite{id: clock.SiteID{byte(i + 1)}, clock: clock.NewClock(0)}
		if seed%2 == 0 { // a row that was there before replication
			sites[i].row = crdt.Row{Exists: true, Columns: rowColumns, Values: []crdt.Value{"t0", "t0", "t0"}}
		}
	}
	for range steps {
		s := sites[r.IntN(len(sites))]
		if r.IntN(3) == 0 {
			from := sites[r.IntN(len(sites))]
			if n := s.pull(from, 1+r.IntN(3), sites); n > 0 {
				trace = append(trace, fmt.Sprintf("site %d takes %d of site %d", s.id[0], n, from.id[0]))
			}
			continue
		}
		b := s.write(r)
		trace = append(trace, fmt.Sprintf("site %d writes %d: %s", s.id[0], b.seq, showChange(&b.change)))
	}
	for again := true; again; {
		again = false
		for _, s := range sites {
			for _, i := range r.Perm(len(sites)) {
				again = s.pull(sites[i], 1, sites) > 0 || again
			}
		}
	}
	want := showRow(&sites[0].row)
	for _, s := range sites[1:] {
		if got := showRow(&s.row); got != want {
			return trace, fmt.Errorf("site 1 has\n  %s\nsite %d has\n  %s", want, s.id[0], got)
		}
	}
	return trace, ledger(sites)
}

// write is what an application may do to the row as it is.
func (s *rowSite) write(r *rand.Rand) rowBatch {
	ch := crdt.Change{Table: "t", Key: "k", Time: s.clock.Give(int64(1 + r.IntN(20)))}
	switch {
	case s.row.Exists && r.IntN(3) == 0:
		ch.Delete = true
		ch.Prior = crdt.Stamps{Row: s.row.Row, Cells: slices.Clone(s.row.Cells)}
	case s.row.Exists:
		for _, c := range rowColumns {
			if r.IntN(2) == 0 {
				ch.Columns = append(ch.Columns, c)
			}
		}
		if len(ch.Columns) == 0 {
			ch.Columns = rowColumns[:1]
		}
		ch.Whole = len(ch.Columns) == len(rowColumns)
		ch.Prior = crdt.Stamps{Row: s.row.Row}
		for _, c := range s.row.Cells {
			if slices.Contains(ch.Columns, c.Column) {
				ch.Prior.Cells = append(ch.Prior.Cells, c)
			}
		}
	default:
		ch.Columns, ch.Whole = rowColumns, true
		ch.Prior = crdt.Stamps{Deleted: s.row.Deleted}
	}
	for range ch.Columns {
		ch.Values = append(ch.Values, crdt.Text(fmt.Sprintf("%d.%d", s.id[0], len(s.log)+1)))
	}
	b := rowBatch{origin: s.id, seq: uint64(len(s.log) + 1), context: s.applied.Clone(), change: ch}
	s.row.Apply(&b.change, s.id, b.context)
	s.log = append(s.log, b)
	s.applied.Set(clock.Entry{Site: s.id, Seq: b.seq, Through: ch.Time})
	return b
}

// pull applies up to n changes that from has and s lacks, if they are due.
func (s *rowSite) pull(from *rowSite, n int, sites []*rowSite) int {
	done := 0
	for _, e := range from.applied.Clone() {
		if e.Site == s.id {
			continue
		}
		for done < n && s.applied.Seq(e.Site) < e.Seq {
			b := sites[e.Site[0]-1].log[s.applied.Seq(e.Site)]
			if !s.applied.Includes(b.context) {
				break
			}
			s.row.Apply(&b.change, b.origin, b.context)
			s.clock.Observe(b.change.Time)
			s.applied.Set(clock.Entry{Site: b.origin, Seq: b.seq, Through: b.change.Time})
			done++
		}
	}
	return done
}

// ledger checks that every value that a site wrote is accounted for.
func ledger(sites []*rowSite) error {
	row := &sites[0].row
	type cell struct {
		column string
		stamp  clock.Stamp
	}
	known := map[cell]bool{}
	for _, s := range sites {
		for _, b := range s.log {
			columns := b.change.Columns
			if b.change.Delete {
				columns = rowColumns
			}
			if b.change.Prior.Deleted.IsZero() {
				for _, c := range columns {
					known[cell{c, b.change.Prior.Of(c)}] = true
				}
			}
		}
	}
	for _, s := range sites {
		for _, b := range s.log {
			at := clock.Stamp{Time: b.change.Time, Site: s.id}
			for _, c := range b.change.Columns {
				visible := row.Exists && row.Of(c) == at
				lost := slices.ContainsFunc(row.Lost, func(l crdt.Loss) bool { return l.Column == c && l.Stamp == at && !l.Visible })
				// A tombstone keeps its values; those that its delete knew are no loss.
				if !visible && !lost && !known[cell{c, at}] {
					return fmt.Errorf("the value of %s written at %s is gone without a trace\n  %s", c, at, showRow(row))
				}
				if visible && lost {
					return fmt.Errorf("the value of %s written at %s is visible and counts as lost\n  %s", c, at, showRow(row))
				}
			}
		}
	}
	return nil
}

func showChange(ch *crdt.Change) string {
	if ch.Delete {
		return fmt.Sprintf("delete at %d, prior %s", ch.Time, showStamps(&ch.Prior))
	}
	return fmt.Sprintf("%v at %d, prior %s", ch.Columns, ch.Time, showStamps(&ch.Prior))
}

func showStamps(s *crdt.Stamps) string {
	var out strings.Builder
	for _, c := range rowColumns {
		out.WriteString(c + ":" + showStamp(s.Of(c)) + " ")
	}
	return out.String() + "deleted:" + showStamp(s.Deleted)
}

func showStamp(s clock.Stamp) string { return fmt.Sprintf("%d@%d", s.Time, s.Site[0]) }

// showRow writes all that must be equal: what is there, its stamps, its losses.
func showRow(r *crdt.Row) string {
	var out strings.Builder
	fmt.Fprintf(&out, "exists %v %s values", r.Exists, showStamps(&r.Stamps))
	for _, c := range rowColumns {
		v, _ := r.Value(c)
		out.WriteString(" " + v.String())
	}
	for _, l := range r.Lost {
		if l.Visible {
			continue
		}
		fmt.Fprintf(&out, "\n    lost %q %s of %s to %s %v %s", l.Column, l.Value, showStamp(l.Stamp), showStamp(l.Winner), l.WinnerDelete, l.WinnerValue)
	}
	return out.String()
}
