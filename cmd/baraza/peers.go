package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"baraza/node/admin"
)

func newPeers() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "peers",
		Short:   "List the other sites, or remove one",
		Example: "  baraza peers list --data /var/lib/baraza\n  baraza peers forget --data /var/lib/baraza Nairobi",
	}
	asGroup(cmd)
	cmd.AddCommand(newPeersList(), newPeersForget())
	return cmd
}

func newPeersList() *cobra.Command {
	return showing(&cobra.Command{
		Use:     "list",
		Short:   "List the other sites and how far behind each is",
		Example: "  baraza peers list --data /var/lib/baraza",
		Args:    noArgs,
	}, func(ctx context.Context, c *admin.Client) (*admin.PeerList, error) {
		return c.Peers(ctx)
	}, func(w io.Writer, list *admin.PeerList) {
		printPeers(w, list.Peers, time.Now())
	})
}

func printPeers(w io.Writer, peers []admin.Peer, now time.Time) {
	if len(peers) == 0 {
		fmt.Fprintln(w, "no other sites yet: baraza invite makes a token for one")
		return
	}
	g := grid{head: []string{"PEER", "ID", "STATE", "BEHIND", "LAST SEEN"}, right: map[int]bool{3: true}, whole: map[int]bool{1: true}}
	for _, p := range peers {
		g.add(p.Site, short(p.ID), p.State, strconv.FormatUint(p.BehindBatches, 10), ago(p.LastSeen, now))
	}
	g.print(w)
}

// short is the beginning of an id, as logs show it.
func short(id string) string { return id[:min(len(id), 8)] }

func newPeersForget() *cobra.Command {
	var dir string
	var yes bool
	cmd := &cobra.Command{
		Use:   "forget SITE",
		Short: "Remove a site from the network",
		Long: `Remove a site, by its name or id, from the network. No member talks to it from
then on, and nothing is kept for it: what it wrote and has sent to nobody stays
with it. To come back it must join anew.

On a terminal it asks first. Scripts are not asked; --yes says so anywhere.
It ends with 0 when the site is removed, 1 when there is no such member or the
answer was no, 2 when this site could not be asked.`,
		Example: "  baraza peers forget --data /var/lib/baraza Nairobi\n  baraza peers forget --data /var/lib/baraza --yes Nairobi",
		Args:    oneArg("the name or id of a SITE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := client(cmd, &dir)
			if err != nil {
				return err
			}
			defer c.Close()
			if !yes && onTerminal(cmd.InOrStdin()) {
				if err := confirm(cmd, args[0]); err != nil {
					return err
				}
			}
			if err := c.Forget(cmd.Context(), admin.ForgetRequest{Site: args[0]}); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is removed\n", args[0])
			return nil
		},
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// onTerminal reports whether someone can answer.
func onTerminal(in io.Reader) bool {
	f, is := in.(*os.File)
	return is && term.IsTerminal(int(f.Fd()))
}

// confirm asks for the name of the site once more.
func confirm(cmd *cobra.Command, site string) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "What %s has written and sent to nobody stays with it. Type its name to remove it: ", site)
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && line == "" {
		return admin.Nof("nothing was removed: no answer")
	}
	if strings.TrimSpace(line) != site {
		return admin.Nof("nothing was removed: %q is not %q", strings.TrimSpace(line), site)
	}
	return nil
}
