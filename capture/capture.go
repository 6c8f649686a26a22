package capture

import (
	"context"

	"baraza/crdt"
)

// Source is where local row changes come from. It is used by one goroutine.
type Source interface {
	// Read opens a view of everything committed up to now and not released.
	// Whole transactions only: a transaction's changes are all in the view or
	// none is. The caller closes it.
	Read(ctx context.Context) (Reading, error)
	// Release forgets changes that are durable elsewhere. Releasing twice is
	// no error.
	Release(ctx context.Context, ids IDs) error
	// Kind is "trigger" or "binlog".
	Kind() string
}

// Poller is a Source that can tell cheaply whether there is something to read.
// It may miss what was committed out of order for about a second, so it serves
// to find work, never to make sure that there is none.
type Poller interface {
	Poll(ctx context.Context) (bool, error)
}

// Lister is a Source that can tell which log rows it has without reading what
// they say.
type Lister interface {
	// Noted returns up to max log rows after an id, in order of their ids.
	Noted(ctx context.Context, after uint64, max int) ([]Noted, error)
}

// Noted is a log row: its id, and when the row that it names was changed, in
// microseconds since the Unix epoch. Together they name it for good; the id
// alone does not, since a database restored from a backup gives ids again.
type Noted struct {
	ID uint64
	At int64
}

// Reading is one consistent view, read part by part so that a transaction may
// be larger than memory. All parts together are one batch.
type Reading interface {
	// Next returns the next part of about max log rows, nil at the end.
	Next(ctx context.Context, max int) (*Part, error)
	Close() error
}

// Part is a piece of a reading.
type Part struct {
	Rows []Row
	// IDs are the log rows this part came from, to be released once the reading
	// is durable: of a log row that stands for many rows they are with the first
	// part that has any of them.
	IDs IDs
	// Lost are tables of which rows were changed that nobody can name.
	Lost []string
	// Times say when the changes were made that these log rows note; of a change
	// that a later one covers there is no Row.
	Times []Time
}

// Time is when the changes were made that some log rows note, in microseconds since
// the Unix epoch.
type Time struct {
	IDRange
	At int64
}

// Note adds a log row.
func (p *Part) Note(id uint64, at int64) {
	p.IDs.Add(id)
	if n := len(p.Times); n > 0 && p.Times[n-1].At == at && p.Times[n-1].Last+1 == id {
		p.Times[n-1].Last = id
		return
	}
	p.Times = append(p.Times, Time{IDRange{id, id}, at})
}

// Row is one change of one row, in portable form. A row of which different
// columns were changed at different times gives one Row for each time.
type Row struct {
	Table  string
	Key    crdt.Key
	Delete bool
	// At is when the row was changed in the database, in microseconds since
	// the Unix epoch.
	At int64
	// Columns and Values: for a write the columns written with their values as
	// of the view, or as they last were if the row was deleted within the view;
	// for a delete the whole row as it last was. A write before the delete is
	// never left out: the other sites must get the same last values, since a
	// newer write brings them back.
	Columns []string
	Values  []crdt.Value
}

// IDs is a set of log rows as inclusive ranges, ascending. Every id within a
// range was read: a range never spans an id that was not.
type IDs []IDRange

// IDRange is the ids First to Last, both included.
type IDRange struct{ First, Last uint64 }

// Add adds an id. Ids that arrive in ascending order extend the last range.
func (ids *IDs) Add(id uint64) {
	if n := len(*ids); n > 0 && (*ids)[n-1].Last+1 == id {
		(*ids)[n-1].Last = id
		return
	}
	*ids = append(*ids, IDRange{id, id})
}

// Len returns how many ids are in the set.
func (ids IDs) Len() uint64 {
	var n uint64
	for _, r := range ids {
		n += r.Last - r.First + 1
	}
	return n
}
