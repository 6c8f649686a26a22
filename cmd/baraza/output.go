package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"baraza/node/admin"
)

// tableWidth is what a printed table fits into.
const tableWidth = 80

// columnLeast is how narrow a column may become for the table to fit.
const columnLeast = 8

// grid is a table for people: aligned columns, 80 characters wide at most.
// Cells of the widest columns are cut, with an ellipsis, where they do not
// fit; --json has everything.
type grid struct {
	head []string
	rows [][]string
	// right marks columns that are aligned at the right.
	right map[int]bool
	// whole marks columns that are never cut, such as an id to be copied.
	whole map[int]bool
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

func (g *grid) print(w io.Writer) {
	widths := g.widths()
	for _, row := range append([][]string{g.head}, g.rows...) {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 {
				b.WriteString("  ")
			}
			text := cut(cell, widths[i])
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if g.right[i] {
				text = pad + text
			} else {
				text += pad
			}
			b.WriteString(text)
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// widths gives each column the room it wants, and then takes from the widest
// one until the table fits.
func (g *grid) widths() []int {
	widths := make([]int, len(g.head))
	for _, row := range append([][]string{g.head}, g.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for {
		total, widest := 2*(len(widths)-1), -1
		for i, n := range widths {
			total += n
			if !g.whole[i] && n > columnLeast && (widest < 0 || n > widths[widest]) {
				widest = i
			}
		}
		if total <= tableWidth || widest < 0 {
			return widths
		}
		widths[widest]--
	}
}

func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// jsonFlag adds --json.
func jsonFlag(cmd *cobra.Command, on *bool) {
	cmd.Flags().BoolVar(on, "json", false, "print JSON, for scripts")
}

// showing makes a command show what it asks the running site for, as JSON if the
// caller wants that.
func showing[T any](cmd *cobra.Command, ask func(context.Context, *admin.Client) (T, error), show func(io.Writer, T)) *cobra.Command {
	var dir string
	var asJSON bool
	dataFlag(cmd, &dir)
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := client(cmd, &dir)
		if err != nil {
			return err
		}
		defer c.Close()
		answer, err := ask(cmd.Context(), c)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), answer)
		}
		show(cmd.OutOrStdout(), answer)
		return nil
	}
	return cmd
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// ago tells how long ago something was, in two digits or so.
func ago(t *time.Time, now time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	d := now.Sub(*t)
	switch {
	case d < 2*time.Second:
		return "now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return fmt.Sprintf("%dd ago", int(d.Hours()/24))
}

// local prints a time for people.
func local(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// localMinute is local where a second more or less says nothing.
func localMinute(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }
