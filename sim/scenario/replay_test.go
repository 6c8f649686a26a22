package scenario_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"testing"
	"time"

	"baraza/sim/scenario"
)

var (
	flagRuns   = flag.Int("runs", 4, "how often TestSameRun runs its scenario")
	flagHashes = flag.String("hashes", "", "compare with the hashes in this file, which the first test writes")
)

// TestSameRun: a scenario and a seed give the same events, to the byte, however
// often and however parallel the program runs. make replay-check compares
// programs with and without the race detector too.
func TestSameRun(t *testing.T) {
	s := shipped(t)["bad-day.yaml"]
	s.Duration = 4 * time.Minute
	want := recorded(t)
	for i := range *flagRuns {
		seed := uint64(1 + i%2)
		func() {
			if *flagHashes == "" { // else the environment tells how many
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1 + i/2%2))
			}
			res := run(t, s, scenario.Options{Seed: seed, NoMeasure: i%3 == 0})
			if res.Err != nil {
				t.Errorf("run %d with seed %d: %v", i, seed, res.Err)
			}
			got := fmt.Sprintf("%016x after %d steps", res.Hash, res.Steps)
			if want[seed] == "" {
				want[seed] = got
			}
			if got != want[seed] {
				t.Errorf("run %d with seed %d: %s, before it was %s", i, seed, got, want[seed])
			}
		}()
	}
	if want[1] == want[2] {
		t.Errorf("two seeds are one run: %s", want[1])
	}
	record(t, want)
}

func recorded(t *testing.T) map[uint64]string {
	t.Helper()
	want := map[uint64]string{}
	if *flagHashes == "" {
		return want
	}
	b, err := os.ReadFile(*flagHashes)
	if errors.Is(err, fs.ErrNotExist) {
		return want
	}
	if err != nil || json.Unmarshal(b, &want) != nil {
		t.Fatalf("%s: %v", *flagHashes, err)
	}
	return want
}

func record(t *testing.T, hashes map[uint64]string) {
	t.Helper()
	if *flagHashes == "" || t.Failed() {
		return
	}
	b, err := json.Marshal(hashes)
	if err == nil {
		err = os.WriteFile(*flagHashes, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
