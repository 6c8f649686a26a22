package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Numbers are the auto-increment numbers that a server gives out: Offset,
// Offset+Increment, Offset+2*Increment…
type Numbers struct {
	Increment uint64 `yaml:"increment,omitempty" json:"increment,omitempty"`
	Offset    uint64 `yaml:"offset,omitempty" json:"offset,omitempty"`
}

// AutoIncrement is which numbers this site gives out in tables whose rows have no
// other name, and which the other sites do, by their names. Baraza keeps it.
type AutoIncrement struct {
	Numbers `yaml:",inline"`
	Others  map[string]Numbers `yaml:"others,omitempty" json:"others,omitempty"`
}

// Apart reports whether the numbers are some of many, so that other sites can
// have others.
func (x Numbers) Apart() bool { return x.Increment > 1 && x.Offset >= 1 && x.Offset <= x.Increment }

// Clashes reports whether two sites that give out these numbers may give out the
// same one.
func (x Numbers) Clashes(y Numbers) bool {
	if !x.Apart() || !y.Apart() {
		return true
	}
	d := gcd(x.Increment, y.Increment)
	return x.Offset%d == y.Offset%d
}

func gcd(a, b uint64) uint64 {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// Wrong says why the numbers cannot name rows, whoever else there is; "" when
// they can.
func (x Numbers) Wrong() string {
	switch {
	case x.Increment <= 1:
		return "auto_increment_increment is 1, so this server gives out every number"
	case x.Offset > x.Increment:
		return fmt.Sprintf("auto_increment_offset (%d) is more than auto_increment_increment (%d), so the server passes over it", x.Offset, x.Increment)
	}
	return ""
}

// Clash names the first other site, by name, that gives out numbers of x too; ""
// for none.
func (a *AutoIncrement) Clash(x Numbers) (site string) {
	if a == nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(a.Others)) {
		if x.Clashes(a.Others[name]) {
			return name
		}
	}
	return ""
}

// freeMax is how many offsets a message names.
const freeMax = 5

// Free returns the first offsets of an increment that no other site has.
func (a *AutoIncrement) Free(increment uint64) (free []uint64) {
	for o := uint64(1); o <= increment && len(free) < freeMax; o++ {
		if a.Clash(Numbers{increment, o}) == "" {
			free = append(free, o)
		}
	}
	return free
}

// defaultIncrement is what is proposed to a network that has no increment yet.
const defaultIncrement = 10

// Propose returns numbers that no other site gives out, with the increment that
// the network has; an offset of 0 when there are none left.
func (a *AutoIncrement) Propose() Numbers {
	p := Numbers{Increment: defaultIncrement}
	switch {
	case a == nil:
	case a.Increment > 1:
		p.Increment = a.Increment
	case len(a.Others) > 0:
		p.Increment = a.Others[slices.Min(slices.Collect(maps.Keys(a.Others)))].Increment
	}
	if free := a.Free(p.Increment); len(free) > 0 {
		p.Offset = free[0]
	}
	return p
}

// Lines are what makes a server give out these numbers: now, and when it starts.
func (x Numbers) Lines() (now, file string) {
	return fmt.Sprintf("SET GLOBAL auto_increment_increment = %d, GLOBAL auto_increment_offset = %d;", x.Increment, x.Offset),
		fmt.Sprintf("auto_increment_increment = %d, auto_increment_offset = %d", x.Increment, x.Offset)
}

// Misfit says in one line why a site that gives out these numbers cannot be
// beside the others in tables whose rows have no other name, and the ways out; ""
// when it can.
func (a *AutoIncrement) Misfit(x Numbers, tables []string) string {
	of := "table " + tables[0]
	if len(tables) > 1 {
		of = fmt.Sprintf("tables %s (%d in all)", tables[0], len(tables))
	}
	begin := "the rows of " + of + " are named by auto-increment numbers alone, and "
	end := ", name a unique key as identity, or leave out with --exclude " + strings.Join(tables, ",")
	p := a.Propose()
	if p.Offset == 0 {
		return fmt.Sprintf("%sall %d offsets of the network's auto_increment_increment are taken: set a multiple of %d at every site, offsets as they are%s", begin, p.Increment, p.Increment, end)
	}
	now, _ := p.Lines()
	end = ": " + strings.TrimSuffix(now, ";") + " and the same in my.cnf" + end
	if why := x.Wrong(); why != "" {
		return begin + why + end
	}
	if a != nil && len(a.Others) > 0 && x.Increment != p.Increment {
		return fmt.Sprintf("%sauto_increment_increment is %d here and %d in the network%s", begin, x.Increment, p.Increment, end)
	}
	if site := a.Clash(x); site != "" {
		return fmt.Sprintf("%soffset %d is that of %s%s", begin, x.Offset, site, end)
	}
	return ""
}

// Members returns the numbers of all sites, this one's too.
func (c *Config) Members() map[string]Numbers {
	a := c.AutoIncrement
	if a == nil {
		return nil
	}
	all := maps.Clone(a.Others)
	if a.Apart() {
		if all == nil {
			all = map[string]Numbers{}
		}
		all[c.Name] = a.Numbers
	}
	return all
}

// Alarm says in one line what is wrong with the numbers that the site's server
// gives out now; "" for nothing.
func (a *AutoIncrement) Alarm(now Numbers, tables []string) string {
	why := now.Wrong()
	if why == "" {
		site := a.Clash(now)
		if site == "" {
			return ""
		}
		why = fmt.Sprintf("auto_increment_offset %d of %d is that of %s", now.Offset, now.Increment, site)
	}
	back := a.Numbers
	if !back.Apart() || a.Clash(back) != "" {
		back = a.Propose()
	}
	line, _ := back.Lines()
	return fmt.Sprintf("new rows of %s can get numbers that other sites give out, and only one of two such rows stays in its table: %s: %s and the same in my.cnf",
		strings.Join(tables, ", "), why, strings.TrimSuffix(line, ";"))
}

func (c *Config) checkNumbers() error {
	if a := c.AutoIncrement; a != nil && a.Increment > 0 && !a.Apart() {
		return fmt.Errorf("auto_increment: offset %d and increment %d are not possible: baraza writes the setting itself, take it out", a.Offset, a.Increment)
	}
	return nil
}
