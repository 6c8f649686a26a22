package mariadb

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Flavour is a kind of server.
type Flavour string

// The flavours that a server can have.
const (
	// MariaDB is the one that this machine has installed.
	MariaDB Flavour = "mariadb"
	// NewerMariaDB and MySQL are those that `make servers` puts into a cache.
	NewerMariaDB Flavour = "mariadb-new"
	MySQL        Flavour = "mysql"
)

// The environment variables that choose a server.
const (
	// EnvFlavour names the flavour that Start takes unless told otherwise, or a
	// list of several, with commas, for sites that take turns.
	EnvFlavour = "BARAZA_SERVER"
	// EnvCache is the directory of the flavours that are not installed; by
	// default baraza/servers in the user's cache directory.
	EnvCache = "BARAZA_SERVERS"
)

// Default returns the flavour that the environment asks for, the first of
// several.
func Default() Flavour { return Turn(0) }

// Turn returns the flavour of the site with a number, where sites take turns.
func Turn(n int) Flavour {
	list := strings.Split(os.Getenv(EnvFlavour), ",")
	if list[0] == "" {
		return MariaDB
	}
	return Flavour(list[n%len(list)])
}

// IsMySQL reports whether servers of the flavour are MySQL and not MariaDB.
func (f Flavour) IsMySQL() bool { return f == MySQL }

// program is how to run a server's program.
type program struct {
	argv []string // what to execute, with the arguments that come first
	args []string // the arguments that say where its files are
	sql  string   // the directory of the scripts that make a MariaDB's system tables
}

// server finds the flavour's server program.
func (f Flavour) server() (*program, error) {
	switch f {
	case MariaDB:
		path, err := find("mariadbd")
		return &program{argv: []string{path}}, err
	case NewerMariaDB:
		return f.cached("mariadbd")
	case MySQL:
		return f.cached("mysqld")
	}
	return nil, fmt.Errorf("%s: there is no server flavour %q; use %s, %s or %s", EnvFlavour, f, MariaDB, NewerMariaDB, MySQL)
}

// cached finds a program in the directory tree of another Debian release. It
// runs with that tree's own C library and loader, so it needs no chroot, and its
// data may be anywhere.
func (f Flavour) cached(name string) (*program, error) {
	root, err := f.cache()
	if err != nil {
		return nil, err
	}
	absent := fmt.Errorf("no %s in %s; install it with: make servers: %w", name, root, ErrNotInstalled)
	usr := filepath.Join(root, "usr")
	binary := filepath.Join(usr, "sbin", name)
	if _, err := os.Stat(binary); err != nil {
		return nil, absent
	}
	loaders, _ := filepath.Glob(filepath.Join(root, "lib*", "ld-linux*.so.*"))
	libraries, _ := filepath.Glob(filepath.Join(usr, "lib", "*-linux-gnu"))
	if len(loaders) == 0 || len(libraries) == 0 {
		return nil, absent
	}
	share := filepath.Join(usr, "share", strings.TrimSuffix(name, "d"))
	return &program{
		argv: []string{loaders[0], "--library-path", strings.Join(libraries, ":"), binary},
		args: []string{
			"--basedir=" + usr, "--lc-messages-dir=" + share, "--character-sets-dir=" + filepath.Join(share, "charsets"),
			"--plugin-dir=" + filepath.Join(usr, "lib", "mysql", "plugin"),
		},
		sql: share,
	}, nil
}

func (f Flavour) cache() (string, error) {
	if dir := os.Getenv(EnvCache); dir != "" {
		return filepath.Abs(filepath.Join(dir, string(f)))
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "baraza", "servers", string(f)), err
}

// command returns the command line of the program.
func (p *program) command(args ...string) *exec.Cmd {
	argv := append(append([]string{}, p.argv...), "--no-defaults")
	argv = append(append(argv, p.args...), args...)
	return exec.Command(argv[0], argv[1:]...)
}

// find returns the path of a MariaDB program: on PATH, or where distributions
// put servers, which is not on every user's PATH.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/mysql/bin", "/usr/local/mysql/scripts"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}

// Installed returns ErrNotInstalled, with what to do, when this machine cannot
// run a server of the default flavour.
func Installed() error { return Default().Installed() }

// Installed is Installed for one flavour.
func (f Flavour) Installed() error {
	if _, err := f.server(); err != nil {
		return err
	}
	if f == MariaDB {
		_, err := find("mariadb-install-db")
		return err
	}
	return nil
}
