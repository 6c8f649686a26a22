package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options say where and how the demo runs.
type Options struct {
	// Keep leaves everything running at the end until the context ends.
	Keep bool
	// Dir is where servers and sites keep their files; "" takes a new
	// directory and removes it at the end.
	Dir string
	// Baraza is the path of the program; "" is the running one.
	Baraza string
}

// story is one run of the demo.
type story struct {
	out     io.Writer
	began   time.Time
	root    string
	binary  string
	clinics []*clinic
}

// The clinics, in the order in which they join.
const (
	kisumu = iota
	nakuru
	lodwar
)

// Run tells the story, and returns nil only when all of it came true. It
// leaves no process behind.
func Run(ctx context.Context, o Options, out io.Writer) (err error) {
	s := &story{out: out, began: time.Now(), root: o.Dir, binary: o.Baraza}
	if s.binary == "" {
		if s.binary, err = os.Executable(); err != nil {
			return fmt.Errorf("cannot find the program itself: %w; name it with --baraza", err)
		}
	}
	if s.root == "" {
		if s.root, err = os.MkdirTemp("", "baraza-demo-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(s.root) }()
	}
	if s.root, err = filepath.Abs(s.root); err != nil {
		return err
	}
	if files, err := os.ReadDir(s.root); err == nil && len(files) > 0 {
		return fmt.Errorf("%s is not empty: name a directory that is new or empty", s.root)
	}
	defer s.close()
	if err := s.tell(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("the demo was stopped; nothing of it is left")
		}
		return fmt.Errorf("the demo's claim does not hold: %w", err)
	}
	s.say("All of it came true, in %.0f seconds.", time.Since(s.began).Seconds())
	if o.Keep {
		s.lookAround()
		<-ctx.Done()
		s.say("Stopping everything.")
	}
	return nil
}

func (s *story) tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{
		s.foundClinics, s.join, s.together, s.apart, s.reunion, s.conflicts,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// say prints a line of the story.
func (s *story) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%5.1f s  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// detail prints a line that belongs to the one before.
func (s *story) detail(format string, args ...any) {
	fmt.Fprintf(s.out, "         %s\n", fmt.Sprintf(format, args...))
}

// title begins a chapter.
func (s *story) title(text string) {
	fmt.Fprintf(s.out, "\n%s\n", text)
}

// each runs f for all clinics at once.
func (s *story) each(f func(i int) error) error {
	errs := make([]error, len(s.clinics))
	var group sync.WaitGroup
	for i := range s.clinics {
		group.Go(func() { errs[i] = f(i) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err // one is enough for a line
		}
	}
	return nil
}

func (s *story) close() {
	_ = s.each(func(i int) error {
		if c := s.clinics[i]; c != nil {
			c.close()
		}
		return nil
	})
}

func (s *story) lookAround() {
	s.title("Everything is still running. Look around from another terminal:")
	for _, c := range s.clinics {
		fmt.Fprintf(s.out, "\n  %s\n    mariadb --no-defaults -u root -S %s %s\n    %s status --data %s\n    %s conflicts list --data %s\n",
			c.name, c.server.Socket(), database, s.binary, c.dir, s.binary, c.dir)
	}
	fmt.Fprintf(s.out, "\nCtrl-C stops everything.\n")
}
