package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// walk visits every command of the tree.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, visit)
	}
}

func TestEveryHelpHasAnExampleAndFits(t *testing.T) {
	walk(newRoot(), func(cmd *cobra.Command) {
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		out := baraza(t, args...).works(t)
		if !strings.Contains(out, "Examples:\n") || !strings.Contains(out, "  baraza ") {
			t.Errorf("baraza %s has no example", strings.Join(args, " "))
		}
		head, _, _ := strings.Cut(out, "Usage:")
		for line := range strings.Lines(head) {
			if len(line) > 81 {
				t.Errorf("baraza %s: longer than 80 columns: %s", strings.Join(args, " "), line)
			}
		}
	})
}

// An example that the program itself does not understand misleads.
func TestExamplesParse(t *testing.T) {
	walk(newRoot(), func(cmd *cobra.Command) {
		text := strings.ReplaceAll(cmd.Example, "\\\n", " ")
		for line := range strings.Lines(text) {
			words := strings.Fields(strings.ReplaceAll(line, "'", ""))
			i := slices.Index(words, "baraza")
			if i < 0 || words[0] == "#" {
				continue
			}
			words = words[i+1:]
			if end := slices.IndexFunc(words, func(w string) bool { return w == "|" || w == ">" || w == "2>>" }); end >= 0 {
				words = words[:end]
			}
			root := newRoot()
			sub, rest, err := root.Find(words)
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			if err := sub.ParseFlags(rest); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			if sub.Args != nil {
				if err := sub.Args(sub, sub.Flags().Args()); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
			if sub.HasSubCommands() && len(sub.Flags().Args()) > 0 {
				t.Errorf("%s: no such command", line)
			}
		}
	})
}

func TestUsageErrors(t *testing.T) {
	const dsn = "u:s3cret@tcp(127.0.0.1:1)/db"
	for _, c := range []struct{ line, want string }{
		{"frob", `baraza: there is no command "frob": see baraza --help`},
		{"initt", "did you mean init"},
		{"--frob", "unknown flag: --frob: see baraza --help"},
		{"verily", "there is no command"},
		{"peers frob", `there is no command "frob": see baraza peers --help`},
		{"peers forget", "SITE is missing: see baraza peers forget --help"},
		{"peers forget a b", `"b" is one word too many`},
		{"status", "--data is missing: see baraza status --help"},
		{"status --data", "flag needs an argument: --data: see baraza status --help"},
		{"status --frob", "unknown flag: --frob: see baraza status --help"},
		{"status x", `"x" is one word too many: see baraza status --help`},
		{"run", "--data is missing"},
		{"invite --data d --ttl soon", `"soon" for "--ttl"`},
		{"invite --data d --ttl 0s", "--ttl 0s is not between"},
		{"conflicts list --data d --limit 0", "--limit 0"},
		{"tables add --data d", "TABLE or PATTERN is missing"},
		{"tables remove --all", "--dsn is missing"},
		{"tables remove --dsn " + dsn + " x", "--dsn goes with --all"},
		{"init --data d", "--dsn is missing"},
		{"init --dsn " + dsn + " --name a", "--data is missing"},
		{"init --data d --dsn " + dsn, "--name is missing"},
		{"init --data d --dsn s3cret --name a", "--dsn: it is not of the form"},
		{"init --data d --dsn u:s3cret@/ --name a", "--dsn: it names no database"},
		{"init --data d --name a --dsn " + dsn + " --listen here", `--listen: "here" is not HOST:PORT`},
		{"init --data d --name a --dsn " + dsn + " --profile x", `--profile: "x" is not known`},
		{"init --data d --name a --dsn " + dsn + " --identity person", "is not TABLE=COLUMN"},
		{"init --data d --name a --dsn " + dsn + " --reference person", "is not TABLE.COLUMN=TABLE.COLUMN"},
		{"init --data d --name a --dsn " + dsn + " --web 127.0.0.1:1", "--web: this version has no web console"},
		{"join --data d --name a --dsn " + dsn, "--token is missing"},
		{"join --data d --name a --dsn " + dsn + " --token s3cret", "--token: this is no invitation token"},
		{"join --preview", "--preview is not in this version"},
		{"doctor", "--dsn is missing"},
		{"doctor --data d --dsn " + dsn, "exclude each other"},
	} {
		r := baraza(t, strings.Fields(c.line)...)
		r.fails(t, exitCannot, c.want)
		if !strings.Contains(r.errOut, "--help") {
			t.Errorf("%s: names no help: %s", c.line, r.errOut)
		}
		if strings.Contains(r.errOut, "s3cret") {
			t.Errorf("%s: repeats a secret: %s", c.line, r.errOut)
		}
	}
	if _, err := os.Stat("d"); err == nil {
		t.Error("a usage error made the data directory")
	}
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	barazaWith(t, "", []string{envData + "=" + dir}, "status").fails(t, exitCannot, "no site is running on "+dir)
	file := filepath.Join(dir, "dsn")
	if err := os.WriteFile(file, []byte("u:s3cret@tcp(127.0.0.1:1)/db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := barazaWith(t, "", []string{envDSN + "=@" + file}, "doctor")
	r.fails(t, exitCannot, "u:***@tcp(127.0.0.1:1)/db: no server answers there")
	barazaWith(t, "junk\n", []string{envDSN + "=@" + file}, "join", "--data", dir, "--name", "a", "--token", "-").
		fails(t, exitCannot, "no invitation token")
}

func TestVersion(t *testing.T) {
	if out := baraza(t, "version").works(t); !strings.HasPrefix(out, "baraza ") || strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
}

// The tree and the handler that main uses are the same that tests call.
func TestRunReturnsCodes(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run([]string{"frob"}, strings.NewReader(""), &out, &errOut); code != exitCannot {
		t.Errorf("exit %d", code)
	}
	if code := run([]string{"help", "peers", "list"}, strings.NewReader(""), &out, &errOut); code != exitDone || !strings.Contains(out.String(), "peers list") {
		t.Errorf("exit %d: %s", code, out.String())
	}
}
