package sweep

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Result is what came of a run.
type Result struct {
	Run
	// Outcome is held, or says what did not.
	Outcome string
	// Figures are by Sweep.Metrics; none when a promise was broken.
	Figures []float64
	// Hash, Steps and Simulated are those of the run; Took is not written down.
	Hash      string
	Steps     uint64
	Simulated time.Duration
	Took      time.Duration
}

// Held is the outcome of a run in which all was as it should be.
const Held = "held"

// runsFile is the table of runs in the directory of a sweep.
const runsFile = "runs.csv"

// table is the file that runs are appended to as they end.
type table struct {
	s    *Sweep
	file *os.File
}

// columns are the heads of the table: the scenario's hash, the axes, the run.
func (s *Sweep) columns() []string {
	list := []string{"scenario"}
	for _, a := range s.Axes {
		list = append(list, a.Name)
	}
	list = append(list, "seed", "result", "hash", "steps", "simulated_s")
	for _, m := range s.Metrics() {
		list = append(list, m.Name)
	}
	return list
}

// openTable opens the table in a directory, and returns what is in it.
func openTable(s *Sweep, dir string) (*table, []Result, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("%w: give another --out", err)
	}
	name := filepath.Join(dir, runsFile)
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	// A line without its end was being written when the program was killed.
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	done, err := s.parse(name, whole)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, err
	}
	t := &table{s, f}
	err = f.Truncate(int64(len(whole)))
	if err == nil {
		_, err = f.Seek(int64(len(whole)), 0)
	}
	if err == nil && len(whole) == 0 {
		err = t.line(s.columns())
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return t, done, nil
}

func (t *table) line(fields []string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(fields); err != nil {
		return err
	}
	w.Flush()
	_, err := t.file.Write(b.Bytes()) // at once, so that a kill leaves at most one line unfinished
	return err
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// append writes a result.
func (t *table) append(r *Result) error {
	p := &t.s.Points[r.Point]
	fields := append([]string{p.Hash}, t.s.Labels(p)...)
	fields = append(fields, strconv.FormatUint(r.Seed, 10), r.Outcome, r.Hash, strconv.FormatUint(r.Steps, 10), decimal(r.Simulated.Seconds()))
	for i := range t.s.Metrics() {
		if r.Figures == nil {
			fields = append(fields, "")
		} else {
			fields = append(fields, decimal(r.Figures[i]))
		}
	}
	return t.line(fields)
}

// parse reads the table. Lines of another version of the sweep are a mistake;
// those of seeds that are no longer asked for are left out.
func (s *Sweep) parse(name string, text []byte) ([]Result, error) {
	if len(text) == 0 {
		return nil, nil
	}
	const remedy = "give another --out, or move that file away"
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, remedy)
	}
	columns := s.columns()
	if !slices.Equal(rows[0], columns) {
		return nil, fmt.Errorf("%s:1: the runs in it have other axes or figures than %s: %s", name, s.File, remedy)
	}
	var done []Result
	for i, row := range rows[1:] {
		r, known, err := s.result(row)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w: %s", name, i+2, err, remedy)
		}
		if known {
			done = append(done, r)
		}
	}
	return done, nil
}

func (s *Sweep) result(row []string) (r Result, known bool, err error) {
	labels := row[1 : 1+len(s.Axes)]
	rest := row[1+len(s.Axes):]
	r.Point = slices.IndexFunc(s.Points, func(p Point) bool { return slices.Equal(s.Labels(&p), labels) })
	if r.Point < 0 || s.Points[r.Point].Hash != row[0] {
		return r, false, fmt.Errorf("this run is of another version of %s or of its base", s.File)
	}
	var err1, err2, err3 error
	r.Seed, err1 = strconv.ParseUint(rest[0], 10, 64)
	r.Outcome, r.Hash = rest[1], rest[2]
	r.Steps, err2 = strconv.ParseUint(rest[3], 10, 64)
	simulated, err3 := strconv.ParseFloat(rest[4], 64)
	r.Simulated = time.Duration(simulated * float64(time.Second))
	if err := errors.Join(err1, err2, err3); err != nil {
		return r, false, err
	}
	for _, text := range rest[5:] {
		if text == "" {
			r.Figures = nil
			break
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return r, false, err
		}
		r.Figures = append(r.Figures, v)
	}
	return r, slices.Contains(s.Seeds, r.Seed), nil
}
