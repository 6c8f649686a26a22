package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// usageError is a command line that cannot be understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// usagef makes a usage error that names the help to read.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...) + ": see " + cmd.CommandPath() + " --help"}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "baraza",
		Short: "Keep tables in step between databases that can be cut off from each other",
		Long: `Baraza keeps the same tables in step across MySQL and MariaDB databases that
can be cut off from each other for seconds or for months. One baraza process
runs beside each database; the pair is a site. All sites are equal.`,
		Example: `  # look at the database server first
  baraza doctor --dsn 'baraza:secret@tcp(127.0.0.1:3306)/openmrs' --profile openmrs

  # the first site
  baraza init --data /var/lib/baraza --name Kisumu --profile openmrs \
    --dsn 'baraza:secret@tcp(127.0.0.1:3306)/openmrs' --listen 10.0.0.1:7946
  baraza run --data /var/lib/baraza

  # every other site: a token from any member, then
  baraza join --data /var/lib/baraza --name Nairobi --token baraza1.… \
    --dsn 'baraza:secret@tcp(127.0.0.1:3306)/openmrs' --listen 10.0.0.2:7946
  baraza run --data /var/lib/baraza`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	asGroup(root)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(newHelp(root))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef(cmd, "%s", strings.TrimPrefix(err.Error(), "pflag: "))
	})
	root.AddCommand(newInit(), newInvite(), newJoin(), newRun(), newStatus(), newPeers(), newTables(),
		newConflicts(), newVerify(), newExport(), newImport(), newDoctor(), newDemo(), newSim(), newVersion())
	return root
}

// asGroup makes a command one that has subcommands only: alone it shows its
// help, and a word that is no subcommand is a usage error.
func asGroup(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf(" (did you mean %s?)", strings.Join(near, " or "))
		}
		return usagef(cmd, "there is no command %q%s", args[0], hint)
	}
	cmd.SuggestionsMinimumDistance = 2
}

func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [command]",
		Short:   "Show the help of a command",
		Example: "  baraza help init\n  baraza help conflicts show",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef(root, "there is no command %q", strings.Join(args, " "))
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// noArgs refuses words after the command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(cmd, "%q is one word too many", args[0])
	}
	return nil
}

// someArgs wants at least one word; what says what they are.
func someArgs(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "%s is missing", what)
		}
		return nil
	}
}

// oneArg wants exactly one word.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef(cmd, "%q is one word too many", args[1])
		}
		return someArgs(what)(cmd, args)
	}
}
