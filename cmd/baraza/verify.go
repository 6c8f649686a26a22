package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"baraza/node/admin"
)

// verifyPoll is how often the site is asked how far it is, and verifyLine how
// often a line says so where there is no terminal.
const (
	verifyPoll = 200 * time.Millisecond
	verifyLine = 10 * time.Second
)

func newVerify() *cobra.Command {
	var dir string
	var asJSON bool
	var req admin.VerifyRequest
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the tables with those of the other sites",
		Long: `Compares this site's tables with what it remembers of them, and with those of
every site that is connected: by digests, then row by row. Changes that are on
their way are no difference. The exit code is 0 where all is equal, 1 where
rows differ, 2 where it could not be told.

A difference is what was written around Baraza: while its triggers were
dropped, by TRUNCATE, by a dump of single tables. With --repair the rows become
ordinary writes of this site, as they are here: run it at the site whose rows
are right. A row that is not here any more is deleted at all sites by that.`,
		Example: `  baraza verify --data /var/lib/baraza
  baraza verify --data /var/lib/baraza --table person_name --json
  baraza verify --data /var/lib/baraza --table person_name --repair`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := client(cmd, &dir)
			if err != nil {
				return err
			}
			defer c.Close()
			report, err := verify(cmd.Context(), cmd.ErrOrStderr(), c, req)
			if err != nil {
				return admin.Cannotf("%v", err)
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				printReport(cmd.OutOrStdout(), report, req.Repair)
			}
			return outcome(report, err)
		},
	}
	dataFlag(cmd, &dir)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&req.Table, "table", "", "only this `TABLE`")
	cmd.Flags().BoolVar(&req.Repair, "repair", false, "make ordinary writes of this site of the rows that differ, as they are here")
	return cmd
}

// outcome is the error that gives the exit code.
func outcome(r *admin.VerifyReport, err error) error {
	switch {
	case err != nil || r.Outcome == admin.VerifyEqual:
		return err
	case r.Outcome == admin.VerifyDifferent:
		return errSaid
	}
	return admin.Cannotf("it could not be told whether the tables are equal, for the reasons above")
}

// verify runs a comparison at the site and shows how far it is.
func verify(ctx context.Context, w io.Writer, c admin.Service, req admin.VerifyRequest) (*admin.VerifyReport, error) {
	state, err := c.Verify(ctx, req)
	if err != nil {
		return nil, err
	}
	terminal, said := isTerminal(w), time.Now()
	for number := state.Number; ; {
		if state, err = c.Verification(ctx); err != nil {
			return nil, err
		}
		if state.Number != number {
			return nil, admin.Cannotf("another comparison has begun meanwhile")
		}
		if !state.Running {
			break
		}
		text := fmt.Sprintf("%s: table %d of %d, %s, %d rows", state.Site, min(state.Tables+1, state.TablesTotal), state.TablesTotal, state.Table, state.Rows)
		switch {
		case terminal:
			fmt.Fprintf(w, "\r\033[K%s", cut(text, tableWidth-1))
		case time.Since(said) > verifyLine:
			said = time.Now()
			fmt.Fprintln(w, text)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(verifyPoll):
		}
	}
	if terminal {
		fmt.Fprint(w, "\r\033[K")
	}
	if state.Report == nil {
		return nil, admin.Cannotf("the running site gave no report: read its log")
	}
	return state.Report, nil
}

func printReport(w io.Writer, r *admin.VerifyReport, repair bool) {
	for _, d := range r.Differences {
		site := " " + d.Site
		switch d.How {
		case admin.DiffersGone:
			fmt.Fprintf(w, "%s %s: gone from its table, and nobody deleted it\n", d.Table, d.Key)
		case admin.DiffersBack:
			fmt.Fprintf(w, "%s %s: in its table, though it was deleted\n", d.Table, d.Key)
		case admin.DiffersOnlyHere:
			fmt.Fprintf(w, "%s %s: here, not at%s\n", d.Table, d.Key, site)
		case admin.DiffersOnlyThere:
			fmt.Fprintf(w, "%s %s: not here, but at%s\n", d.Table, d.Key, site)
		default:
			for _, c := range d.Columns {
				fmt.Fprintf(w, "%s %s: %s is %s here, %s at%s\n", d.Table, d.Key, c.Column, cut(c.Here, tableWidth), cut(c.There, tableWidth), site)
			}
		}
	}
	if r.More {
		fmt.Fprintln(w, "… and more")
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, note)
	}
	switch {
	case r.Outcome == admin.VerifyEqual:
		fmt.Fprintf(w, "equal: %d tables, compared with %d sites\n", len(r.Tables), len(r.Sites))
	case r.Outcome == admin.VerifyDifferent && repair:
		fmt.Fprintf(w, "different: %d rows became ordinary writes of this site; verify again when they have arrived\n", r.Repaired)
	case r.Outcome == admin.VerifyDifferent:
		fmt.Fprintf(w, "different: %d tables, compared with %d sites\n", len(r.Tables), len(r.Sites))
	}
}
