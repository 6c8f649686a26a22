package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"baraza/node/admin"
)

func newConflictsUndo() *cobra.Command {
	var dir string
	var asJSON, yes bool
	var req admin.UndoRequest
	cmd := &cobra.Command{
		Use:   "undo ID",
		Short: "Write what lost a conflict, in place of what won",
		Long: `Write what lost a conflict, as an application would: a value is written
again, a row that was deleted is inserted as it last was, a row whose delete
lost is deleted. All sites get it as any other write; the conflict stays
listed, for what was written then has not changed. What someone wrote since is
not overwritten unless --force says so.

On a terminal it shows the conflict and asks. Scripts are not asked; --yes
says so anywhere. It ends with 0 when it is written, 1 when there is no such
conflict, one write cannot undo it or the answer was no, 2 when this site
could not be asked.`,
		Example: "  baraza conflicts undo --data /var/lib/baraza 9f86d081\n  baraza conflicts undo --data /var/lib/baraza --yes --force 9f86d081",
		Args:    oneArg("the ID of a conflict"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := client(cmd, &dir)
			if err != nil {
				return err
			}
			defer c.Close()
			req.ID = args[0]
			if !yes && onTerminal(cmd.InOrStdin()) {
				one, err := c.Conflict(cmd.Context(), admin.ConflictRequest{ID: req.ID})
				if err != nil {
					return err
				}
				printConflict(cmd.ErrOrStderr(), one)
				if err := confirmUndo(cmd); err != nil {
					return err
				}
			}
			done, err := c.UndoConflict(cmd.Context(), req)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), done)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s of %s\nkey       %s\nundone    %s\n", columnOf(&done.Conflict), done.Conflict.Table, done.Conflict.Key, done.Did)
			return nil
		},
	}
	dataFlag(cmd, &dir)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&req.Force, "force", false, "write over what someone wrote since")
	return cmd
}

func confirmUndo(cmd *cobra.Command) error {
	fmt.Fprint(cmd.ErrOrStderr(), "Write what lost, at all sites? Type yes: ")
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if answer := strings.TrimSpace(line); answer != "yes" || err != nil && line == "" {
		return admin.Nof("nothing was written")
	}
	return nil
}
