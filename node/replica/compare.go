package replica

import (
	"context"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Two sites compare a table by their views of it: first by the digests of its
// buckets, then row by row in those that differ. A difference is one that no
// change explains which is still on its way: the stamps say which write each
// site shows, and the vectors whether the other has merged it.

// Shape returns the columns of a table that travel, and about how many rows it
// has; no columns where this site does not replicate it.
func (v *View) Shape(ctx context.Context, table string) (columns []string, rows int64, err error) {
	t := v.table(table)
	if t == nil {
		return nil, 0, nil
	}
	rows, err = v.scan.Count(ctx, t)
	return t.Shipped(), rows, err
}

// Sum sums up the rows of a table by some columns, for a table of about so many
// rows at either site. It returns how many rows there are here. alive is called
// now and then; its error stops the work.
func (v *View) Sum(ctx context.Context, table string, columns []string, about int64, alive func(rows int64) error) (Digests, int64, error) {
	d := newDigesterFor(about)
	rows, err := v.sum(ctx, d, table, columns, alive)
	return d.sums.atMost(max(about, rows)), rows, err
}

// SumLike sums up in as many buckets as the other site did.
func (v *View) SumLike(ctx context.Context, table string, columns []string, theirs Digests, alive func(rows int64) error) (Different, error) {
	if !theirs.valid() || len(theirs) == 0 {
		return Different{}, fmt.Errorf("table %s: %d digests are not a power of two up to %d", table, len(theirs), 1<<digestBitsMax)
	}
	d := newDigester(len(theirs))
	if _, err := v.sum(ctx, d, table, columns, alive); err != nil {
		return Different{}, err
	}
	return difference(d.sums, theirs), nil
}

// atMost is folded, but never to nothing.
func (d Digests) atMost(rows int64) Digests { return d.folded(max(rows, 1)) }

func (v *View) sum(ctx context.Context, d *digester, table string, columns []string, alive func(rows int64) error) (rows int64, err error) {
	err = v.logical(ctx, v.table(table), func(key crdt.Key, r *crdt.Row) error {
		some, values := only(r, columns)
		d.add(key, some, values)
		if rows++; rows%chunkRows == 0 {
			return alive(rows)
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("sum up table %s: %w", table, err)
	}
	return rows, err
}

// only returns the values of some columns; of one that the row lacks, NULL.
func only(r *crdt.Row, columns []string) ([]string, []crdt.Value) {
	if slices.Equal(r.Columns, columns) {
		return columns, r.Values
	}
	values := make([]crdt.Value, len(columns))
	for i, c := range columns {
		values[i], _ = r.Value(c)
	}
	return columns, values
}

// logical calls each for the live rows of a table as the rules see them, also
// for those that are kept out of it.
func (v *View) logical(ctx context.Context, t *schema.Table, each func(crdt.Key, *crdt.Row) error) error {
	if t == nil {
		return nil
	}
	absent, err := v.notPlaced(t.Name)
	if err != nil {
		return err
	}
	err = v.rows(ctx, t, func(key crdt.Key, r *crdt.Row, _ *merge.State) error {
		delete(absent, key)
		return each(key, r)
	})
	if err != nil || len(absent) == 0 {
		return err
	}
	return v.eachState(t.Name, func(key crdt.Key, s *merge.State) error {
		if !absent[key] {
			return nil
		}
		return each(key, merge.Logical(nil, s, nil))
	})
}

// Pick calls each for the rows and the tombstones in the buckets that differ,
// with the values of some columns.
func (v *View) Pick(ctx context.Context, table string, columns []string, d Different, each func(*Item) error, alive func(rows int64) error) error {
	t := v.table(table)
	rows := int64(0)
	err := v.logical(ctx, t, func(key crdt.Key, r *crdt.Row) error {
		if rows++; rows%chunkRows == 0 {
			if err := alive(rows); err != nil {
				return err
			}
		}
		if !d.has(key) {
			return nil
		}
		it := newItem(key, r)
		it.Columns, it.Values = only(r, columns)
		it.Lost = nil
		return each(&it)
	})
	if err != nil {
		return fmt.Errorf("read table %s: %w", table, err)
	}
	return v.eachState(table, func(key crdt.Key, s *merge.State) error {
		if !s.Dead() || !d.has(key) {
			return nil
		}
		return each(&Item{Key: key, Stamps: s.Stamps})
	})
}

// Strays calls each for the rows of which this site's own table and its store
// tell different things: rows that are gone though nobody deleted them, and rows
// that are there though they were deleted.
func (v *View) Strays(ctx context.Context, table string, each func(key crdt.Key, gone bool) error) error {
	t := v.table(table)
	if any, err := v.anyState(table); t == nil || err != nil || !any {
		return err
	}
	var there []uint64 // hashes of keys: 8 bytes a row, and no false alarm
	var dead []crdt.Key
	err := v.scan.Rows(ctx, t, func(part []merge.Row) error {
		states, err := v.states(table, part)
		if err != nil {
			return err
		}
		for i := range part {
			there = append(there, xxhash.Sum64String(string(part[i].Key)))
			if s := states[i]; s != nil && s.Dead() && !s.Stays() {
				dead = append(dead, part[i].Key)
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("read table %s: %w", table, err)
	}
	for _, key := range dead {
		if err := each(key, false); err != nil {
			return err
		}
	}
	slices.Sort(there)
	return v.eachState(table, func(key crdt.Key, s *merge.State) error {
		if s.Dead() || s.Place != merge.InDatabase {
			return nil
		}
		if _, ok := slices.BinarySearch(there, xxhash.Sum64String(string(key))); ok {
			return nil
		}
		return each(key, true)
	})
}

// Some is the part of the buckets that a comparison looks at row by row: those
// that differ from bucket first on, but not many more than limit rows of about
// rows in all. next is where the following part begins, 0 for no more.
func (d *Different) Some(first int, rows, limit int64) (some Different, next int) {
	some = Different{Buckets: d.Buckets, Bits: make([]byte, len(d.Bits))}
	each := rows/int64(d.Buckets) + 1
	sum := int64(0)
	for i := first; i < d.Buckets; i++ {
		if d.Bits[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		if sum > 0 && sum+each > limit {
			return some, i
		}
		some.Bits[i/8] |= 1 << (i % 8)
		sum += each
	}
	return some, 0
}

// Of returns the buckets of some keys among as many as d has.
func (d *Different) Of(keys []crdt.Key) Different {
	some := Different{Buckets: d.Buckets, Bits: make([]byte, len(d.Bits))}
	for _, k := range keys {
		i := bucket(k, d.Buckets)
		some.Bits[i/8] |= 1 << (i % 8)
	}
	return some
}

// Verdict is what a comparison of one row comes to.
type Verdict uint8

// The verdicts.
const (
	Equal Verdict = iota
	// UnderWay: they differ, and a change that one of the sites has not merged
	// yet explains it.
	UnderWay
	// Differs: they differ, and nothing explains it.
	Differs
)

// CompareRow compares a row at two sites; an item is nil where the site knows
// nothing of the row. columns are those that differ where both have the row.
func CompareRow(mine, theirs *Item, myVector, theirVector clock.VersionVector) (v Verdict, columns []string) {
	here, there := mine != nil && !mine.Dead(), theirs != nil && !theirs.Dead()
	switch {
	case !here && !there:
		return Equal, nil
	case here && !there:
		return explain(mine.Greatest(), deleted(theirs), myVector, theirVector), nil
	case there && !here:
		return explain(theirs.Greatest(), deleted(mine), theirVector, myVector), nil
	}
	for i, c := range mine.Columns {
		other := crdt.Null
		if j := slices.Index(theirs.Columns, c); j >= 0 {
			other = theirs.Values[j]
		}
		if crdt.Same(mine.Values[i], other) {
			continue
		}
		switch explain(mine.Of(c), theirs.Of(c), myVector, theirVector) {
		case UnderWay:
			v = max(v, UnderWay)
		default:
			v, columns = Differs, append(columns, c)
		}
	}
	return v, columns
}

func deleted(it *Item) clock.Stamp {
	if it == nil {
		return clock.Stamp{}
	}
	return it.Deleted
}

// explain tells whether the later of two stamps, one of each site, is of a
// write that the other site has not merged.
func explain(mine, theirs clock.Stamp, myVector, theirVector clock.VersionVector) Verdict {
	switch c := mine.Compare(theirs); {
	case c > 0 && !theirVector.Covers(mine), c < 0 && !myVector.Covers(theirs):
		return UnderWay
	}
	return Differs
}

// Sender collects rows to chunks.
type Sender struct{ s sender }

// NewSender returns a sender for the rows of a table.
func NewSender(table string, send func(c *Chunk, rows int64) error) *Sender {
	return &Sender{sender{table: table, send: send, most: chunkRows}}
}

// Add adds a row, and sends a chunk when it is full.
func (s *Sender) Add(it Item) error { return s.s.add(it) }

// Flush sends what is left.
func (s *Sender) Flush() error { return s.s.flush() }

// Check refuses a set of buckets that no comparison gives.
func (d *Different) Check() error {
	if !d.valid() {
		return errChunk
	}
	return nil
}
