package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"baraza/node/admin"
)

func newConflicts() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conflicts",
		Short: "List conflicts, show one, or undo it",
		Long: `A conflict is a value that someone wrote and that was overwritten by someone
who had not seen it. The network has decided it the same way at every site;
here both values are kept.`,
		Example: "  baraza conflicts list --data /var/lib/baraza\n  baraza conflicts show --data /var/lib/baraza 9f86d081",
	}
	asGroup(cmd)
	cmd.AddCommand(newConflictsList(), newConflictsShow(), newConflictsUndo())
	return cmd
}

func newConflictsList() *cobra.Command {
	var req admin.ConflictsRequest
	cmd := showing(&cobra.Command{
		Use:   "list",
		Short: "List conflicts, the newest first",
		Example: `  baraza conflicts list --data /var/lib/baraza
  baraza conflicts list --data /var/lib/baraza --table person_name --limit 1000 --json`,
		Args: noArgs,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if req.Limit < 1 {
				return usagef(cmd, "--limit %d is not at least 1", req.Limit)
			}
			return nil
		},
	}, func(ctx context.Context, c *admin.Client) (*admin.ConflictList, error) {
		return c.Conflicts(ctx, req)
	}, printConflicts)
	cmd.Flags().StringVar(&req.Table, "table", "", "only those of this `TABLE`")
	cmd.Flags().IntVar(&req.Limit, "limit", admin.DefaultConflictLimit, "at most `N`")
	return cmd
}

func printConflicts(w io.Writer, list *admin.ConflictList) {
	if len(list.Conflicts) == 0 {
		fmt.Fprintln(w, "no conflicts")
		return
	}
	g := grid{head: []string{"ID", "TABLE", "COLUMN", "WON AT", "LOST AT", "WHEN"}, whole: map[int]bool{0: true, 5: true}}
	for _, c := range list.Conflicts {
		g.add(c.ID, c.Table, columnOf(&c), c.Won.Site, c.Lost.Site, localMinute(c.Lost.Time))
	}
	g.print(w)
	if list.Total > len(list.Conflicts) {
		fmt.Fprintf(w, "\n%d of %d: --limit shows more\n", len(list.Conflicts), list.Total)
	}
}

func columnOf(c *admin.Conflict) string {
	if c.Column == "" {
		return "(row)"
	}
	return c.Column
}

func newConflictsShow() *cobra.Command {
	var req admin.ConflictRequest
	return showing(&cobra.Command{
		Use:     "show ID",
		Short:   "Show both sides of a conflict",
		Example: "  baraza conflicts show --data /var/lib/baraza 9f86d081",
		Args:    oneArg("the ID of a conflict"),
		PreRun:  func(_ *cobra.Command, args []string) { req.ID = args[0] },
	}, func(ctx context.Context, c *admin.Client) (*admin.Conflict, error) {
		return c.Conflict(ctx, req)
	}, printConflict)
}

func printConflict(w io.Writer, c *admin.Conflict) {
	fmt.Fprintf(w, "conflict  %s (rule %s)\n", c.ID, c.Rule)
	fmt.Fprintf(w, "table     %s\n", c.Table)
	fmt.Fprintf(w, "key       %s\n", c.Key)
	fmt.Fprintf(w, "column    %s\n", columnOf(c))
	for _, side := range []struct {
		word  string
		write *admin.Write
	}{{"won", &c.Won}, {"lost", &c.Lost}} {
		value := side.write.Value
		if side.write.Delete {
			value = "(row deleted)"
		}
		fmt.Fprintf(w, "%-8s  at %s, %s\n          %s\n", side.word, side.write.Site, local(side.write.Time), value)
	}
}
