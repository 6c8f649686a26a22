package main

import (
	"time"

	"github.com/spf13/cobra"

	"baraza/node/config"
	"baraza/node/doctor"
)

func newDoctor() *cobra.Command {
	var dir, dsn string
	var verbose, asJSON bool
	var f tableFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what a database server can and cannot do, each with its remedy",
		Long: `Look at a database server and tell what baraza can and cannot do there, each
finding with its remedy. It changes nothing. Exit code 1 means that there is a
problem; warnings alone are 0.`,
		Example: `  baraza doctor --dsn 'baraza:secret@tcp(127.0.0.1:3306)/openmrs' --profile openmrs

  # a profile of your own: what becomes of each table, and what is refused
  baraza doctor --dsn 'baraza:secret@tcp(127.0.0.1:3306)/openmrs' --profile ./openmrs-ours.yaml

  # with the settings of a site that is set up
  baraza doctor --data /var/lib/baraza`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := doctorConfig(cmd, dir, dsn, &f)
			if err != nil {
				return err
			}
			r, err := doctor.Examine(cmd.Context(), c.DSN, doctor.Options{
				Schema:        c.Schema(),
				Profile:       f.read,
				AutoIncrement: c.AutoIncrement,
				Verbose:       verbose,
				MaxDrift:      time.Duration(c.MaxDrift),
			})
			if err != nil {
				return err
			}
			show := r.Print
			if asJSON {
				show = r.PrintJSON
			}
			if err := show(cmd.OutOrStdout()); err != nil {
				return err
			}
			if r.Count(doctor.Problem) > 0 {
				return errSaid
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dsn, "dsn", "", "the database, `USER:PASSWORD@tcp(HOST:PORT)/DATABASE`, or @FILE that holds it (or $"+envDSN+")")
	cmd.Flags().StringVar(&dir, "data", "", "take the settings of the site in `DIR`")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "list every table")
	jsonFlag(cmd, &asJSON)
	f.add(cmd)
	return cmd
}

// doctorConfig takes the settings from a site or from the flags.
func doctorConfig(cmd *cobra.Command, dir, dsn string, f *tableFlags) (config.Config, error) {
	if dir != "" {
		if dsn != "" {
			return config.Config{}, usagef(cmd, "--data and --dsn exclude each other")
		}
		return config.Load(dir)
	}
	c := config.Default()
	if err := given(cmd, "dsn", &dsn, envDSN); err != nil {
		return c, err
	}
	var err error
	if c.DSN, err = config.ReadDSN(dsn); err != nil {
		return c, usagef(cmd, "--%v", err)
	}
	if err := f.settle(cmd, &c); err != nil {
		return c, err
	}
	c.Name = "doctor" // not needed here, but Check wants one
	if err := c.Check(); err != nil {
		return c, usagef(cmd, "--%v", err)
	}
	return c, nil
}
