package main

import (
	"github.com/spf13/cobra"

	"baraza/internal/demo"
)

func newDemo() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show three sites on this machine, cut off and brought together",
		Long: `Show three clinics, each with a private MariaDB server on this machine, that
write while they are cut off from each other and agree when the line is back.
It needs mariadbd installed, touches no server that is there already, and
leaves nothing behind.`,
		Example: `  baraza demo

  # leave everything running at the end, to look around; Ctrl-C ends it
  baraza demo --keep`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave everything running at the end until Ctrl-C")
	cmd.Flags().StringVar(&o.Dir, "dir", "", "keep servers and sites in `DIR`; default a new one that is removed at the end")
	return cmd
}
