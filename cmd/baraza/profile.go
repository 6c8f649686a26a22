package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// envPprof names the address on which a running site serves profiles of itself
// (net/http/pprof), for whoever tunes it; not set, it serves none.
const envPprof = "BARAZA_PPROF"

// serveProfiles serves profiles on a loopback address until the process ends.
func serveProfiles(address string, log *slog.Logger) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", envPprof, err)
	}
	if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
		_ = l.Close()
		return fmt.Errorf("%s: profiles show what a process holds, so %s must be a loopback address", envPprof, address)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { log.Debug("profiles end", "error", server.Serve(l)) }()
	return nil
}
