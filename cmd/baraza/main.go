package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"baraza/node"
	"baraza/node/admin"
)

// The exit codes.
const (
	exitDone   = 0
	exitNo     = 1
	exitCannot = 2
)

// version is set when the program is linked.
var version = "unknown"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs a command line and returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal the next one ends the process at once.
	context.AfterFunc(ctx, stop)
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	return report(stderr, cmd.CommandPath(), err)
}

// errSaid is the error of a command that has printed its answer, which is no.
var errSaid = errors.New("no")

// report prints an error and returns the exit code.
func report(w io.Writer, path string, err error) int {
	if errors.Is(err, errSaid) {
		return exitNo
	}
	var refused *node.RefusedError
	if errors.As(err, &refused) {
		for _, p := range refused.Problems {
			fmt.Fprintln(w, p)
		}
		fmt.Fprintf(w, "%s: tables cannot be replicated as they are (%d, listed above): do what is said there, or leave them out with --exclude\n", path, len(refused.Problems))
		return exitNo
	}
	fmt.Fprintf(w, "%s: %s\n", path, strings.Join(strings.Fields(err.Error()), " "))
	var usage *usageError
	if !errors.As(err, &usage) && admin.KindOf(err) == admin.No {
		return exitNo
	}
	return exitCannot
}
