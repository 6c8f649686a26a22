package dbtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"baraza/capture"
	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/schema"
)

// Harness is one fresh database with the tables of DDL.
type Harness struct {
	Model  *schema.Model
	DB     merge.Database
	Source capture.Source // nil: what needs it is skipped
	// App runs statements as an application does, in one transaction.
	App func(writes ...memdb.Write) error
	// Rows returns what an application sees of a table, sorted by key.
	Rows func(table string) []merge.Row
	// ShortChains keeps the random visits that follow one another to two. MySQL
	// 9.7 bounds the tables of a cascade to 30 and counts a table again whenever
	// it comes back to it: it refuses, with error 6575, to delete the first of
	// three visits that have a charge each, which the model does not.
	ShortChains bool
}

// Run runs the suite. A new database is made for every test.
func Run(t *testing.T, make func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		run  func(*suite)
	}{
		{"Lock", testLock},
		{"Resolve", testResolve},
		{"InsertReferences", testInsertReferences},
		{"InsertKeyIsReference", testKeyIsReference},
		{"InsertSelfReferences", testSelfReferences},
		{"InsertRing", testRing},
		{"InsertTwice", testInsertTwice},
		{"InsertMany", testInsertMany},
		{"InsertRefused", testInsertRefused},
		{"InsertShapes", testInsertShapes},
		{"Update", testUpdate},
		{"UpdateMany", testUpdateMany},
		{"UpdateRefused", testUpdateRefused},
		{"Delete", testDelete},
		{"DeleteActions", testDeleteActions},
		{"Referrers", testReferrers},
		{"Holders", testHolders},
		{"DeleteRefused", testDeleteRefused},
		{"Mark", testMark},
		{"Rollback", testRollback},
		{"NoEcho", testNoEcho},
		{"Capture", testCapture},
		{"CaptureDeleted", testCaptureDeleted},
		{"CaptureActions", testCaptureActions},
		{"Release", testRelease},
		{"Random", testRandom}, // makes its own
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(&suite{T: t, Harness: make(t), ctx: t.Context(), fresh: func() Harness { return make(t) }})
		})
	}
}

// suite is one test of the suite with what it needs.
type suite struct {
	*testing.T
	Harness
	ctx   context.Context
	fresh func() Harness
}

func (s *suite) table(name string) *schema.Table {
	s.Helper()
	t := s.Model.Tables[name]
	if t == nil {
		s.Fatalf("the model has no table %s", name)
	}
	return t
}

func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// app runs statements of an application that must succeed.
func (s *suite) app(writes ...memdb.Write) {
	s.Helper()
	s.ok(s.App(writes...))
}

// transact runs f in a transaction and commits it.
func (s *suite) transact(f func(tx merge.Tx)) {
	s.Helper()
	tx, err := s.DB.Begin(s.ctx)
	s.ok(err)
	defer func() { _ = tx.Rollback() }()
	f(tx)
	s.ok(tx.Commit())
}

// insert adds rows in a transaction; none may be refused.
func (s *suite) insert(tx merge.Tx, table string, rows ...merge.Row) {
	s.Helper()
	s.refused(nil)(tx.Insert(s.ctx, s.table(table), rows))
}

// lock finds rows that must be there.
func (s *suite) lock(tx merge.Tx, table string, keys ...crdt.Key) []merge.Row {
	s.Helper()
	rows, err := tx.Lock(s.ctx, s.table(table), keys)
	s.ok(err)
	if len(rows) != len(keys) {
		s.Fatalf("lock %s: %d rows of %d", table, len(rows), len(keys))
	}
	slices.SortFunc(rows, func(a, b merge.Row) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return rows
}

// refused checks what a call refused: exactly these keys for these reasons.
func (s *suite) refused(want map[crdt.Key]merge.Refusal) func([]merge.RowError, error) {
	return func(got []merge.RowError, err error) {
		s.Helper()
		s.ok(err)
		for _, e := range got {
			if e.Detail == "" {
				s.Errorf("row %s is refused without a detail", e.Key)
			}
			if want[e.Key] != e.Refusal {
				s.Errorf("row %s is refused for reason %d (%s), want %d", e.Key, e.Refusal, e.Detail, want[e.Key])
			}
		}
		if len(got) != len(want) {
			s.Errorf("%d rows are refused, want %d: %v", len(got), len(want), got)
		}
	}
}

// sees checks the whole of a table, given as lines of "key column=value ...".
func (s *suite) sees(table string, columns string, want ...string) {
	s.Helper()
	var got []string
	for _, r := range s.Rows(table) {
		got = append(got, show(r, strings.Fields(columns)))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.Errorf("%s has\n  %s\nwant\n  %s", table, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// show writes the values of some columns; uuids as their number.
func show(r merge.Row, columns []string) string {
	parts := make([]string, len(columns))
	for i, name := range columns {
		parts[i] = "-"
		if at := slices.Index(r.Columns, name); at >= 0 {
			parts[i] = short(r.Values[at].String())
		}
	}
	return strings.Join(parts, " ")
}

func short(s string) string {
	s = strings.Trim(s, `"`)
	if rest, ok := strings.CutPrefix(s, "00000000-0000-4000-8000-"); ok {
		s = "#" + strings.TrimLeft(rest, "0")
	}
	return s
}

// captured reads everything that is to be captured.
func (s *suite) captured() ([]capture.Row, capture.IDs) {
	s.Helper()
	if s.Source == nil {
		s.Skip("this harness has no capture")
	}
	reading, err := s.Source.Read(s.ctx)
	s.ok(err)
	defer func() { s.ok(reading.Close()) }()
	var rows []capture.Row
	var ids capture.IDs
	for {
		part, err := reading.Next(s.ctx, 3)
		s.ok(err)
		if part == nil {
			return rows, ids
		}
		rows, ids = append(rows, part.Rows...), append(ids, part.IDs...)
	}
}

// captures checks what is captured, as lines of "table key column=value ...",
// in any order, and releases it.
func (s *suite) captures(want ...string) {
	s.Helper()
	rows, ids := s.captured()
	got := changes(rows)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.Errorf("captured\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	s.ok(s.Source.Release(s.ctx, ids))
}

// changes writes captured rows as lines, sorted. Lines of one row and one kind
// are joined, as how they are divided depends on the clock.
func changes(rows []capture.Row) []string {
	columns := make(map[string][]string)
	for _, r := range rows {
		name := fmt.Sprintf("%s %s", r.Table, short(r.Key.String()))
		if r.Delete {
			name += " deleted"
			columns[name] = append(columns[name], nil...)
		}
		for i, c := range r.Columns {
			columns[name] = append(columns[name], c+"="+short(r.Values[i].String()))
		}
	}
	var lines []string
	for name, list := range columns {
		slices.Sort(list)
		lines = append(lines, strings.TrimSpace(name+" "+strings.Join(list, " ")))
	}
	slices.Sort(lines)
	return lines
}

// isRetry reports whether an error asks to try again.
func isRetry(err error) bool { return errors.Is(err, merge.ErrRetry) }
