package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"baraza/node"
	"baraza/node/admin"
	"baraza/node/config"
)

func newTables() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tables",
		Short: "List, add or remove replicated tables, or set how one is merged",
		Example: `  baraza tables list --data /var/lib/baraza
  baraza tables add --data /var/lib/baraza 'lab_*'
  baraza tables remove --data /var/lib/baraza lab_scratch`,
	}
	asGroup(cmd)
	cmd.AddCommand(newTablesList(), newTablesAdd(), newTablesRemove(), newTablesSet())
	return cmd
}

func newTablesList() *cobra.Command {
	return showing(&cobra.Command{
		Use:     "list",
		Short:   "List the replicated tables and what names their rows",
		Example: "  baraza tables list --data /var/lib/baraza",
		Args:    noArgs,
	}, func(ctx context.Context, c *admin.Client) (*admin.TableList, error) {
		return c.Tables(ctx)
	}, printTables)
}

func printTables(w io.Writer, list *admin.TableList) {
	g := grid{head: []string{"TABLE", "STATE", "ROWS ARE NAMED BY", "MERGED WITH"}}
	var notes []string
	for _, t := range list.Tables {
		state := "replicated"
		if t.Refused != "" {
			state = "refused"
			notes = append(notes, fmt.Sprintf("%s: refused: %s", t.Name, t.Refused))
		}
		for _, warning := range t.Warnings {
			notes = append(notes, fmt.Sprintf("%s: warning: %s", t.Name, warning))
		}
		g.add(t.Name, state, t.Identity, settingsOf(&t))
	}
	if len(list.Tables) == 0 {
		fmt.Fprintln(w, "no tables: baraza tables add PATTERN adds some")
		return
	}
	g.print(w)
	if len(notes) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(notes, "\n"))
	}
}

func newTablesAdd() *cobra.Command {
	return newTablesChange("add", "Replicate more tables", "  baraza tables add --data /var/lib/baraza 'lab_*' visit", admin.Service.AddTables)
}

// newTablesChange makes the command that adds or removes patterns at a
// running site.
func newTablesChange(name, about, example string, change func(admin.Service, context.Context, admin.TablesRequest) (*admin.TableList, error)) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     name + " TABLE|PATTERN...",
		Short:   about,
		Example: example,
		Args:    someArgs("a TABLE or PATTERN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := client(cmd, &dir)
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := change(c, cmd.Context(), admin.TablesRequest{Patterns: args})
			if err != nil {
				return err
			}
			n := 0
			for _, t := range list.Tables {
				if t.Refused == "" {
					n++
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d tables are replicated now\n", n)
			return nil
		},
	}
	dataFlag(cmd, &dir)
	return cmd
}

func newTablesRemove() *cobra.Command {
	cmd := newTablesChange("remove", "Stop replicating tables, or take baraza out of a database",
		`  baraza tables remove --data /var/lib/baraza lab_scratch

  # take all triggers and the schema baraza out; no application row is touched
  baraza tables remove --all --dsn 'baraza:secret@tcp(127.0.0.1:3306)/openmrs'`, admin.Service.RemoveTables)
	var all bool
	var dsn string
	cmd.Flags().BoolVar(&all, "all", false, "take everything of baraza's out of the database of --dsn; stop the site first")
	cmd.Flags().StringVar(&dsn, "dsn", "", "with --all: the database, `USER:PASSWORD@tcp(HOST:PORT)/DATABASE`, or @FILE (or $"+envDSN+")")
	some, remove := cmd.Args, cmd.RunE
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case all:
			return noArgs(cmd, args)
		case dsn != "":
			return usagef(cmd, "--dsn goes with --all")
		}
		return some(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !all {
			return remove(cmd, args)
		}
		if err := given(cmd, "dsn", &dsn, envDSN); err != nil {
			return err
		}
		d, err := config.ReadDSN(dsn)
		if err != nil {
			return usagef(cmd, "--%v", err)
		}
		if err := node.Uninstall(cmd.Context(), d); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "baraza is out of %s\n", d)
		return nil
	}
	return cmd
}
