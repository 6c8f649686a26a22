package replica

import (
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"

	"baraza/crdt"
)

// A table is compared by ranges: rows are put into buckets by the hash of
// their key, and a bucket's digest is the sum of the hashes of its rows. Two
// sites that have the same rows in a bucket have the same digest, in whatever
// order they read them.

const (
	// bucketRows is about how many rows a bucket has: the rows that are sent
	// for one that differs, against 8 bytes for one that does not.
	bucketRows = 64
	// digestBitsMax bounds the buckets of a table to about a million.
	digestBitsMax = 20
	// digestBitsMin is what a table begins with, since the count that a
	// database gives may be far too low.
	digestBitsMin = 14
)

// Digests are the digests of one table's buckets; their number is a power of
// two. A table without rows has none.
type Digests []uint64

func (d Digests) valid() bool { return len(d) <= 1<<digestBitsMax && len(d)&(len(d)-1) == 0 }

// bucket returns the bucket of a key among n.
func bucket(k crdt.Key, n int) int {
	if n <= 1 {
		return 0
	}
	return int(xxhash.Sum64String(string(k)) >> (64 - bits.TrailingZeros(uint(n))))
}

// digester sums up rows.
type digester struct {
	sums   Digests
	buffer []byte
	// order is the columns of the last shape in order of their names.
	columns []string
	order   []int
}

func newDigester(buckets int) *digester { return &digester{sums: make(Digests, buckets)} }

func (d *digester) add(key crdt.Key, columns []string, values []crdt.Value) {
	d.sums[bucket(key, len(d.sums))] += d.rowHash(key, columns, values)
}

// rowHash hashes the key and the values that are not NULL by the names of
// their columns, so that sites with other columns, or the same in another
// order, agree as far as there is something to disagree about.
func (d *digester) rowHash(key crdt.Key, columns []string, values []crdt.Value) uint64 {
	d.sort(columns)
	b := appendString(d.buffer[:0], string(key))
	for _, i := range d.order {
		if values[i] != crdt.Null && columns[i] != crdt.Reset {
			b = appendString(appendString(b, columns[i]), string(values[i].Canonical()))
		}
	}
	d.buffer = b
	return xxhash.Sum64(b)
}

func (d *digester) sort(columns []string) {
	if len(columns) == len(d.columns) && (len(columns) == 0 || &columns[0] == &d.columns[0]) {
		return
	}
	d.columns = columns
	d.order = d.order[:0]
	for i := range columns {
		d.order = append(d.order, i)
	}
	slices.SortFunc(d.order, func(a, b int) int {
		if columns[a] < columns[b] {
			return -1
		}
		return 1
	})
}

// newDigesterFor returns a digester for a table of about so many rows, with
// buckets to spare: folded takes those away that were too many.
func newDigesterFor(rows int64) *digester {
	buckets := 1 << digestBitsMin
	for buckets < 1<<digestBitsMax && int64(buckets)*bucketRows < 4*rows {
		buckets *= 2
	}
	return newDigester(buckets)
}

// folded adds neighbours up until there are about as many buckets as rows ask
// for; none for no rows.
func (d Digests) folded(rows int64) Digests {
	if rows == 0 {
		return nil
	}
	n := len(d)
	for n > 1 && int64(n)*bucketRows >= 2*rows {
		n /= 2
	}
	if n == len(d) {
		return d
	}
	folded, each := make(Digests, n), len(d)/n
	for i, sum := range d {
		folded[i/each] += sum
	}
	return folded
}

// Different is the set of buckets that differ, a bit for each.
type Different struct {
	Buckets int
	Bits    []byte
}

// difference compares two sites' digests of a table. Where one has no rows
// there is one bucket, and it differs.
func difference(mine, theirs Digests) Different {
	if len(mine) == 0 || len(mine) != len(theirs) {
		return Different{Buckets: 1, Bits: []byte{1}}
	}
	d := Different{Buckets: len(mine), Bits: make([]byte, (len(mine)+7)/8)}
	for i := range mine {
		if mine[i] != theirs[i] {
			d.Bits[i/8] |= 1 << (i % 8)
		}
	}
	return d
}

func (d *Different) valid() bool {
	return d.Buckets >= 1 && d.Buckets <= 1<<digestBitsMax && d.Buckets&(d.Buckets-1) == 0 && len(d.Bits) == (d.Buckets+7)/8
}

// has reports whether the key's bucket differs.
func (d *Different) has(k crdt.Key) bool {
	i := bucket(k, d.Buckets)
	return d.Bits[i/8]&(1<<(i%8)) != 0
}

// Any reports whether any bucket differs.
func (d *Different) Any() bool {
	return slices.ContainsFunc(d.Bits, func(b byte) bool { return b != 0 })
}
