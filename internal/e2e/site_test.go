package e2e

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"baraza/internal/mariadb"
	"baraza/internal/netcut"
	"baraza/node/admin"
)

const database = "clinic"

var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "baraza-e2e-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "baraza")
	args := []string{"build", "-o", bin}
	if os.Getenv("BARAZA_E2E_RACE") != "" {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "baraza/cmd/baraza")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
})

// sites counts those made, so that they take turns at the flavours of servers.
var sites int

// emptyServer makes the data directory that all servers of the tests start
// with a copy of: to make one anew takes seconds.
func emptyServer(flavour mariadb.Flavour) (string, error) {
	bin, err := buildOnce()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(filepath.Dir(bin), "server-"+string(flavour))
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(data); err == nil {
		return data, nil
	}
	server, err := mariadb.Start(dir, mariadb.WithFlavour(flavour))
	if err != nil {
		return "", err
	}
	server.Stop()
	return data, nil
}

func TestMain(m *testing.M) {
	_ = mysql.SetLogger(&mysql.NopLogger{}) // servers are killed here all the time
	code := m.Run()
	if bin, err := buildOnce(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// site is one database server and one baraza process.
type site struct {
	t      *testing.T
	name   string
	dir    string
	server *mariadb.Server
	relay  *netcut.Relay // everything that others send to the site goes through it
	db     *sql.DB
	proc   *exec.Cmd
	exited chan struct{}
	log    *output
	listen string
	user   string // what baraza connects as, with its password
}

// newSite starts a server with an empty database.
func newSite(t *testing.T, name string, options ...mariadb.Option) *site {
	t.Helper()
	flavour := mariadb.Turn(sites)
	sites++
	if err := flavour.Installed(); err != nil {
		t.Skip(err)
	}
	root := t.TempDir()
	empty, err := emptyServer(flavour)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(root, "server", "data"), os.DirFS(empty)); err != nil {
		t.Fatal(err)
	}
	server, err := mariadb.Start(filepath.Join(root, "server"), append([]mariadb.Option{mariadb.WithFlavour(flavour)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, name: name, log: new(output), dir: filepath.Join(root, "site"), server: server, listen: freeAddress(t), user: "root"}
	if s.relay, err = netcut.New("127.0.0.1:0", s.listen); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.kill()
		_ = s.relay.Close()
		_ = s.db.Close()
		server.Kill()
		if t.Failed() {
			t.Logf("log of site %s:\n%s", name, tail(s.log.String(), 60))
		}
	})
	if s.db, err = sql.Open("mysql", server.DSN("root", "")); err != nil {
		t.Fatal(err)
	}
	s.exec("CREATE DATABASE " + database + " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
	_ = s.db.Close()
	s.actAs("root")
	return s
}

// actAs makes a user the one as whom the test reads and writes.
func (s *site) actAs(user string) {
	s.t.Helper()
	db, err := sql.Open("mysql", s.server.DSN(user, database)+"?multiStatements=true")
	if err != nil {
		s.t.Fatal(err)
	}
	s.db = db
}

// dsn is what baraza connects with.
func (s *site) dsn() string { return s.server.DSN(s.user, database) }

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// exec runs SQL as an application.
func (s *site) exec(query string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Exec(query, args...); err != nil {
		s.t.Fatalf("site %s: %v\n%s", s.name, err, query[:min(len(query), 300)])
	}
}

// value reads one value as text.
func (s *site) value(query string, args ...any) string {
	s.t.Helper()
	var v sql.NullString
	if err := s.db.QueryRow(query, args...).Scan(&v); err != nil {
		s.t.Fatalf("site %s: %v\n%s", s.name, err, query)
	}
	if !v.Valid {
		return "NULL"
	}
	return v.String
}

// rows reads rows as lines of tab-separated text.
func (s *site) rows(query string) string {
	s.t.Helper()
	text, err := s.tryRows(query)
	if err != nil {
		s.t.Fatalf("site %s: %v\n%s", s.name, err, query)
	}
	return text
}

func (s *site) tryRows(query string) (string, error) {
	rows, err := s.db.Query(query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	cols, _ := rows.Columns()
	vals, ptrs := make([]sql.NullString, len(cols)), make([]any, len(cols))
	for i := range vals {
		ptrs[i] = &vals[i]
	}
	var b strings.Builder
	for rows.Next() {
		if err := rows.Scan(ptrs...); err != nil {
			return "", err
		}
		for i, v := range vals {
			if i > 0 {
				b.WriteByte('\t')
			}
			if !v.Valid {
				b.WriteString("NULL")
			}
			b.WriteString(v.String)
		}
		b.WriteByte('\n')
	}
	return b.String(), rows.Err()
}

// baraza runs the program and returns its output and exit code.
func baraza(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (s *site) must(args ...string) string {
	s.t.Helper()
	out, errs, code := baraza(s.t, args...)
	if code != 0 {
		s.t.Fatalf("site %s: baraza %s: exit %d: %s%s", s.name, args[0], code, out, errs)
	}
	return out
}

func (s *site) setup() []string {
	return []string{
		"--data", s.dir, "--dsn", s.dsn(), "--name", s.name,
		"--listen", s.listen, "--advertise", s.relay.Addr(),
	}
}

func (s *site) init(more ...string) {
	s.t.Helper()
	s.must(append(append([]string{"init"}, s.setup()...), more...)...)
}

func (s *site) join(at *site, more ...string) {
	s.t.Helper()
	token := strings.TrimSpace(at.must("invite", "--data", at.dir))
	s.must(append(append(append([]string{"join"}, s.setup()...), "--token", token), more...)...)
}

// run starts the site's process.
// run starts the process, with what flags there are.
func (s *site) run(flags ...string) {
	s.t.Helper()
	bin, err := buildOnce()
	if err != nil {
		s.t.Fatal(err)
	}
	s.proc = exec.Command(bin, append([]string{"run", "--data", s.dir}, flags...)...)
	s.proc.Stdout, s.proc.Stderr = s.log, s.log
	s.proc.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.proc.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	s.exited = exited
	go func(p *exec.Cmd) { _ = p.Wait(); close(exited) }(s.proc)
}

// kill ends the process as kill -9 does.
func (s *site) kill() {
	if s.proc != nil {
		_ = s.proc.Process.Kill()
		<-s.exited
		s.proc = nil
	}
}

// stop ends the process cleanly.
func (s *site) stop() {
	s.t.Helper()
	_ = s.proc.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(20 * time.Second):
		s.t.Fatalf("site %s did not stop within 20 s", s.name)
	}
	if code := s.proc.ProcessState.ExitCode(); code != 0 {
		s.t.Fatalf("site %s stopped with exit code %d", s.name, code)
	}
	s.proc = nil
}

func (s *site) status() (st admin.Status, err error) {
	out, errs, code := baraza(s.t, "status", "--data", s.dir, "--json")
	if code != 0 {
		return st, fmt.Errorf("status: exit %d: %s", code, errs)
	}
	return st, json.Unmarshal([]byte(out), &st)
}

func (s *site) conflicts(more ...string) (list admin.ConflictList) {
	s.t.Helper()
	out := s.must(append([]string{"conflicts", "list", "--data", s.dir, "--json"}, more...)...)
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		s.t.Fatal(err)
	}
	return list
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// busy is how much longer things may take on a busy machine.
const busy = 4

// eventually waits until the check is good, and fails with its last word.
func eventually(t *testing.T, usually time.Duration, what string, check func() error) {
	t.Helper()
	soon(t, busy*usually, what, check)
}

// soon is for what must not take longer on any machine.
func soon(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	var err error
	for time.Now().Before(deadline) {
		if err = check(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s: not within %s: %v", what, within, err)
}

// running waits until the site is up and ready.
func (s *site) running() {
	s.t.Helper()
	eventually(s.t, 60*time.Second, "site "+s.name+" runs", func() error {
		st, err := s.status()
		if err == nil && len(st.Vector) == 0 && len(st.Alarms) > 0 {
			err = fmt.Errorf("alarms: %v", st.Alarms)
		}
		return err
	})
}

// quiet waits until every site has everything of every other and has applied
// it.
func quiet(t *testing.T, within time.Duration, sites ...*site) {
	t.Helper()
	eventually(t, within, "the sites have everything", func() error {
		var first map[string]uint64
		for _, s := range sites {
			st, err := s.status()
			if err != nil {
				return err
			}
			if st.PendingApply != 0 || st.PendingCapture != 0 {
				return fmt.Errorf("site %s: %d to capture, %d to apply; %v", s.name, st.PendingCapture, st.PendingApply, st.Alarms)
			}
			if alarms := strings.Join(st.Alarms, "\n"); strings.Contains(alarms, "capture and apply are held") || strings.Contains(alarms, "figures are some seconds old") {
				return fmt.Errorf("site %s: %s", s.name, alarms)
			}
			if len(st.Vector) == 0 {
				return fmt.Errorf("site %s has no vector: %v", s.name, st.Alarms)
			}
			if first == nil {
				first = st.Vector
			}
			for id, n := range st.Vector {
				if first[id] != n {
					return fmt.Errorf("site %s has %d of %s, site %s has %d", s.name, n, id[:8], sites[0].name, first[id])
				}
			}
			if len(first) != len(st.Vector) {
				return fmt.Errorf("site %s knows %v, site %s knows %v", sites[0].name, first, s.name, st.Vector)
			}
		}
		return nil
	})
}

// same waits until a query gives the same at all sites, and returns it.
func same(t *testing.T, within time.Duration, query string, sites ...*site) string {
	t.Helper()
	var want string
	eventually(t, within, "the same rows everywhere", func() error {
		for i, s := range sites {
			got, err := s.tryRows(query)
			if err != nil {
				return err
			}
			if i == 0 {
				want = got
			} else if got != want {
				return fmt.Errorf("%s\nsite %s:\n%s\nsite %s:\n%s", query, sites[0].name, head(want), s.name, head(got))
			}
		}
		return nil
	})
	return want
}

func head(s string) string { return s[:min(len(s), 1500)] }
