package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"baraza/node/admin"
)

// bundleSuffix ends the name of a bundle that nobody gave a name.
const bundleSuffix = ".baraza"

// parseSize reads a number of bytes; "" is 0.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	units := []struct {
		name string
		size int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n <= 0 || n > 1<<60/u.size {
			break
		}
		if n*u.size < bundleLeast {
			return 0, fmt.Errorf("is too little: give 1MB at least")
		}
		return n * u.size, nil
	}
	return 0, errors.New("is not a size, such as 650MB or 4GB")
}

// bundleLeast is the least limit of a bundle's size: below, an entry may never
// fit.
const bundleLeast = 1e6

// shown shows on a terminal how much was carried; elsewhere nothing.
type shown struct {
	w     io.Writer
	what  string
	total int64 // 0: not known
	began time.Time
	n     int64
	last  time.Time
}

func (s *shown) add(n int) {
	s.n += int64(n)
	if time.Since(s.last) < progressEvery || !isTerminal(s.w) {
		return
	}
	s.last = time.Now()
	of := ""
	if s.total > 0 && s.n > 0 {
		left := time.Duration(float64(time.Since(s.began)) * float64(s.total-s.n) / float64(s.n))
		of = fmt.Sprintf(" of %s, %s left", bytesText(s.total), left.Round(time.Second))
	}
	rate := float64(s.n) / max(time.Since(s.began).Seconds(), progressEvery.Seconds())
	fmt.Fprintf(s.w, "\r\x1b[K%s %s%s, %s/s", s.what, bytesText(s.n), of, bytesText(int64(rate)))
}

// shownReader and shownWriter show what passes through them.
type shownReader struct {
	in io.Reader
	shown
}

func (r *shownReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.add(n)
	return n, err
}

type shownWriter struct {
	out io.Writer
	shown
}

func (w *shownWriter) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	w.add(n)
	return n, err
}

// exportTo writes a bundle to a file, to stdout for "-", and for "" to a file in
// where with a name of its own; and says so.
func exportTo(cmd *cobra.Command, c *admin.Client, req admin.ExportRequest, out, where string) error {
	say := cmd.OutOrStdout()
	if out == "-" {
		say = cmd.ErrOrStderr()
		done, err := c.Export(cmd.Context(), req, cmd.OutOrStdout())
		if err != nil {
			return err
		}
		printExported(say, done, "stdout", -1)
		return nil
	}
	if out != "" {
		where = filepath.Dir(out)
		if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
			return admin.Cannotf("%s: there is a file already: give another --out", out)
		}
	}
	f, err := os.CreateTemp(where, ".baraza-*") // readable by its owner only
	if err != nil {
		return admin.Cannotf("writing the bundle: %v: give an --out where this user can write", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	done, err := c.Export(cmd.Context(), req, &shownWriter{f, shown{w: cmd.ErrOrStderr(), what: "written", began: time.Now()}})
	clearProgress(cmd.ErrOrStderr())
	if err == nil {
		err = f.Sync()
	}
	info, statErr := f.Stat()
	if closeErr := f.Close(); err == nil {
		err = errors.Join(statErr, closeErr)
	}
	if err != nil {
		return err
	}
	if out == "" {
		out = filepath.Join(where, bundleName(done, time.Now()))
	}
	if err := os.Rename(f.Name(), out); err != nil {
		return admin.Cannotf("writing the bundle: %v", err)
	}
	printExported(say, done, out, info.Size())
	return nil
}

// bundleName is a name that any file system takes.
func bundleName(e *admin.Exported, now time.Time) string {
	plain := func(name string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' {
				return r
			}
			return '_'
		}, name)
	}
	return fmt.Sprintf("%s-to-%s-%s%s", plain(e.From), plain(e.Site), now.UTC().Format("20060102T150405.000Z"), bundleSuffix)
}

func printExported(w io.Writer, e *admin.Exported, out string, size int64) {
	for _, warning := range e.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	text := ""
	if size >= 0 {
		text = ", " + bytesText(size)
	}
	fmt.Fprintf(w, "%s: %d log entries for %s%s\n", out, e.Entries, e.Site, text)
	if e.Left > 0 && e.Entries == 0 {
		fmt.Fprintf(w, "the next of %d does not fit: give a greater --max-size\n", e.Left)
	} else if e.Left > 0 {
		fmt.Fprintf(w, "%d more had no room: import this one, carry the reply back, and export again\n", e.Left)
	}
}
