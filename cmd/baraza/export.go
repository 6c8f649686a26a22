package main

import (
	"github.com/spf13/cobra"

	"baraza/node/admin"
)

func newExport() *cobra.Command {
	var dir, to, out, size string
	var req admin.ExportRequest
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a bundle for a site that no line leads to",
		Long: `Write a bundle: a file with all changes that another member lacks, as far as
is known here. Carry it there and read it with baraza import. It is signed by
this site, and only the site of --to can read it, so a lost one tells nobody
anything.

What the other site has is known from the last connection with it, from what
it sends around, and from its bundles: import there writes one to carry back.
Until that is here, each export has again all that the ones before had, so a
bundle that is lost, carried twice or late does no harm.

The site must be running. It ends with 0 when the bundle is written, 1 when
there is no such member or this site does not hold what it lacks, 2 when it
could not be done.`,
		Example: `  baraza export --data /var/lib/baraza --to Nairobi --out /media/stick/nairobi.baraza

  # into a file system that takes no file above 4 GB; the rest goes next time
  baraza export --data /var/lib/baraza --to Nairobi --max-size 4GB

  # through another program
  baraza export --data /var/lib/baraza --to Nairobi --out - | ssh far baraza import --data /var/lib/baraza -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := given(cmd, "to", &to, ""); err != nil {
				return err
			}
			var err error
			if req.MaxBytes, err = parseSize(size); err != nil {
				return usagef(cmd, "--max-size %q %v", size, err)
			}
			c, err := client(cmd, &dir)
			if err != nil {
				return err
			}
			defer c.Close()
			req.Site = to
			return exportTo(cmd, c, req, out, ".")
		},
	}
	dataFlag(cmd, &dir)
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "the `SITE` that is to read it, by name or id")
	flags.StringVar(&out, "out", "", "write to `FILE`, which must not be there, or - for stdout; default a name with both sites and the time, here")
	flags.StringVar(&size, "max-size", "", "write no more than `SIZE`, as in 650MB or 4GB")
	flags.BoolVar(&req.All, "all", false, "everything that this site holds, whatever the other is known to have")
	flags.BoolVar(&req.Bare, "bare", false, "no changes, only the word on what this site has")
	return cmd
}
