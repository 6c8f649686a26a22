package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"runtime"
	"strings"
	"time"
)

// host describes the machine and the versions of a run.
type host struct {
	date                            time.Time
	cpu, memory, system             string
	mariadb, baraza, commit, golang string
	load                            string
}

func describeHost(o *Options) host {
	h := host{
		date: time.Now().UTC(), golang: runtime.Version(),
		cpu:    fmt.Sprintf("%d × %s", runtime.NumCPU(), procField("/proc/cpuinfo", "model name")),
		memory: gib(procField("/proc/meminfo", "MemTotal")), load: "unknown",
		mariadb: path.Base(output("mariadbd", "--version")), commit: output("git", "describe", "--always", "--dirty"),
		baraza: "not run",
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	h.system = runtime.GOOS + "/" + runtime.GOARCH + " " + strings.TrimSpace(string(kernel))
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		h.load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	if !o.BaselineOnly {
		h.baraza = output(o.Bin, "version")
	}
	return h
}

func (h host) markdown(o *Options) string {
	b := &strings.Builder{}
	row := func(name, value string) { fmt.Fprintf(b, "| %s | %s |\n", name, value) }
	b.WriteString("| | |\n|---|---|\n")
	row("date", h.date.Format("2006-01-02 15:04 UTC"))
	row("machine", fmt.Sprintf("%s, %s, %s", h.cpu, h.memory, h.system))
	row("load before the run", h.load)
	row("MariaDB", h.mariadb)
	row("baraza", fmt.Sprintf("%s, commit %s, %s", h.baraza, h.commit, h.golang))
	row("command", "`"+o.Command+"`")
	row("sizes", fmt.Sprintf("%d repetitions; write %s rows; lag %d s, %d/s paced; catch-up %s changes, %s hot rows; wire %s; memory %s; large table %s; join %s; simulator %d s",
		o.Reps, grouped(float64(o.WriteRows)), o.LagSeconds, o.LagRate, grouped(float64(o.CatchupRows)), grouped(float64(o.HotRows)),
		grouped(float64(o.WireRows)), grouped(float64(o.MemoryRows)), grouped(float64(o.LargeRows)), grouped(float64(o.JoinRows)), o.SimSeconds))
	row("servers", "`"+strings.Join(serverArgs, " ")+"`, otherwise the defaults; sources of MariaDB's replication also `--log-bin --binlog-format=ROW`")
	row("clients", "Go clients in one process on the same machine, text protocol; what they use of the processors is in all figures")
	return b.String()
}

// gib turns "24684084 kB" into "23.5 GiB of memory".
func gib(kb string) string {
	var n float64
	if _, err := fmt.Sscanf(kb, "%f kB", &n); err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%.1f GiB of memory", n/(1<<20))
}

// procField returns the first "name: value" of a file in /proc.
func procField(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for l := range strings.SplitSeq(string(text), "\n") {
		if key, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// output returns the first line a program prints.
func output(name string, args ...string) string {
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		name = path // servers are not on every user's PATH
	}
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return first
}
