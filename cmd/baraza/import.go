package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"baraza/node/admin"
)

func newImport() *cobra.Command {
	var dir, reply string
	var none, bare bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Read a bundle, and write one to carry back",
		Long: `Read a bundle that another member wrote for this site with baraza export, or -
for stdin. It is taken as if it had come over a line: only from members, only
what this site lacks, in any order of bundles, and as often as one likes.

Then it writes a reply, beside FILE: a bundle for the other site, which says
what this site has now and has all that the other lacks. Carry it back, so
that the next export there does not begin from the start. There is none when
it would say nothing.

The site must be running. It ends with 0 when all of the bundle is taken, 1
when the bundle is refused or something in it could not be taken, 2 when it
could not be done. Of a bundle that is cut short, what came before the cut is
taken.`,
		Example: `  baraza import --data /var/lib/baraza /media/stick/nairobi.baraza
  baraza import --data /var/lib/baraza --reply /media/stick/back.baraza /media/stick/nairobi.baraza
  baraza import --data /var/lib/baraza --no-reply /media/stick/nairobi.baraza`,
		Args: oneArg("the FILE that baraza export wrote"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if none && (bare || reply != "") {
				return usagef(cmd, "--no-reply goes with neither --reply nor --bare-reply")
			}
			c, err := client(cmd, &dir)
			if err != nil {
				return err
			}
			defer c.Close()
			got, err := importFrom(cmd, c, args[0], reply)
			if err != nil {
				return err
			}
			if !none && (got.Reply || reply != "") {
				where := "."
				if args[0] != "-" {
					where = filepath.Dir(args[0])
				}
				err = exportTo(cmd, c, admin.ExportRequest{Site: got.FromID, Bare: bare}, reply, where)
			}
			return errors.Join(err, incomplete(got))
		},
	}
	dataFlag(cmd, &dir)
	flags := cmd.Flags()
	flags.StringVar(&reply, "reply", "", "write the reply to `FILE`, or - for stdout")
	flags.BoolVar(&none, "no-reply", false, "write no reply")
	flags.BoolVar(&bare, "bare-reply", false, "a reply without changes: only what this site has")
	return cmd
}

func importFrom(cmd *cobra.Command, c *admin.Client, name, reply string) (*admin.Imported, error) {
	in, say := cmd.InOrStdin(), cmd.OutOrStdout()
	if reply == "-" {
		say = cmd.ErrOrStderr()
	}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, admin.Cannotf("reading the bundle: %v", err)
		}
		defer f.Close()
		in = f
	}
	got, err := c.Import(cmd.Context(), &shownReader{in, shown{w: cmd.ErrOrStderr(), total: sizeOf(in), what: "read", began: time.Now()}})
	clearProgress(cmd.ErrOrStderr())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(say, "%s: a bundle of %s, %d entries, %d of them new here\n", name, got.From, got.Entries, got.New)
	return got, nil
}

// incomplete is the error of a bundle that could not be taken whole.
func incomplete(got *admin.Imported) error {
	if len(got.Missing) == 0 {
		return nil
	}
	more := ""
	if n := len(got.Missing) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more like this)", n)
	}
	return admin.Nof("not all of the bundle of %s could be taken: %s%s", got.From, got.Missing[0], more)
}

func sizeOf(in io.Reader) int64 {
	if f, is := in.(*os.File); is {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return 0
}
