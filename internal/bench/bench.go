package bench

import (
	"context"
	"fmt"
	"os"

	"baraza/internal/mariadb"
)

// section is one group of measurements, in a lab of its own.
type section struct {
	name string
	run  func(ctx context.Context, l *lab, r *result) error
}

// sections in the order of the report.
var sections = []section{
	{"write", measureWrite},
	{"lag", measureLag},
	{"catchup", measureCatchup},
	{"wire", measureWire},
	{"memory", measureMemory},
	{"large", measureMetadata},
	{"join", measureJoin},
	{"simulator", measureSimulator},
}

// SectionNames are the values of Options.Only.
func SectionNames() []string {
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	return names
}

// Run measures. A section that fails is reported with what it found until then
// and does not stop the others; an error means that nothing could be measured.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := mariadb.Installed(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(o.Bin); err != nil && !o.BaselineOnly {
		return nil, fmt.Errorf("no program to measure: %w: run make build first, or give -bin", err)
	}
	report := &Report{host: describeHost(&o), options: o}
	for _, s := range sections {
		if !o.wants(s.name) {
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r := &result{title: s.name}
		report.results = append(report.results, r)
		if r.err = runSection(ctx, &o, s, r); r.err != nil {
			o.logf("%s: %v", s.name, r.err)
		}
	}
	return report, nil
}

func runSection(ctx context.Context, o *Options, s section, r *result) (err error) {
	l, err := newLab(o, s.name)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := l.close(); err == nil {
			err = closeErr
		}
	}()
	return s.run(ctx, l, r)
}

// interleave runs every variant in every repetition, beginning with another
// one each time.
func interleave(reps, variants int, run func(rep, variant int) error) error {
	for rep := range reps {
		for i := range variants {
			if err := run(rep, (rep+i)%variants); err != nil {
				return err
			}
		}
	}
	return nil
}
