package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"baraza/node/admin"
	"baraza/node/trust"
)

func newInvite() *cobra.Command {
	var dir string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Make a token with which one new site can join",
		Long: `Make a token with which one new site can join, once, until it expires by the
clock of this site. Any member can invite. The token is the only line on stdout;
whoever has it can join, so send it as you would a password.`,
		Example: `  baraza invite --data /var/lib/baraza
  baraza invite --data /var/lib/baraza --ttl 48h > token`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ttl < time.Second || ttl > trust.InviteTTLMax {
				return usagef(cmd, "--ttl %v is not between 1s and %v", ttl, trust.InviteTTLMax)
			}
			c, err := client(cmd, &dir)
			if err != nil {
				return err
			}
			defer c.Close()
			inv, err := c.Invite(cmd.Context(), admin.InviteRequest{TTLSeconds: int64(ttl / time.Second)})
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), inv.Token)
			fmt.Fprintf(cmd.ErrOrStderr(), "good for one site until %s\n", localMinute(inv.Expires))
			return nil
		},
	}
	dataFlag(cmd, &dir)
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long the token is good, as in 30m or 48h")
	return cmd
}
