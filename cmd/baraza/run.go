package main

import (
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"baraza/node"
)

// runMemory is how much memory a site takes before it collects garbage more
// often, in bytes. What it holds at a time is bounded and less. In a program that
// was built with C the store's cache comes on top. GOMEMLIMIT sets another.
const runMemory = 160 << 20

func newRun() *cobra.Command {
	var dir, listen string
	var advertise []string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the site, in the foreground",
		Long: `Run the site that baraza init or baraza join set up. It stays in the
foreground and logs to stderr. SIGTERM or Ctrl-C stops it cleanly; a second one
ends it at once, which loses nothing either.

A site may move: change its address in baraza.yaml, or here for this run, and
the others learn it as soon as it reaches one of them.`,
		Example: `  baraza run --data /var/lib/baraza
  baraza run --data /var/lib/baraza --listen 10.0.0.9:7946
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
			if os.Getenv("GOMEMLIMIT") == "" {
				debug.SetMemoryLimit(runMemory)
			}
			n, err := node.Open(dir, node.Options{Log: log, Listen: listen, Advertise: advertise})
			if err != nil {
				return err
			}
			defer n.Close()
			return n.Run(cmd.Context())
		},
	}
	dataFlag(cmd, &dir)
	cmd.Flags().StringVar(&listen, "listen", "", "listen for other sites on `HOST:PORT`, not where baraza.yaml says")
	cmd.Flags().StringSliceVar(&advertise, "advertise", nil, "`HOST:PORT` that other sites dial, where it differs from --listen")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log more")
	return cmd
}
