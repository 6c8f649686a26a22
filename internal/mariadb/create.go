package mariadb

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// create fills the data directory if it is not there. It is made beside its
// place and renamed, so that an interrupted attempt leaves nothing half done.
func (s *Server) create() error {
	if _, err := os.Stat(s.data()); err == nil {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	fresh := s.data() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	cmd, err := s.createCommand(fresh)
	if err != nil {
		return err
	}
	if cmd.Env, err = s.tempEnv(); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("create a %s database in %s: %w: %s", s.flavour, s.dir, err, tail(out))
	}
	return os.Rename(fresh, s.data())
}

// createCommand is what makes a data directory in which root has no password.
func (s *Server) createCommand(data string) (*exec.Cmd, error) {
	switch {
	case s.flavour.IsMySQL():
		p, err := s.flavour.server()
		if err != nil {
			return nil, err
		}
		return p.command(append([]string{"--initialize-insecure", "--datadir=" + data}, userArgs()...)...), nil
	case s.flavour != MariaDB:
		return s.bootstrap(data)
	}
	install, err := find("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"--no-defaults", "--datadir=" + data, "--skip-test-db",
		"--auth-root-authentication-method=normal",
	}, userArgs()...)
	return exec.Command(install, args...), nil
}

// bootstrap does what mariadb-install-db does, which cannot run outside its
// own Debian release.
func (s *Server) bootstrap(data string) (*exec.Cmd, error) {
	p, err := s.flavour.server()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(data, "mysql"), 0o700); err != nil {
		return nil, err
	}
	script := []byte("use mysql;\nSET @auth_root_socket=NULL;\n")
	for _, name := range []string{"system_tables", "performance_tables", "system_tables_data"} {
		text, err := os.ReadFile(filepath.Join(p.sql, "mariadb_"+name+".sql"))
		if err != nil {
			return nil, err
		}
		script = append(append(script, text...), '\n')
	}
	cmd := p.command(append([]string{"--bootstrap", "--datadir=" + data, "--log-warnings=0", "--enforce-storage-engine="}, userArgs()...)...)
	cmd.Stdin = bytes.NewReader(script)
	return cmd, nil
}

// serverArgs are the arguments that only one of the two kinds knows.
func (s *Server) serverArgs() []string {
	if !s.flavour.IsMySQL() {
		args := []string{"--skip-name-resolve"}
		if s.binlog {
			args = append(args, "--log-bin=binlog", "--binlog-format=ROW", "--server-id=1")
		}
		return args
	}
	// With --skip-name-resolve root@localhost could not come by TCP.
	args := []string{"--mysqlx=OFF", "--secure-file-priv="}
	if s.binlog {
		return append(args, "--log-bin=binlog", "--server-id=1")
	}
	return append(args, "--skip-log-bin")
}
