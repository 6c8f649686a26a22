package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Options are the sizes of a run, and where things are.
type Options struct {
	// Bin is the baraza program.
	Bin string
	// Dir is where servers and sites are made; "" for a temporary directory.
	Dir string
	// Keep leaves Dir as it is at the end.
	Keep bool
	// Only names the sections to run, none for all.
	Only []string
	// BaselineOnly leaves the sites out: what they are compared with is measured.
	BaselineOnly bool
	// Reps is how often each measurement is repeated.
	Reps int

	// WriteRows is the rows of one repetition of the write rate.
	WriteRows int
	// LagSeconds is the length of one repetition of the lag.
	LagSeconds int
	// LagRate is the rows a second that the paced connection writes.
	LagRate int
	// CatchupRows is how many changes are missed in a cut.
	CatchupRows int
	// HotRows is over how many rows the updates of a cut are spread.
	HotRows int
	// WireRows is the changes of one repetition of the bytes on the wire.
	WireRows int
	// MemoryRows is the backlog whose memory is measured.
	MemoryRows int
	// LargeRows is the size of the large table.
	LargeRows int
	// JoinRows is the size of a database that is joined.
	JoinRows int
	// SimSeconds is how much virtual time of 5 sites is simulated, in seconds;
	// of more sites, a part of it.
	SimSeconds int

	// Profile is a directory for CPU profiles of the sites while they capture,
	// catch up and join, "" for none.
	Profile string
	// ProfileSeconds is how long a profile runs.
	ProfileSeconds int

	// Log is told what is being measured; nil for nobody.
	Log io.Writer
	// Command is how the run was started, for the report.
	Command string
}

// Full returns the sizes of a run that is published.
func Full() Options {
	return Options{
		Bin: "bin/baraza", Reps: 3,
		WriteRows: 40_000, LagSeconds: 10, LagRate: 100, CatchupRows: 40_000, HotRows: 1_000,
		WireRows: 10_000, MemoryRows: 1_000_000, LargeRows: 1_000_000, JoinRows: 1_000_000, SimSeconds: 1200, ProfileSeconds: 5,
	}
}

// Quick returns sizes that show in a minute or two that everything works. Its
// figures mean little.
func Quick() Options {
	o := Full()
	o.Reps, o.WriteRows, o.LagSeconds, o.CatchupRows, o.HotRows = 1, 2_000, 2, 2_000, 100
	o.WireRows, o.MemoryRows, o.LargeRows, o.JoinRows, o.SimSeconds = 500, 5_000, 5_000, 5_000, 60
	return o
}

func (o *Options) check() error {
	for _, name := range o.Only {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			return fmt.Errorf("there is no section %q: use %s", name, strings.Join(SectionNames(), ", "))
		}
	}
	for name, n := range map[string]int{
		"-reps": o.Reps, "-write-rows": o.WriteRows, "-lag-seconds": o.LagSeconds, "-lag-rate": o.LagRate,
		"-catchup-rows": o.CatchupRows, "-hot-rows": o.HotRows, "-wire-rows": o.WireRows, "-memory-rows": o.MemoryRows,
		"-large-rows": o.LargeRows, "-join-rows": o.JoinRows, "-sim-seconds": o.SimSeconds, "-profile-seconds": o.ProfileSeconds,
	} {
		if n < 1 {
			return fmt.Errorf("%s %d: give a number of 1 or more", name, n)
		}
	}
	return nil
}

func (o *Options) wants(name string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, name) }

func (o *Options) logf(format string, args ...any) {
	if o.Log != nil {
		fmt.Fprintf(o.Log, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
	}
}
