package scenario

import (
	"time"

	"baraza/sim"
)

// Scenario is a scenario file that has been read and found good.
type Scenario struct {
	// File is where it came from, Text what was in it, and Files the other
	// files that it names, with what was in them.
	File  string
	Text  string
	Files map[string]string

	Name, About string
	Seed        uint64
	// Duration is how long things are written and go wrong; then all is
	// repaired, and the sites may take Settle to become equal. No Settle: the
	// run ends there.
	Duration, Settle time.Duration
	// Publish is how often a site says what it has applied, so that logs are
	// shortened; 0 is never.
	Publish time.Duration
	// Administrator: somebody gives sites another line that need one.
	Administrator bool
	// Sample is the time between two measurements.
	Sample time.Duration
	// Among are the sites whose staleness and differing cells are measured;
	// none: all.
	Among []int
	// Checks says how much is checked on the way.
	Checks sim.Checks
	// Trace says whether the events are written down; Spacetime from when to
	// when the report draws each message.
	Trace     bool
	Spacetime [2]time.Duration

	// MaxDrift is the setting of that name of all sites; 0 is its default.
	MaxDrift time.Duration

	Sites    []Site
	Topology Topology
	Exchange sim.Exchange
	// Line is what lines are like, but for those that a rule names. A line
	// follows the last rule that names it.
	Line  sim.Line
	Rules []Rule
	// Couriers carry bundles where there is no line.
	Couriers []sim.Courier

	Rows         int
	Mix          sim.Mix
	Load         []Load
	Transactions []sim.Op
	Faults       []Fault
	// Settings are what administrators set for all sites.
	Settings []sim.Setting
	// Adds are tables that sites leave out at first.
	Adds   []sim.Add
	Expect []Bound
}

// Site is one site.
type Site struct {
	Name  string
	Clock sim.ClockStart
	// Joins is when it joins; 0 is that it was there before.
	Joins time.Duration
}

// Topology says which sites have a line between them.
type Topology struct {
	Kind   string // one of shapes
	Degree int    // of random and tree
}

// Rule is what the lines between some sites and some others are like.
type Rule struct {
	A, B map[int]bool
	Line sim.Line
}

func (r *Rule) names(a, b int) bool { return r.A[a] && r.B[b] || r.A[b] && r.B[a] }

// Load is how often some sites write.
type Load struct {
	Sites       []int
	PerSecond   float64
	Hours       []sim.Window
	From, Until time.Duration
}

// Fault is something that goes wrong, once or again and again.
type Fault struct {
	At, For time.Duration
	// Kinds are what it may be; the scenario's seed draws one.
	Kinds []string
	// Every is the mean time between two, until Until; 0 is once.
	Every, Until time.Duration
	// Sites are those it strikes; none: drawn. A cut strikes the lines between
	// Sites and Others, or between Sites and the rest.
	Sites, Others []int
	By            time.Duration // of a clock bump
	PPM           int64         // of a clock drift
	Seed          uint64        // of what is drawn
	Seeded        bool
}
