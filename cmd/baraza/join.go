package main

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"baraza/node"
	"baraza/node/trust"
)

const tokenLineMax = 8 << 10

func newJoin() *cobra.Command {
	var f siteFlags
	var text string
	var preview bool
	cmd := &cobra.Command{
		Use:   "join",
		Short: "Make this database a site of a network, with a token of a member",
		Long: `Make this database a site of a network that exists. The token comes from
baraza invite at any member; it is good for one site, once. Which tables are
replicated and how comes from the network. When the site runs, the rows of both
sides are merged: nothing that is only here is removed.`,
		Example: `  baraza join --data /var/lib/baraza --name Nairobi --token baraza1.… \
    --dsn 'baraza:secret@tcp(127.0.0.1:3306)/openmrs' --listen 10.0.0.2:7946

  # the token from the other machine, seen by nobody else
  ssh kisumu baraza invite --data /var/lib/baraza |
    baraza join --data /var/lib/baraza --name Nairobi --dsn @/etc/baraza.dsn --token -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if preview {
				return usagef(cmd, "--preview is not in this version")
			}
			c, err := f.config(cmd)
			if err != nil {
				return err
			}
			token, err := readToken(cmd, text)
			if err != nil {
				return err
			}
			err = node.Join(cmd.Context(), node.JoinOptions{
				InitOptions: node.InitOptions{Dir: f.dir, Config: c, Warn: warner(cmd)}, Token: token,
			})
			if err != nil {
				return err
			}
			return ready(cmd, f.dir, c.Name, "is a site of the network")
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&text, "token", "", "the `TOKEN` of baraza invite, or - to read it from stdin (or $"+envToken+")")
	cmd.Flags().BoolVar(&preview, "preview", false, "show what joining would do")
	_ = cmd.Flags().MarkHidden("preview")
	return cmd
}

// readToken reads the token from the flag, the environment or stdin.
func readToken(cmd *cobra.Command, text string) (trust.Token, error) {
	if err := given(cmd, "token", &text, envToken); err != nil {
		return trust.Token{}, err
	}
	if text == "-" {
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), tokenLineMax)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return trust.Token{}, err
		}
		text = strings.TrimSpace(line)
	}
	token, err := trust.ParseToken(text)
	if err != nil {
		return token, usagef(cmd, "--token: %v", err)
	}
	return token, nil
}
