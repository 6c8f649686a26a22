package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"baraza/node/admin"
)

func newTablesSet() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "set TABLE SETTING=VALUE...",
		Short: "Set, for all sites, how a table is merged",
		Long: `The setting travels to every site like a row, so that all show the same. Where
two sites set the same thing without having seen it, the later one holds, and
the other is in the list of conflicts.

  unique=null  of two rows with one unique value, the later shows NULL where a
               column of the index may be NULL, else a marked text
  unique=mark  it shows a marked text where there is room, else NULL
  unique=hold  it is held outside the table (only where no table refers to it)
  counter=COLUMN[,COLUMN]
               what everyone adds to the column is added up; an integer or a
               DECIMAL that is NOT NULL; a counter stays one`,
		Example: "  baraza tables set --data /var/lib/baraza badge unique=mark\n  baraza tables set --data /var/lib/baraza stock counter=quantity",
		Args:    someArgs("a TABLE and SETTING=VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := admin.SetTableRequest{Table: args[0]}
			if len(args) < 2 {
				return usagef(cmd, "nothing is set: write it as in unique=mark")
			}
			for _, arg := range args[1:] {
				if err := setting(cmd, &req, arg); err != nil {
					return err
				}
			}
			c, err := client(cmd, &dir)
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.SetTable(cmd.Context(), req)
			if err != nil {
				return err
			}
			for i := range list.Tables {
				if t := &list.Tables[i]; t.Name == req.Table {
					fmt.Fprintf(cmd.OutOrStdout(), "table %s is merged with %s at every site that has heard of it\n", t.Name, settingsOf(t))
				}
			}
			return nil
		},
	}
	dataFlag(cmd, &dir)
	return cmd
}

// setting reads one SETTING=VALUE.
func setting(cmd *cobra.Command, req *admin.SetTableRequest, arg string) error {
	name, value, ok := strings.Cut(arg, "=")
	if !ok || value == "" {
		return usagef(cmd, "%q is not SETTING=VALUE: write it as in unique=mark", arg)
	}
	switch name {
	case "unique":
		req.Unique = value
	case "counter":
		req.Counters = append(req.Counters, strings.Split(value, ",")...)
	default:
		return usagef(cmd, "there is no setting %q: use unique or counter", name)
	}
	return nil
}

// settingsOf is how a table is merged, for people.
func settingsOf(t *admin.Table) string {
	var all []string
	if t.Unique != "" {
		all = append(all, "unique="+t.Unique)
	}
	if len(t.Counters) > 0 {
		all = append(all, "counter="+strings.Join(t.Counters, ","))
	}
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, " ")
}
