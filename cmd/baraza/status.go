package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"baraza/node/admin"
)

func newStatus() *cobra.Command {
	return showing(&cobra.Command{
		Use:   "status",
		Short: "Show how the running site is",
		Example: `  baraza status --data /var/lib/baraza

  # for a script: how many conflicts are there?
  baraza status --data /var/lib/baraza --json | jq .conflicts`,
		Args: noArgs,
	}, func(ctx context.Context, c *admin.Client) (*admin.Status, error) {
		return c.Status(ctx)
	}, func(w io.Writer, s *admin.Status) {
		printStatus(w, s, time.Now())
	})
}

func printStatus(w io.Writer, s *admin.Status, now time.Time) {
	fmt.Fprintf(w, "site      %s\n", s.Site)
	fmt.Fprintf(w, "id        %s\n", s.ID)
	fmt.Fprintf(w, "running   since %s, version %s\n", local(s.StartedAt), s.Version)
	fmt.Fprintf(w, "database  %s, %d tables, changes found by %s\n", s.Database, s.Tables, s.Capture)
	fmt.Fprintf(w, "clock     %s\n", clockText(s.ClockOffsetMS, len(s.Peers)))
	fmt.Fprintf(w, "pending   %d to capture, %d to apply\n", s.PendingCapture, s.PendingApply)
	fmt.Fprintf(w, "rows      %d waiting, %d held, %d set aside\n", s.Waiting, s.Held, s.SetAside)
	fmt.Fprintf(w, "conflicts %d\n", s.Conflicts)
	printLog(w, &s.Log, now)
	for i := range s.Hooks {
		fmt.Fprintf(w, "hook      %s\n", hookText(&s.Hooks[i], now))
	}
	for _, alarm := range s.Alarms {
		fmt.Fprintf(w, "ALARM     %s\n", alarm)
	}
	fmt.Fprintln(w)
	printPeers(w, s.Peers, now)
}

func hookText(h *admin.Hook, now time.Time) string {
	if h.Off {
		return h.Name + ": off until app: {url: …} is set in baraza.yaml"
	}
	told := "nothing told yet"
	if h.ToldAt != nil {
		told = "told " + ago(h.ToldAt, now)
	}
	waiting := fmt.Sprintf("%d rows wait", h.PendingRows)
	if h.PendingAll {
		waiting = "more rows wait than are counted"
	}
	text := fmt.Sprintf("%s: %s, %s", h.Name, told, waiting)
	if h.Failures > 0 {
		text += fmt.Sprintf(", failed %d times", h.Failures)
	}
	return text
}

func clockText(offsetMS int64, peers int) string {
	switch {
	case peers == 0:
		return "no peer to compare with"
	case offsetMS == 0:
		return "equal to the peers'"
	case offsetMS > 0:
		return fmt.Sprintf("%v behind the peers'", time.Duration(offsetMS)*time.Millisecond)
	}
	return fmt.Sprintf("%v ahead of the peers'", time.Duration(-offsetMS)*time.Millisecond)
}

// printLog says what is kept, and for whom.
func printLog(w io.Writer, l *admin.Log, now time.Time) {
	fmt.Fprintf(w, "log       %d entries, %d not known to be everywhere; store %s\n", l.Entries, l.Unstable, bytesText(l.StoreBytes))
	if len(l.HeldBy) == 0 || l.Unstable == 0 {
		return
	}
	h := &l.HeldBy[0]
	others := ""
	if more := len(l.HeldBy) - 1; more > 0 {
		others = fmt.Sprintf(", and %d more", more)
	}
	name := cut(h.Site, holderNameMax)
	switch {
	case h.Forgotten:
		fmt.Fprintf(w, "kept for  %s, forgotten; some have not heard it%s\n", name, others)
	case h.Since == nil:
		fmt.Fprintf(w, "kept for  %s, which has never said what it has%s\n", name, others)
	default:
		fmt.Fprintf(w, "kept for  %s, which said what it has %s%s\n", name, ago(h.Since, now), others)
	}
}

// holderNameMax is how many characters of a name the line has room for.
const holderNameMax = 20

func bytesText(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
