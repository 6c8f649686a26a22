package merge

import (
	"strings"

	"baraza/crdt"
)

// Place says where a row is.
type Place uint8

// The places.
const (
	// InDatabase: the row is in its table, or is gone from it because it was
	// deleted.
	InDatabase Place = iota
	// Waiting: a row that it refers to has not arrived.
	Waiting
	// Held: a unique value of it is taken by another row (R5).
	Held
	// Aside: the database cannot take it as it is; State.Reason says why.
	Aside
	// Kept: the row was deleted, but stays in its table as rows refer to it
	// (R4, RESTRICT).
	Kept
	// Gone: the row was not deleted, but is not in its table since a row that it
	// refers to was (R4, CASCADE).
	Gone
	// Nulled: the row is in its table, with NULL where it refers to a row that
	// was deleted (R4, SET NULL).
	Nulled
)

// String returns the place's name as status shows it.
func (p Place) String() string {
	return [...]string{"in database", "waiting", "held", "set aside", "kept", "gone", "nulled"}[p]
}

// State is what is kept of a row beside the database: its stamps, and the
// values that the database does not hold. A row that nobody changed since the
// baseline has none.
type State struct {
	crdt.Stamps
	KnownRow   bool
	KnownCells []string
	// HasLoss: the row has losses, kept apart from the state.
	HasLoss bool
	Place   Place
	// Reason says in one line why the row is not in its place.
	Reason string
	// Missing are the rows that a waiting row waits for, and those whose removal
	// keeps a row, or references of it, out of the table.
	Missing []RowID
	// Columns and Values are what the database does not hold: the whole row
	// when it is deleted or not placed, else single columns that the table
	// lacks or that cannot be written yet.
	Columns []string
	Values  []crdt.Value
}

// plain reports whether the state says nothing: no stamps, and all values in
// the table.
func (s *State) plain() bool {
	return s.Row.IsZero() && len(s.Cells) == 0 && s.Deleted.IsZero() && !s.KnownRow && !s.HasLoss &&
		s.Place == InDatabase && len(s.Columns) == 0
}

// RowID names a row at every site.
type RowID struct {
	Table string
	Key   crdt.Key
}

// Compare orders rows by table, then key.
func (id RowID) Compare(other RowID) int {
	if c := strings.Compare(id.Table, other.Table); c != 0 {
		return c
	}
	return strings.Compare(string(id.Key), string(other.Key))
}

// States is the store of row states, as one transaction sees it.
type States interface {
	// State returns the state of a row; nil when it has none. The caller must
	// not change what it gets, which stays as it is whatever Put does.
	State(id RowID) (*State, error)
	// Losses returns the losses of a row.
	Losses(id RowID) ([]crdt.Loss, error)
	// Put stores a row's state (nil: none) and its losses, and keeps the
	// indexes that WaitingFor and NotPlaced read.
	Put(id RowID, s *State, losses []crdt.Loss) error
	// WaitingFor returns rows that wait for the given row.
	WaitingFor(id RowID) ([]RowID, error)
	// NotPlaced returns up to limit rows of a table that are held, set aside or
	// kept.
	NotPlaced(table string, limit int) ([]RowID, error)
}

// Stays reports whether a dead row is in its table all the same.
func (s *State) Stays() bool { return s.Dead() && (s.Place == Kept || s.Place == Aside) }

// load makes r the row that the rules work on, from the database's row (nil when
// the table has none) and the row's state.
func load(r *crdt.Row, inTable *Row, s *State, losses []crdt.Loss) *crdt.Row {
	*r = crdt.Row{Lost: losses}
	if s != nil {
		r.Stamps, r.KnownRow, r.KnownCells = s.Stamps, s.KnownRow, s.KnownCells
	}
	if inTable != nil {
		r.Columns, r.Values = inTable.Columns, inTable.Values
	}
	if s != nil && len(s.Columns) > 0 {
		columns, values := WithoutShown(s.Columns, s.Values)
		r.Columns, r.Values = overlay(r.Columns, r.Values, columns, values)
	}
	r.Exists = !r.Dead() && (inTable != nil || s != nil)
	return r
}

// overlay returns the columns with the values of over put on top.
func overlay(columns []string, values []crdt.Value, overColumns []string, overValues []crdt.Value) ([]string, []crdt.Value) {
	if len(columns) == 0 {
		return overColumns, overValues
	}
	columns, values = clip(columns), append([]crdt.Value(nil), values...)
	for i, c := range overColumns {
		if j := find(columns, c); j >= 0 {
			values[j] = overValues[i]
			continue
		}
		columns, values = append(columns, c), append(values, overValues[i])
	}
	return columns, values
}

// clip makes the next append copy.
func clip(s []string) []string { return s[:len(s):len(s)] }

func find(names []string, name string) int {
	for i := range names {
		if names[i] == name {
			return i
		}
	}
	return -1
}
