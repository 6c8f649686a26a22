package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is USER_HZ, which Linux fixes at 100 for user space.
const ticksPerSecond = 100

// peakMemory returns the most memory a process has had resident, in bytes.
func peakMemory(pid int) (int64, error) {
	value := procField(fmt.Sprintf("/proc/%d/status", pid), "VmHWM")
	kib, err := strconv.ParseInt(strings.TrimSuffix(value, " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("peak memory of process %d: %q is no number of kB", pid, value)
	}
	return kib << 10, nil
}

// cpuTime returns the processor time a process has used.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the name in parentheses, which may hold blanks.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// process is one whose time is of interest.
type process struct {
	name string
	pid  int
}

// usage is the processor time that processes have used, by process id.
type usage map[int]time.Duration

func sample(ps []process) usage {
	u := usage{}
	for _, p := range ps {
		u[p.pid] = cpuTime(p.pid)
	}
	return u
}

// spent tells what each process has used since a sample; one that was started
// since then, all it has used.
func (u usage) spent(ps []process) string {
	parts := make([]string, len(ps))
	for i, p := range ps {
		parts[i] = fmt.Sprintf("%s %.2f", p.name, (cpuTime(p.pid) - u[p.pid]).Seconds())
	}
	return "cpu s: " + strings.Join(parts, ", ")
}
