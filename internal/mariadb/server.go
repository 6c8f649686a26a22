package mariadb

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"

	"baraza/internal/child"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 60 * time.Second
	pollInterval = 20 * time.Millisecond
	socketName   = "s.sock"
)

// ErrNotInstalled says that this machine does not have a server.
var ErrNotInstalled = errors.New("the server is not installed on this machine; make deps installs MariaDB, make servers the other ones")

// Server is one private server.
type Server struct {
	flavour Flavour
	dir     string
	port    int
	args    []string
	binlog  bool
	proc    *child.Process
}

// Option changes how a server is started.
type Option func(*Server)

// WithBinlog turns the binary log on, in ROW format.
func WithBinlog() Option { return func(s *Server) { s.binlog = true } }

// WithFlavour chooses the kind of server, in place of Default.
func WithFlavour(f Flavour) Option { return func(s *Server) { s.flavour = f } }

// WithArgs adds arguments for the server; they win over the defaults.
func WithArgs(args ...string) Option {
	return func(s *Server) { s.args = append(s.args, args...) }
}

// Start creates a database in dir, unless there is one, and starts a server on
// it. It returns when the server answers.
func Start(dir string, opts ...Option) (*Server, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: abs, flavour: Default()}
	for _, o := range opts {
		o(s)
	}
	if err := s.create(); err != nil {
		return nil, err
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	if err := s.launch(); err != nil {
		return nil, err
	}
	return s, nil
}

// Flavour is the kind of server.
func (s *Server) Flavour() Flavour { return s.flavour }

// Dir is where the server keeps its files.
func (s *Server) Dir() string { return s.dir }

// Port is the server's TCP port on 127.0.0.1; it stays the same over Restart.
func (s *Server) Port() int { return s.port }

// PID is the server's process id, 0 when it does not run.
func (s *Server) PID() int {
	if s.proc == nil {
		return 0
	}
	return s.proc.Pid()
}

// Socket is the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, socketName) }

// DSN returns go-sql-driver's data source name for a user without a password.
func (s *Server) DSN(user, db string) string {
	return fmt.Sprintf("%s@tcp(127.0.0.1:%d)/%s", user, s.port, db)
}

// Kill ends the server at once, as kill -9 does, and waits until it is gone.
func (s *Server) Kill() {
	if s.proc != nil {
		s.proc.Kill()
		s.proc = nil
	}
}

// Stop shuts the server down cleanly; a server that does not stop in time is
// killed.
func (s *Server) Stop() {
	if s.proc != nil {
		s.proc.Stop(stopTimeout)
		s.proc = nil
	}
}

// Restart starts the server again on the same port and data, after Kill or
// Stop. A server that still runs is stopped first.
func (s *Server) Restart() error {
	s.Stop()
	return s.launch()
}

func (s *Server) data() string     { return filepath.Join(s.dir, "data") }
func (s *Server) errorLog() string { return filepath.Join(s.dir, "error.log") }

// tempEnv gives the server a directory of its own for temporary tables. A
// server that starts removes all that it finds in that directory, those of
// other running servers too.
func (s *Server) tempEnv() ([]string, error) {
	dir := filepath.Join(s.dir, "tmp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return append(os.Environ(), "TMPDIR="+dir), nil
}

func (s *Server) launch() error {
	daemon, err := s.flavour.server()
	if err != nil {
		return err
	}
	args := append([]string{
		"--datadir=" + s.data(), "--socket=../" + socketName, // short: a socket's path has about 100 bytes
		"--port=" + strconv.Itoa(s.port), "--bind-address=127.0.0.1",
		"--pid-file=" + filepath.Join(s.dir, "pid"), "--log-error=" + s.errorLog(),
	}, userArgs()...)
	args = append(args, s.serverArgs()...)
	cmd := daemon.command(append(args, s.args...)...)
	if cmd.Env, err = s.tempEnv(); err != nil {
		return err
	}
	proc, err := child.Start(cmd)
	if err != nil {
		return fmt.Errorf("start a %s server in %s: %w", s.flavour, s.dir, err)
	}
	if err := s.await(proc); err != nil {
		proc.Kill()
		return err
	}
	s.proc = proc
	return nil
}

// await waits until the server answers a query.
func (s *Server) await(proc *child.Process) error {
	cfg, err := mysql.ParseDSN(s.DSN("root", ""))
	if err != nil {
		return err
	}
	cfg.Timeout = time.Second
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-proc.Done():
			log, _ := os.ReadFile(s.errorLog())
			return fmt.Errorf("the %s server in %s ended while starting: %s", s.flavour, s.dir, tail(log))
		case <-ctx.Done():
			return fmt.Errorf("the %s server in %s does not answer after %v: %w", s.flavour, s.dir, startTimeout, err)
		case <-time.After(pollInterval):
		}
	}
}

// userArgs lets root run the server, which it refuses otherwise.
func userArgs() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tail returns the last lines of a program's output.
func tail(out []byte) string {
	const most = 600
	out = bytes.TrimSpace(out)
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return string(out)
}
