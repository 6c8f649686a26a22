package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binary is the program, built once for all tests: what is tested is what
// people and scripts run.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "baraza-cli-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "baraza")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building baraza: %v\n%s", err, out)
		os.Exit(1)
	}
	for _, name := range []string{envData, envDSN, envToken} {
		_ = os.Unsetenv(name)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// result is what a command did.
type result struct {
	code        int
	out, errOut string
}

func baraza(t *testing.T, args ...string) result {
	t.Helper()
	return barazaWith(t, "", nil, args...)
}

func barazaWith(t *testing.T, stdin string, env []string, args ...string) result {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// fails checks that a command ended with a code and one line with the text.
func (r result) fails(t *testing.T, code int, want string) {
	t.Helper()
	if r.code != code || strings.Count(r.errOut, "\n") != 1 || !strings.Contains(r.errOut, want) || r.out != "" {
		t.Errorf("exit %d, stderr %q, stdout %q; want exit %d and one line with %q", r.code, r.errOut, r.out, code, want)
	}
}

func (r result) works(t *testing.T) string {
	t.Helper()
	if r.code != exitDone {
		t.Fatalf("exit %d: %s%s", r.code, r.out, r.errOut)
	}
	return r.out
}
