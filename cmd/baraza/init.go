package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"baraza/node"
	"baraza/node/trust"
)

func newInit() *cobra.Command {
	var f siteFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make this database the first site of a new network",
		Long: `Make this database the first site of a new network. It makes the data
directory with the site's key and settings, and in the database the schema
baraza and triggers on the replicated tables. No row of the application's is
changed. Every further site uses baraza join.`,
		Example: `  baraza init --data /var/lib/baraza --name Kisumu --profile openmrs \
    --dsn 'baraza:secret@tcp(127.0.0.1:3306)/openmrs' --listen 10.0.0.1:7946

  # the password from a file, and chosen tables only
  baraza init --data /var/lib/baraza --name Kisumu --dsn @/etc/baraza.dsn \
    --tables person,person_*,obs --identity person=uuid`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.config(cmd)
			if err != nil {
				return err
			}
			if err := node.Init(cmd.Context(), node.InitOptions{Dir: f.dir, Config: c, Warn: warner(cmd)}); err != nil {
				return err
			}
			return ready(cmd, f.dir, c.Name, "is the first site of a new network")
		},
	}
	f.add(cmd)
	return cmd
}

// warner prints warnings as they come.
func warner(cmd *cobra.Command) func(string) {
	return func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
}

// ready tells that a site is set up and how to go on.
func ready(cmd *cobra.Command, dir, name, is string) error {
	key, err := trust.LoadKey(dir)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s %s\n", name, is)
	fmt.Fprintf(out, "fingerprint  %s\n", trust.Fingerprint(key.ID()))
	fmt.Fprintf(out, "start it     baraza run --data %s\n", dir)
	return nil
}
