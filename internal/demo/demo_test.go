package demo_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"baraza/internal/demo"
	"baraza/internal/mariadb"
)

// build builds the program that the demo runs.
func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("the demo takes half a minute")
	}
	if err := mariadb.Installed(); err != nil {
		t.Skip(err)
	}
	binary := filepath.Join(t.TempDir(), "baraza")
	if out, err := exec.Command("go", "build", "-o", binary, "baraza/cmd/baraza").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// TestDemo: the story is true.
func TestDemo(t *testing.T) {
	binary := build(t)
	var out bytes.Buffer
	if err := demo.Run(context.Background(), demo.Options{Baraza: binary}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	t.Logf("\n%s", &out)
	for _, words := range []string{"Three clinics", "line is cut", "The line comes back", `"none" (Lodwar) won over "penicillin" (Kisumu)`, "All of it came true"} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("the story does not say %q", words)
		}
	}
	wantNoneOf(t, binary)
}

// stopper is a writer that calls stop when it is given the words.
type stopper struct {
	text  bytes.Buffer // not embedded: its ReadFrom would go around Write
	words string
	stop  func()
}

func (s *stopper) String() string { return s.text.String() }

func (s *stopper) Write(p []byte) (int, error) {
	n, err := s.text.Write(p)
	if strings.Contains(s.String(), s.words) {
		s.stop()
	}
	return n, err
}

// TestUsedDirectory: the demo does not mix its files with others.
func TestUsedDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := demo.Run(context.Background(), demo.Options{Baraza: "baraza", Dir: dir}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("error %v", err)
	}
}

// TestStoppedDemo: a demo that is stopped in the middle leaves nothing behind.
func TestStoppedDemo(t *testing.T) {
	binary := build(t)
	for _, words := range []string{"Three clinics", "is the first site", "Lodwar, later"} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		out := stopper{words: words, stop: cancel}
		err := demo.Run(ctx, demo.Options{Baraza: binary, Dir: dir}, &out)
		if err == nil || !strings.Contains(err.Error(), "was stopped") || strings.Contains(err.Error(), "\n") {
			t.Errorf("stopped at %q, the demo says %v", words, err)
		}
		wantNoneOf(t, binary)
		wantNoneOf(t, dir)
	}
}

// TestKilledDemo: nor does one that is kept running and then killed, whatever
// the signal.
func TestKilledDemo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends the children of a killed process")
	}
	binary := build(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		dir := t.TempDir()
		cmd := exec.Command(binary, "demo", "--keep", "--dir", dir)
		ready := make(chan struct{})
		out := &stopper{words: "Ctrl-C stops everything", stop: sync.OnceFunc(func() { close(ready) })}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-ready:
		case err := <-done:
			t.Fatalf("the demo ended: %v\n%s", err, out)
		}
		_ = cmd.Process.Signal(signal)
		if err := <-done; signal == syscall.SIGINT && err != nil {
			t.Errorf("after Ctrl-C: %v\n%s", err, out)
		}
		for end := time.Now().Add(20 * time.Second); len(processes(t, dir)) > 0 && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond) // the kernel ends the children
		}
		wantNoneOf(t, dir)
	}
}

// wantNoneOf fails when a process of this machine has the word in its command
// line.
func wantNoneOf(t *testing.T, word string) {
	t.Helper()
	for _, p := range processes(t, word) {
		t.Errorf("left behind: %s", p)
	}
}

func processes(t *testing.T, word string) (found []string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Log("this system does not list its processes")
		return nil
	}
	for _, name := range lines {
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte(word)) {
			found = append(found, string(bytes.ReplaceAll(text, []byte{0}, []byte{' '})))
		}
	}
	return found
}
