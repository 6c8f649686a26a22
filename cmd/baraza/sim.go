package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// simSitesMax bounds the sites of a random run.
const simSitesMax = 64

// simGCPercent lets the heap of a simulation grow fourfold before it is
// collected: most of what it allocates dies at once, and it has the machine. Where
// memory is short, who sets GOGC in the environment says otherwise.
const simGCPercent = 400

func newSim() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate many sites and what can go wrong between them",
		Long:  "Run many sites in this process on virtual time, with the code that sites run.",
		Example: `  baraza sim run sim/scenarios/satellite-clinics.yaml
  baraza sim check --runs 1000 --sites 2-8`,
	}
	asGroup(cmd)
	cmd.PersistentPreRun = func(*cobra.Command, []string) {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(simGCPercent)
		}
	}
	cmd.AddCommand(newSimRun(), newSimSweep(), newSimCheck(), newSimReplay())
	return cmd
}

// parseSites reads "A-B" or "N".
func parseSites(s string) (least, most int, err error) {
	a, b, two := strings.Cut(s, "-")
	if !two {
		b = a
	}
	least, err1 := strconv.Atoi(a)
	most, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || least < 2 || most < least || most > simSitesMax {
		return 0, 0, fmt.Errorf("--sites %q is not A-B with 2 <= A <= B <= %d", s, simSitesMax)
	}
	return least, most, nil
}
