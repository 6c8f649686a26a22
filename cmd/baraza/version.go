package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"baraza/node"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  baraza version",
		Args:    noArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "baraza %s (%s, %s, %s/%s)\n", node.Version, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
