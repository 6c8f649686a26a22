package netcut

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Of tells whether a client's TCP connection on this machine belongs to the
// process; nil where the system does not say. It is for CutFrom: all sites of
// a demo have one address, and only their processes differ.
func Of(pid int) func(client net.Addr) bool {
	return func(client net.Addr) bool {
		at, ok := client.(*net.TCPAddr)
		if !ok {
			return false
		}
		inodes := inodesOf(pid, at.Port)
		if len(inodes) == 0 {
			return false
		}
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		files, err := os.ReadDir(dir)
		if err != nil {
			return false
		}
		for _, f := range files {
			if target, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && inodes[target] {
				return true
			}
		}
		return false
	}
}

// inodesOf returns the sockets with the local port, as links in /proc name
// them.
func inodesOf(pid, port int) map[string]bool {
	inodes := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			// Number, local address, remote address, state, …, inode.
			if len(fields) > 9 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+fields[9]+"]"] = true
			}
		}
		_ = f.Close()
	}
	return inodes
}
