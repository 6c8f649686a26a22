package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"baraza/internal/child"
)

const (
	commandTimeout  = 10 * time.Minute // a join may install triggers on a large database
	readyTimeout    = 10 * time.Minute
	siteStopTimeout = 60 * time.Second
	statusInterval  = 200 * time.Millisecond
)

// site is one baraza process beside a server, used through its command line.
type site struct {
	o         *Options
	name      string
	dir       string
	server    *server
	listen    string
	advertise string
	pprof     string
	proc      *child.Process
}

// status is the part of `baraza status --json` that is used here.
type status struct {
	Site  string `json:"site"`
	Peers []struct {
		State         string `json:"state"`
		BehindBatches uint64 `json:"behind_batches"`
	} `json:"peers"`
	Vector         map[string]uint64 `json:"vector"`
	PendingCapture uint64            `json:"pending_capture"`
	PendingApply   uint64            `json:"pending_apply"`
	Alarms         []string          `json:"alarms"`
	Log            struct {
		Entries    uint64 `json:"entries"`
		Unstable   uint64 `json:"unstable"`
		Tombstones int    `json:"tombstones"`
	} `json:"log"`
}

// site makes one; it is not set up yet.
func (l *lab) site(name string, s *server) (*site, error) {
	b := &site{o: l.o, name: name, dir: filepath.Join(l.dir, "site-"+name), server: s}
	for _, at := range []*string{&b.listen, &b.pprof} {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*at = free.Addr().String()
		_ = free.Close()
	}
	b.advertise = b.listen
	l.atEnd(b.kill)
	return b, nil
}

// baraza runs a command of the program and returns what it printed.
func (b *site) baraza(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, b.o.Bin, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("site %s: baraza %s: %w: %s", b.name, args[0], err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func (b *site) setup(command string, more ...string) []string {
	return append([]string{
		command, "--data", b.dir, "--dsn", b.server.DSN("root", databaseName), "--name", b.name,
		"--listen", b.listen, "--advertise", b.advertise,
	}, more...)
}

func (b *site) init(ctx context.Context) error {
	_, err := b.baraza(ctx, b.setup("init")...)
	return err
}

func (b *site) join(ctx context.Context, at *site) error {
	token, err := at.baraza(ctx, "invite", "--data", at.dir)
	if err != nil {
		return err
	}
	_, err = b.baraza(ctx, b.setup("join", "--token", token)...)
	return err
}

// start starts the site's process and does not wait until it is ready.
func (b *site) start() error {
	log, err := os.OpenFile(b.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(b.o.Bin, "run", "--data", b.dir)
	cmd.Stdout, cmd.Stderr = log, log
	if b.o.Profile != "" {
		cmd.Env = append(os.Environ(), "BARAZA_PPROF="+b.pprof)
	}
	if b.proc, err = child.Start(cmd); err != nil {
		return fmt.Errorf("site %s: %w", b.name, err)
	}
	return nil
}

// run starts the process and waits until it is ready.
func (b *site) run(ctx context.Context) error {
	if err := b.start(); err != nil {
		return err
	}
	return b.ready(ctx)
}

// ready waits until the site has been brought up and works.
func (b *site) ready(ctx context.Context) error {
	return b.await(ctx, readyTimeout, "to be ready", func(s *status) bool { return len(s.Vector) > 0 || len(s.Alarms) == 0 })
}

// pid is the process id, 0 when it does not run.
func (b *site) pid() int {
	if b.proc == nil {
		return 0
	}
	return b.proc.Pid()
}

// alive tells why a process that was started does not run any more.
func (b *site) alive() error {
	if b.proc != nil {
		select {
		case <-b.proc.Done():
			return fmt.Errorf("site %s ended by itself: %s", b.name, b.lastLog())
		default:
		}
	}
	return nil
}

func (b *site) kill() {
	if b.proc != nil {
		b.proc.Kill()
		b.proc = nil
	}
}

// stop ends the process as an administrator would.
func (b *site) stop() error {
	if b.proc == nil {
		return nil
	}
	proc := b.proc
	b.proc = nil
	if !proc.Stop(siteStopTimeout) {
		return fmt.Errorf("site %s did not stop within %v", b.name, siteStopTimeout)
	}
	if code := proc.State().ExitCode(); code != 0 {
		return fmt.Errorf("site %s stopped with exit code %d: %s", b.name, code, b.lastLog())
	}
	return nil
}

func (b *site) lastLog() string {
	text, _ := os.ReadFile(b.dir + ".log")
	const most = 400
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}

func (b *site) status(ctx context.Context) (*status, error) {
	out, err := b.baraza(ctx, "status", "--data", b.dir, "--json")
	if err != nil {
		return nil, err
	}
	var s status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return nil, fmt.Errorf("site %s: status --json: %w", b.name, err)
	}
	return &s, nil
}

// await waits until the status is as wanted.
func (b *site) await(ctx context.Context, within time.Duration, what string, good func(*status) bool) error {
	deadline := time.Now().Add(within)
	var last error
	for time.Now().Before(deadline) {
		s, err := b.status(ctx)
		if err == nil && good(s) {
			return nil
		}
		if last = err; err == nil {
			last = fmt.Errorf("%d to capture, %d to apply, alarms: %s", s.PendingCapture, s.PendingApply, strings.Join(s.Alarms, "; "))
		}
		if err := b.alive(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		case <-time.After(statusInterval):
		}
	}
	return fmt.Errorf("site %s was waited for %s: not within %v: %w", b.name, what, within, last)
}

// captured waits until the site has taken every local change.
func (b *site) captured(ctx context.Context) error {
	return b.await(ctx, readyTimeout, "to have captured everything", func(s *status) bool {
		return len(s.Vector) > 0 && s.PendingCapture == 0
	})
}
