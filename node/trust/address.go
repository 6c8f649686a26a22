package trust

import (
	"fmt"
	"net"
	"strconv"
)

// CheckAddress reports whether a string is HOST:PORT, something to dial.
func CheckAddress(address string) error {
	bad := fmt.Errorf("the address %.80q is not HOST:PORT with a port from 1 to 65535, as in clinic7.example.org:7946", address)
	if len(address) > AddressBytesMax {
		return bad
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return bad
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return bad
	}
	for _, c := range []byte(host) {
		if c <= ' ' || c > '~' || c == '/' || c == '@' {
			return bad
		}
	}
	return nil
}
