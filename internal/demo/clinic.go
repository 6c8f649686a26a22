package demo

import (
	"bytes"
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql" // the clinics' databases

	"baraza/internal/child"
	"baraza/internal/mariadb"
	"baraza/internal/netcut"
)

//go:embed clinic.sql
var clinicSQL string

const database = "clinic"

// stopTimeout is how long a site may take to stop before it is killed.
const stopTimeout = 10 * time.Second

// clinic is one site: a database server, a baraza process, and the relay that
// the other sites reach it through.
type clinic struct {
	name   string
	dir    string // baraza's data directory
	binary string
	listen string
	server *mariadb.Server
	relay  *netcut.Relay
	db     *sql.DB
	proc   *child.Process
	log    string
}

// newClinic starts the clinic's server and loads its empty tables.
func newClinic(ctx context.Context, binary, root, name string, flavour mariadb.Flavour) (c *clinic, err error) {
	dir := filepath.Join(root, strings.ToLower(name))
	c = &clinic{name: name, binary: binary, dir: filepath.Join(dir, "baraza"), log: filepath.Join(dir, "baraza.log")}
	defer func() {
		if err != nil {
			c.close()
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	if c.server, err = mariadb.Start(filepath.Join(dir, "mariadb"), mariadb.WithFlavour(flavour)); err != nil {
		return c, err
	}
	if c.listen, err = freeAddress(); err != nil {
		return c, err
	}
	if c.relay, err = netcut.New("127.0.0.1:0", c.listen); err != nil {
		return c, err
	}
	admin, err := sql.Open("mysql", c.server.DSN("root", ""))
	if err != nil {
		return c, err
	}
	defer admin.Close()
	if _, err = admin.ExecContext(ctx, "CREATE DATABASE "+database+" CHARACTER SET utf8mb4"); err != nil {
		return c, err
	}
	if c.db, err = sql.Open("mysql", c.server.DSN("root", database)+"?multiStatements=true"); err != nil {
		return c, err
	}
	return c, c.exec(ctx, clinicSQL)
}

// freeAddress finds a port of the loopback that nobody uses.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// exec runs SQL as the clinic's application would.
func (c *clinic) exec(ctx context.Context, query string, args ...any) error {
	if _, err := c.db.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w in: %.80s", c.name, err, strings.TrimSpace(query))
	}
	return nil
}

// value reads one value; "" for no row and for NULL.
func (c *clinic) value(ctx context.Context, query string, args ...any) (string, error) {
	var v sql.NullString
	err := c.db.QueryRowContext(ctx, query, args...).Scan(&v)
	if err != nil && err != sql.ErrNoRows { //nolint:errorlint // Scan returns it as it is
		return "", fmt.Errorf("%s: %w in: %.80s", c.name, err, query)
	}
	return v.String, nil
}

// baraza runs the program and returns what it printed.
func (c *clinic) baraza(ctx context.Context, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, c.binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("baraza %s at %s: %w: %s", args[0], c.name, err, oneLine(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// setUp runs init, or join where there is a token.
func (c *clinic) setUp(ctx context.Context, token string) error {
	args := []string{
		"--data", c.dir, "--dsn", c.server.DSN("root", database), "--name", c.name,
		"--listen", c.listen, "--advertise", c.relay.Addr(),
	}
	command := "init"
	if token != "" {
		command = "join"
		args = append(args, "--token", token)
	}
	_, err := c.baraza(ctx, append([]string{command}, args...)...)
	return err
}

// run starts the clinic's baraza and waits until it answers.
func (c *clinic) run(ctx context.Context) error {
	log, err := os.Create(c.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(c.binary, "run", "--data", c.dir)
	cmd.Stdout, cmd.Stderr = log, log
	if c.proc, err = child.Start(cmd); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return wait(ctx, "baraza runs at "+c.name, func() error {
		select {
		case <-c.proc.Done():
			return final{fmt.Errorf("it ended: %s", c.lastWords())}
		default:
		}
		_, err := c.status(ctx)
		return err
	})
}

// lastWords returns the end of the process's log.
func (c *clinic) lastWords() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// status is what the demo reads of `baraza status --json`.
type status struct {
	ID             string
	Vector         map[string]uint64
	PendingCapture uint64 `json:"pending_capture"`
	PendingApply   uint64 `json:"pending_apply"`
	Waiting        int
	SetAside       int `json:"set_aside"`
	Alarms         []string
}

func (c *clinic) status(ctx context.Context) (*status, error) {
	out, err := c.baraza(ctx, "status", "--data", c.dir, "--json")
	if err != nil {
		return nil, err
	}
	s := &status{}
	return s, json.Unmarshal([]byte(out), s)
}

// conflict is what the demo reads of `baraza conflicts list --json`.
type conflict struct {
	Table, Key, Column string
	Won, Lost          struct {
		Site, Value string
		Delete      bool
	}
}

func (c *clinic) conflicts(ctx context.Context) ([]conflict, error) {
	out, err := c.baraza(ctx, "conflicts", "list", "--data", c.dir, "--json")
	if err != nil {
		return nil, err
	}
	var list struct{ Conflicts []conflict }
	return list.Conflicts, json.Unmarshal([]byte(out), &list)
}

// close stops everything that belongs to the clinic.
func (c *clinic) close() {
	if c.proc != nil {
		c.proc.Stop(stopTimeout)
	}
	if c.relay != nil {
		_ = c.relay.Close()
	}
	if c.db != nil {
		_ = c.db.Close()
	}
	if c.server != nil {
		c.server.Kill() // the data is thrown away
	}
}

const (
	waitMax  = 45 * time.Second
	waitStep = 50 * time.Millisecond
)

// final is an error that waiting does not mend.
type final struct{ error }

// wait tries until check is content.
func wait(ctx context.Context, what string, check func() error) error {
	deadline := time.Now().Add(waitMax)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, ok := err.(final); ok || time.Now().After(deadline) { //nolint:errorlint // never wrapped
			return fmt.Errorf("waited for: %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(waitStep):
		}
	}
}
