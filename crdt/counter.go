package crdt

import (
	"encoding/binary"
	"math/big"
	"slices"
	"strings"

	"baraza/clock"
)

// A counter (R6) is a column per site: beside the register of the column itself,
// its base, the row has for each site that ever added to it a column with all
// that the site has added, a part. Only that site writes it, each time with a
// greater stamp, so that by R1 every site keeps the latest of each; and what is
// shown is the base and all parts together. So an increment counts exactly once,
// however often, late or by whatever way it comes, and deletes, tombstones and
// bring-ups treat parts like any other column. docs/decisions/0009.

// partMark begins the names of such columns; no column of a database has it.
const partMark = "\x00"

// Reset is the column in which whoever inserts a row anew says which delete it
// had seen: a part that is older does not count any more.
const Reset = partMark + "reset"

// ResetAt is the value of Reset.
func ResetAt(deleted clock.Stamp) Value {
	b := binary.BigEndian.AppendUint64(nil, uint64(deleted.Time))
	return Bytes(string(append(b, deleted.Site[:]...)))
}

// resetOf reads the value of Reset.
func resetOf(v Value) (at clock.Stamp) {
	p := v.Payload()
	if len(p) != 8+len(at.Site) {
		return clock.Stamp{}
	}
	at.Time = clock.Timestamp(binary.BigEndian.Uint64([]byte(p[:8])))
	copy(at.Site[:], p[8:])
	return at
}

// partSite is the length of the site's part of a name.
var partSite = len(clock.SiteID{}.String())

// Part names the column that holds what a site has added to a counter.
func Part(column string, site clock.SiteID) string { return partMark + site.String() + column }

// Shown names the column with which a state remembers what the table shows in a
// counter where that is not its value. It never leaves its site.
func Shown(column string) string { return partMark + partMark + column }

// IsPart reports whether a column is a part of a counter, or Reset.
func IsPart(name string) bool { return name != "" && name[0] == partMark[0] && !IsShown(name) }

// IsShown reports whether a column is of those that Shown names.
func IsShown(name string) bool { return strings.HasPrefix(name, partMark+partMark) }

// PartOf returns the counter that a part belongs to, and whose part it is; false
// when the column is no part.
func PartOf(name string) (column string, site clock.SiteID, ok bool) {
	if !IsPart(name) || len(name) <= len(partMark)+partSite {
		return "", site, false
	}
	site, err := clock.ParseSiteID(name[len(partMark) : len(partMark)+partSite])
	return name[len(partMark)+partSite:], site, err == nil
}

// Counted returns the sum of a counter's parts; any reports whether there is
// one.
func (r *Row) Counted(column string) (sum Value, any bool) {
	sum = Int(0)
	for _, name := range r.Columns {
		if c, site, ok := PartOf(name); ok && c == column {
			sum, any = Add(sum, r.Added(column, site)), true
		}
	}
	return sum, any
}

// Added is what a site has added to a counter, and still counts.
func (r *Row) Added(column string, site clock.SiteID) Value {
	part := Part(column, site)
	if v, ok := r.Value(part); ok {
		return v
	}
	return Int(0)
}

// dropVoid takes away the parts that are older than the delete that Reset names.
func (r *Row) dropVoid() {
	reset, is := r.Value(Reset)
	if !is {
		return
	}
	at := resetOf(reset)
	r.dropParts(func(part string) bool { return r.Of(part).Less(at) })
}

// beginAnew is what an insert of one who knew nothing of the row takes away of
// counters.
func (r *Row) beginAnew(ch *Change, at clock.Stamp, seen clock.VersionVector) {
	if ch.Begins() {
		r.EndParts(seen)
		r.EndSeen(ch, at, seen)
	}
}

// EndParts takes away the parts that are older than a delete which one who
// inserts the row anew had seen, or knew to be settled, and of which it knows
// nothing any more: such a change names no delete. The row is here, as another who
// had not seen the delete brought it back.
func (r *Row) EndParts(seen clock.VersionVector) {
	if d := r.Deleted; !d.IsZero() && seen.Covers(d) {
		r.dropParts(func(part string) bool { return r.Of(part).Less(d) })
	}
}

// EndSeen takes away the parts that one had seen who inserts a row and knows nothing of
// it all the same: it was deleted since, whatever other deletes it has met here.
func (r *Row) EndSeen(ch *Change, at clock.Stamp, seen clock.VersionVector) {
	if slices.ContainsFunc(r.Columns, IsPart) {
		r.dropParts(func(part string) bool { return ch.EndsPart(at, r.Of(part), seen) })
	}
}

// EndsPart reports whether a change that begins a row ends a part of a counter: its
// writer, or who gave him his rows, had seen it, and had no such row any more. What a
// site publishes that adds the table says nothing of that.
func (ch *Change) EndsPart(at, part clock.Stamp, seen clock.VersionVector) bool {
	return !Published(ch.Time) && part.Less(at) && Saw(seen, part)
}

func (r *Row) dropParts(which func(part string) bool) {
	var columns []string
	var values []Value
	dropped := map[string]bool{}
	for i, name := range r.Columns {
		if name != Reset && IsPart(name) && which(name) {
			dropped[name] = true
			continue
		}
		columns, values = append(columns, name), append(values, r.Values[i])
	}
	if len(dropped) == 0 {
		return
	}
	r.Columns, r.Values = columns, values
	r.Cells = slices.DeleteFunc(slices.Clone(r.Cells), func(c CellStamp) bool { return dropped[c.Column] })
	r.KnownCells = slices.DeleteFunc(slices.Clone(r.KnownCells), func(c string) bool { return dropped[c] })
}

// gone reports whether a column is a part that the row does not have any more.
func (r *Row) gone(column string) bool { return IsPart(column) && !slices.Contains(r.Columns, column) }

// Begins reports whether a change inserts a row of which its writer knew nothing,
// or is a piece of such an insert: with a part of a counter it has the base.
func (ch *Change) Begins() bool {
	return ch.OverNothing() && (ch.Whole || slices.ContainsFunc(ch.Columns, func(name string) bool {
		column, _, ok := PartOf(name)
		return ok && slices.Contains(ch.Columns, column)
	}))
}

// OverNothing reports whether a change is a write that names nothing which it overwrites.
func (ch *Change) OverNothing() bool {
	p := &ch.Prior
	return !ch.Delete && p.Deleted.IsZero() && p.Row.IsZero() && len(p.Cells) == 0
}

// Shows is what a column shows: the base and all parts of a counter together.
func (r *Row) Shows(column string) (Value, bool) {
	v, ok := r.Value(column)
	sum, counted := r.Counted(column)
	if !counted {
		return v, ok
	}
	return Add(v, sum), true
}

// IsNumber reports whether a value can be counted with: an integer or a decimal.
func (v Value) IsNumber() bool {
	_, ok := numberOf(v)
	return ok && v != Null
}

// number is n / 10^scale.
type number struct {
	n     *big.Int
	scale int
}

// numberOf reads a number. NULL and what is none count as 0.
func numberOf(v Value) (number, bool) {
	zero := number{new(big.Int), 0}
	switch v.Tag() {
	case 0:
		return zero, true
	case TagInt:
		n, ok := v.AsInt()
		return number{big.NewInt(n), 0}, ok
	case TagUint:
		n, ok := v.AsUint()
		return number{new(big.Int).SetUint64(n), 0}, ok
	case TagDecimal:
		whole, fraction, _ := strings.Cut(v.Payload(), ".")
		n, ok := new(big.Int).SetString(whole+fraction, 10)
		if !ok {
			return zero, false
		}
		return number{n, len(fraction)}, true
	}
	return zero, false
}

// Add adds two numbers. It is a decimal with the digits of both if one of them
// is, else an integer, if that has room for it.
func Add(a, b Value) Value { return combine(a, b, (*big.Int).Add) }

// Sub is Add with the second number taken away.
func Sub(a, b Value) Value { return combine(a, b, (*big.Int).Sub) }

func combine(a, b Value, with func(z, x, y *big.Int) *big.Int) Value {
	x, _ := numberOf(a)
	y, _ := numberOf(b)
	scale := max(x.scale, y.scale)
	z := with(new(big.Int), x.at(scale), y.at(scale))
	switch integers := a.Tag() != TagDecimal && b.Tag() != TagDecimal; {
	case integers && z.IsInt64():
		return Int(z.Int64())
	case integers && z.IsUint64():
		return Uint(z.Uint64())
	}
	return Tagged(TagDecimal, decimal(z, scale))
}

// at returns the number in units of 10^-scale.
func (x number) at(scale int) *big.Int {
	if x.scale == scale {
		return x.n
	}
	tens := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale-x.scale)), nil)
	return tens.Mul(tens, x.n)
}

// decimal prints z / 10^scale as databases do.
func decimal(z *big.Int, scale int) string {
	digits := new(big.Int).Abs(z).String()
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	if scale > 0 {
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if z.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}
