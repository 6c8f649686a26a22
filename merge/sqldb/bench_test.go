package sqldb

import (
	"fmt"
	"testing"

	"baraza/crdt"
	"baraza/merge"
)

// benchDDL is a table like OpenMRS's obs: ten columns, three references, four
// indexes.
var benchDDL = []string{
	`CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)`,
	`CREATE TABLE concept (concept_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)`,
	`CREATE TABLE obs (
		obs_id INT AUTO_INCREMENT PRIMARY KEY,
		person_id INT NOT NULL, concept_id INT NOT NULL, creator INT NOT NULL,
		obs_datetime DATETIME NOT NULL, value_numeric DOUBLE, value_text TEXT,
		comments VARCHAR(255), voided TINYINT(1) NOT NULL DEFAULT 0,
		uuid CHAR(38) NOT NULL UNIQUE,
		CONSTRAINT obs_person FOREIGN KEY (person_id) REFERENCES person (person_id),
		CONSTRAINT obs_concept FOREIGN KEY (concept_id) REFERENCES concept (concept_id),
		CONSTRAINT obs_creator FOREIGN KEY (creator) REFERENCES person (person_id))`,
}

const (
	benchBatch   = 1000 // rows a transaction
	benchPersons = 500
)

func benchSite(b *testing.B) *site {
	s := newSite(b, benchDDL...)
	app := s.application(b)
	for _, table := range []string{"person", "concept"} {
		rows := make([]merge.Row, benchPersons)
		for n := range rows {
			rows[n] = benchRow(n, nil, nil)
		}
		s.once(b, app, func(tx merge.Tx) ([]merge.RowError, error) {
			return tx.Insert(b.Context(), s.model.Tables[table], rows)
		})
	}
	return s
}

func benchUUID(n int) crdt.Value {
	return crdt.Text(fmt.Sprintf("%08x-0000-4000-8000-%012d", uint32(n)*2654435761, n))
}

func benchRow(n int, columns []string, values []crdt.Value) merge.Row {
	return merge.Row{Key: crdt.MakeKey(benchUUID(n)), Columns: append([]string{"uuid"}, columns...), Values: append([]crdt.Value{benchUUID(n)}, values...)}
}

var obsColumns = []string{"uuid", "person_id", "concept_id", "creator", "obs_datetime", "value_numeric", "value_text", "comments", "voided"}

func obsRows(first int) ([]merge.Row, []crdt.Key) {
	rows, keys := make([]merge.Row, benchBatch), make([]crdt.Key, benchBatch)
	ref := func(n int) crdt.Value { return crdt.Ref(crdt.MakeKey(benchUUID(n % benchPersons))) }
	for i := range rows {
		n := first + i
		rows[i] = merge.Row{Key: crdt.MakeKey(benchUUID(n)), Columns: obsColumns, Values: []crdt.Value{
			benchUUID(n), ref(n / 10), ref(n * 7), ref(1), crdt.Tagged(crdt.TagTime, "2024-03-01 10:20:30"),
			crdt.Float64(float64(n) / 8), crdt.Text("a value of some length"), crdt.Null, crdt.Int(0),
		}}
		keys[i] = rows[i].Key
	}
	return rows, keys
}

func (s *site) once(b *testing.B, db *DB, f func(merge.Tx) ([]merge.RowError, error)) {
	b.Helper()
	tx, err := db.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	refused, err := f(tx)
	if err == nil && len(refused) > 0 {
		err = refused[0]
	}
	if err == nil {
		err = tx.SetMark(b.Context(), merge.Mark{}, merge.Mark{})
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkInsert is what the merge does for new rows: lock, resolve, insert.
func BenchmarkInsert(b *testing.B) {
	s := benchSite(b)
	obs := s.model.Tables["obs"]
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		rows, keys := obsRows(n)
		n += benchBatch
		s.once(b, s.DB, func(tx merge.Tx) ([]merge.RowError, error) {
			if _, err := tx.Lock(b.Context(), obs, keys); err != nil {
				return nil, err
			}
			return tx.Insert(b.Context(), obs, rows)
		})
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkUpdate locks and changes three columns of rows.
func BenchmarkUpdate(b *testing.B) {
	s := benchSite(b)
	obs := s.model.Tables["obs"]
	const batches = 20
	for i := range batches {
		rows, _ := obsRows(i * benchBatch)
		s.once(b, s.DB, func(tx merge.Tx) ([]merge.RowError, error) { return tx.Insert(b.Context(), obs, rows) })
	}
	columns := []string{"value_numeric", "value_text", "voided"}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		rows, keys := obsRows(n % (batches * benchBatch))
		for i := range rows {
			rows[i].Columns, rows[i].Values = columns, []crdt.Value{crdt.Float64(float64(n + i)), crdt.Text("changed"), crdt.Int(int64(n / benchBatch % 2))}
		}
		n += benchBatch
		s.once(b, s.DB, func(tx merge.Tx) ([]merge.RowError, error) {
			if _, err := tx.Lock(b.Context(), obs, keys); err != nil {
				return nil, err
			}
			return tx.Update(b.Context(), obs, rows)
		})
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}
