package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Mix is what applications write. The zero value is the mix of random plans.
type Mix struct {
	// Insert, Update and Delete are how often a statement adds a new row,
	// changes one of Options.Rows rows, or deletes one; rows that are not there
	// are added. All zero: rows are changed, and odd ones deleted at times.
	Insert, Update, Delete int
	// Tables are the tables that are written, parents apart; none for all.
	Tables []string
	// Skew is Zipf's exponent: how much the first rows are preferred. 0 is not.
	Skew float64
	// Statements is the greatest number in a transaction; 0 means 4.
	Statements int
	// LargeOneIn is how often a transaction takes several log entries; 0 is one
	// in 40, less than 0 never.
	LargeOneIn int
	// Rules says which rules the writes bring into play.
	Rules Rules
	// Counters: a third of the statements add to numbers, which may be counters.
	Counters bool
	// Numbers: a fourth of the statements write rows that a number alone names.
	Numbers Numbers
	// Cascades: a third of the statements are about tables that refer to each other in
	// a circle, or whose keys change. It takes more than plain rules.
	Cascades bool
	// Restrict: one of the references of that circle is ON DELETE RESTRICT.
	Restrict bool
}

// Tables are the names of the tables there are.
func Tables() []string { return slices.Clone(tableNames) }

func (m *Mix) statements() int {
	if m.Statements > 0 {
		return m.Statements
	}
	return statementsMax
}

// large draws whether a transaction is a large one.
func (m *Mix) large(rnd *rand.Rand) bool {
	switch {
	case m.LargeOneIn < 0:
		return false
	case m.LargeOneIn > 0:
		return rnd.IntN(m.LargeOneIn) == 0
	}
	return rnd.IntN(paddedOneIn) == 0
}

// What a statement is to do.
type verb int

const (
	anything verb = iota // what random plans do
	insert
	update
	remove
)

// verb draws what a statement is to do.
func (m *Mix) verb(rnd *rand.Rand) verb {
	all := m.Insert + m.Update + m.Delete
	if all == 0 {
		return anything
	}
	switch n := rnd.IntN(all); {
	case n < m.Insert:
		return insert
	case n < m.Insert+m.Update:
		return update
	}
	return remove
}

// newRows is how many numbers there are to draw those of new rows from: so many
// that none is drawn twice.
const newRows = 1 << 36

// pick draws one of n things, counted from 0: the first more often where the
// mix is skewed. It inverts the integral of 1/x^s, which comes close to Zipf's
// sum and needs no table.
func (m *Mix) pick(rnd *rand.Rand, n int) int {
	if m.Skew <= 0 {
		return rnd.IntN(n)
	}
	u, most, s := rnd.Float64(), float64(n+1), m.Skew
	var x float64
	if math.Abs(s-1) < 1e-9 {
		x = math.Pow(most, u)
	} else {
		x = math.Pow(1+u*(math.Pow(most, 1-s)-1), 1/(1-s))
	}
	return min(int(x)-1, n-1)
}

// kinds are the tables by what row draws, as often as each is written.
var kinds = []string{"person", "person", "patient", "obs", "obs", "tag", "setting"}

// ruleKinds are kinds where rows are deleted that others refer to.
var ruleKinds = []string{
	"person", "person", "patient", "obs", "tag", "setting", "remark", "visit", "visit", "visit", "charge", "bill", "badge", "badge", "users",
}

// kind draws the table of a statement.
func (m *Mix) kind(x *transaction) string {
	rnd := x.rnd
	if m.Counters && rnd.IntN(counterOneIn) == 0 {
		return m.counted(x)
	}
	if m.Numbers != NoNumbers && rnd.IntN(numberOneIn) == 0 {
		return numbered
	}
	if m.Cascades && rnd.IntN(cascadeOneIn) == 0 {
		return cascadeKinds[rnd.IntN(len(cascadeKinds))]
	}
	if len(m.Tables) > 0 {
		return m.Tables[rnd.IntN(len(m.Tables))]
	}
	if m.Rules != Plain {
		return ruleKinds[rnd.IntN(len(ruleKinds))]
	}
	return kinds[rnd.IntN(len(kinds))]
}

// Check tells what cannot be.
func (m *Mix) Check() error {
	if m.Cascades && m.Rules == Plain {
		return fmt.Errorf("cascades need `rules: references` or `clashes`")
	}
	if m.Restrict && !m.Cascades {
		return fmt.Errorf("restrict needs `cascades: yes`")
	}
	for _, t := range m.Tables {
		if !slices.Contains(tableNames, t) {
			return fmt.Errorf("there is no table %q: use %v", t, tableNames)
		}
		if slices.Contains(cascadeKinds, t) && !m.Cascades {
			return fmt.Errorf("table %s is there only with `cascades: yes`", t)
		}
		if t == numbered && m.Numbers == NoNumbers {
			return fmt.Errorf("table %s is there only with `numbers: given` or `chosen`", t)
		}
	}
	return nil
}
