package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"baraza/node"
)

func newRun() *cobra.Command {
	var dir string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the site, in the foreground",
		Long: `Run the site that baraza init or baraza join set up. It stays in the
foreground and logs to stderr. SIGTERM or Ctrl-C stops it cleanly; a second one
ends it at once, which loses nothing either.`,
		Example: `  baraza run --data /var/lib/baraza
  BARAZA_DATA=/var/lib/baraza baraza run 2>> /var/log/baraza.log`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkData(cmd, &dir); err != nil {
				return err
			}
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			if at := os.Getenv(envPprof); at != "" {
				if err := serveProfiles(at, log); err != nil {
					return err
				}
			}
			n, err := node.Open(dir, node.Options{Log: log})
			if err != nil {
				return err
			}
			defer n.Close()
			return n.Run(cmd.Context())
		},
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log more")
	return cmd
}
