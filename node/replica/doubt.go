package replica

import (
	"encoding/binary"
	"fmt"
	"slices"

	"baraza/internal/kv"
)

// A table is in doubt when something was written to it that capture did not
// see: its triggers were not there for a while, or could not tell which row they
// ran for. So it is when it may have rows that nobody else ever gets (tried.go). What is
// in the table is then compared with what another site has.

// Doubt is a table that was written around capture.
type Doubt struct {
	Table string
	// SinceMillis is when that was noticed.
	SinceMillis int64
	Why         string
}

// Doubts lists the tables in doubt, in order of their names.
func (r *Replica) Doubts() ([]Doubt, error) {
	var doubts []Doubt
	err := r.cfg.Store.Scan([]byte{keyDoubt}, []byte{keyDoubt + 1}, func(k, v []byte) bool {
		if len(v) >= 8 {
			doubts = append(doubts, Doubt{string(k[1:]), int64(binary.BigEndian.Uint64(v)), string(v[8:])})
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read which tables are in doubt: %w", err)
	}
	return doubts, nil
}

func doubtKey(table string) []byte { return append([]byte{keyDoubt}, table...) }

func doubtValue(nowMillis int64, why string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(nowMillis)), why...)
}

// Doubt notes that a table was written around capture; it is durable when it
// returns. What was noted of the table before stays as it is.
func (r *Replica) Doubt(table, why string) error {
	known, err := r.cfg.Store.Get(doubtKey(table))
	if err != nil || known != nil {
		return err
	}
	b := &kv.Batch{}
	b.Set(doubtKey(table), doubtValue(r.cfg.NowMillis(), why))
	return r.cfg.Store.Write(b, true)
}

// EndDoubt ends the doubt about a table.
func (r *Replica) EndDoubt(table string) error {
	b := &kv.Batch{}
	b.Delete(doubtKey(table))
	return r.cfg.Store.Write(b, true)
}

// doubtLost puts the tables in doubt of which capture lost changes.
func (l *local) doubtLost(tables []string) error {
	if len(tables) == 0 {
		return nil
	}
	for _, table := range slices.Sorted(slices.Values(tables)) {
		known, err := l.t.get(doubtKey(table))
		if err != nil {
			return err
		}
		if known == nil {
			l.t.set(doubtKey(table), doubtValue(l.r.cfg.NowMillis(), "rows were changed while its triggers did not fit it"))
		}
	}
	return nil
}
