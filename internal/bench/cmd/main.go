package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"baraza/internal/bench"
)

func main() { os.Exit(begin(os.Args[1:])) }

func begin(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return code
}

// run returns the exit code: 0 measured, 2 something could not be measured. A
// bar that is missed is a result, not a failure.
func run(ctx context.Context, args []string) (int, error) {
	o := bench.Full()
	if slices.Contains(args, "-quick") || slices.Contains(args, "--quick") {
		o = bench.Quick()
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Bool("quick", false, "tiny sizes: does everything work? The figures mean little; other flags still count")
	only := flags.String("only", "", "the sections to run, of "+strings.Join(bench.SectionNames(), ",")+"; none for all")
	out := flags.String("out", "", "file for the report; none for the standard output")
	notes := flags.String("notes", "docs/benchmarks-notes.md", "file that is appended to the report as it is, if it exists")
	flags.StringVar(&o.Bin, "bin", o.Bin, "the baraza program")
	flags.StringVar(&o.Dir, "dir", "", "where servers and sites are made; none for the system's temporary directory")
	flags.BoolVar(&o.Keep, "keep", false, "leave the servers' and sites' files")
	flags.BoolVar(&o.BaselineOnly, "baseline", false, "measure only what baraza is compared with")
	flags.StringVar(&o.Profile, "profile", "", "directory for CPU profiles of the sites in write, catchup and join")
	for _, n := range []struct {
		name, help string
		value      *int
	}{
		{"reps", "repetitions", &o.Reps},
		{"write-rows", "rows of one repetition of the write rate", &o.WriteRows},
		{"lag-seconds", "length of one repetition of the lag", &o.LagSeconds},
		{"lag-rate", "rows a second of the paced writer", &o.LagRate},
		{"catchup-rows", "changes missed in a cut", &o.CatchupRows},
		{"hot-rows", "over how many rows the updates of a cut are spread", &o.HotRows},
		{"wire-rows", "changes of one repetition of the bytes on the wire", &o.WireRows},
		{"memory-rows", "the backlog whose memory is measured", &o.MemoryRows},
		{"large-rows", "rows of the large table", &o.LargeRows},
		{"join-rows", "rows of a database that is joined", &o.JoinRows},
		{"sim-seconds", "virtual time of 5 simulated sites", &o.SimSeconds},
		{"profile-seconds", "length of a profile", &o.ProfileSeconds},
	} {
		flags.IntVar(n.value, n.name, *n.value, n.help)
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, nil
		}
		return 2, err
	}
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	o.Log, o.Command = os.Stderr, strings.TrimSpace("go run ./internal/bench/cmd "+strings.Join(args, " "))
	report, err := bench.Run(ctx, o)
	if err != nil {
		return 2, err
	}
	return finish(report, *out, *notes)
}

func finish(report *bench.Report, out, notes string) (int, error) {
	appended, err := os.ReadFile(notes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 2, err
	}
	text := report.Markdown(string(appended))
	if out == "" {
		fmt.Print(text)
	} else if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
		return 2, err
	}
	fmt.Fprintf(os.Stderr, "%d bars missed\n", report.Missed())
	if n := report.Failed(); n > 0 {
		return 2, fmt.Errorf("%d sections could not be measured to the end: the report says why", n)
	}
	return 0, nil
}
