package main

import (
	"path/filepath"
	"strings"
	"testing"
)

const simSweepFile = `seeds: 1-2
scenario:
  duration: 10s
  sites: 2
  workload: {rate: 1/s, rows: 8}
axes: [{path: line.loss, values: [0%, 5%]}]
plots: [{metric: delay_p50, over: line.loss}]
`

// TestSimSweep: it tells of each run, goes on with what is there, and ends with
// 0, 1 or 2.
func TestSimSweep(t *testing.T) {
	file, dir := writeFile(t, "loss.yaml", simSweepFile), filepath.Join(t.TempDir(), "out")
	got := baraza(t, "sim", "sweep", file, "--out", dir)
	if got.code != 0 || !strings.Contains(got.out, "all 4 runs held") || strings.Count(got.errOut, " of 4 runs") != 4 || !strings.Contains(got.errOut, " left: line.loss=") {
		t.Fatalf("exit code %d: %s%s", got.code, got.out, got.errOut)
	}
	if again := baraza(t, "sim", "sweep", file, "--out", dir).works(t); !strings.Contains(again, "4 of them were there already") {
		t.Errorf("again: %s", again)
	}
	broken := writeFile(t, "loss.yaml", strings.Replace(simSweepFile, "  sites: 2", "  expect: [bytes < 1]\n  sites: 2", 1))
	if got := baraza(t, "sim", "sweep", broken, "--out", dir); got.code != 2 || !strings.Contains(got.errOut, "another version of") {
		t.Errorf("another sweep in the same directory: exit code %d: %s%s", got.code, got.out, got.errOut)
	}
	if got := baraza(t, "sim", "sweep", broken, "--out", dir+"2"); got.code != 1 || !strings.Contains(got.out, "replay: baraza sim run "+dir+"2") {
		t.Errorf("runs that do not hold: exit code %d: %s%s", got.code, got.out, got.errOut)
	}
	wrong := writeFile(t, "loss.yaml", strings.ReplaceAll(simSweepFile, "line.loss", "line.los"))
	if got := baraza(t, "sim", "sweep", wrong, "--out", dir); got.code != 2 || !strings.Contains(got.errOut, `loss.yaml:6: values: line.los = 0%: line: there is no key "los": use`) {
		t.Errorf("a path that is not there: exit code %d: %s", got.code, got.errOut)
	}
}
