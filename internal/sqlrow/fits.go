package sqlrow

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"baraza/crdt"
	"baraza/schema"
)

// A server refuses what is too large for a column. What is too fine it rounds,
// and says nothing: the row would not be the same at all sites.

// unbounded: the column's decimals are not fixed, or not for Fits to judge.
const unbounded = -1

// placesOf is how many decimals a column keeps.
func placesOf(c *schema.Column, k kind) int {
	_, in, _ := strings.Cut(c.Type, "(")
	in, _, _ = strings.Cut(in, ")")
	switch k {
	case kindInt:
		return 0
	case kindDecimal:
		_, in, _ = strings.Cut(in, ",")
	case kindTime:
		if c.Base == "date" {
			return 0
		}
	default:
		return unbounded
	}
	n, _ := strconv.Atoi(in) // none is 0
	return n
}

// Fits returns an error that says why the column would silently store another
// value; nil when it would not.
func (c *Column) Fits(v crdt.Value) error {
	switch v.Tag() {
	case crdt.TagDecimal, crdt.TagTime:
		if c.places == unbounded {
			return nil
		}
		_, frac, _ := strings.Cut(string(v[1:]), ".")
		if n := len(strings.TrimRight(frac, "0")); n > c.places {
			return fmt.Errorf("%s has %d decimals, the column keeps %d", v[1:], n, c.places)
		}
		if c.date && len(v) > 1+len("2006-01-02") && strings.Trim(string(v[1+len("2006-01-02"):]), " 0:.") != "" {
			return fmt.Errorf("%s has a time of day, the column keeps none", v[1:])
		}
	case crdt.TagFloat32, crdt.TagFloat64:
		f, _ := v.AsFloat()
		switch {
		case c.kind == kindInt && f != math.Trunc(f):
			return fmt.Errorf("%s has decimals, the column keeps none", v)
		case c.kind == kindFloat && c.single && float64(float32(f)) != f && !math.IsInf(float64(float32(f)), 0):
			return fmt.Errorf("%s has more digits than the column's FLOAT", v)
		}
	}
	return nil
}
