package e2e

import (
	"database/sql"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"
)

// fate is what a database said of a write: what it did not say (the line to it
// broke during COMMIT) is unknown, and may be either.
type fate int

const (
	unknown fate = iota
	present
	absent
)

// ledger is every write that a database acknowledged.
type ledger struct {
	mu sync.Mutex
	// pairs are two visits written in one transaction, deleted and written
	// again, by what their uuids have in common.
	pairs map[string]fate
	// own are numbers in a column that only one site writes, by column and
	// person.
	own map[[2]string]int
	// names are values of the one column that all sites write.
	names map[string]*name
	acked int
}

// name is a value of the column that all sites write.
type name struct {
	person string
	acked  bool
	// by are the values written over it by someone who had just read it.
	by []string
}

func newLedger() *ledger {
	return &ledger{pairs: map[string]fate{}, own: map[[2]string]int{}, names: map[string]*name{}}
}

func (l *ledger) note(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// writer is an application at one site. It goes on through kills of its server.
type writer struct {
	l      *ledger
	site   string
	column string // belongs to this site, on rows that all sites share
	people []string
	db     *sql.DB
	r      *rand.Rand
	mine   []string // pairs whose fate is known
}

func (w *writer) run(stop <-chan struct{}) {
	for n := 1; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(w.r.Intn(4)) * time.Millisecond):
		}
		person := w.people[w.r.Intn(len(w.people))]
		switch n % 5 {
		case 0:
			w.number(person, n)
		case 1:
			w.name(person, fmt.Sprintf("%s-%d", w.site, n))
		case 2:
			w.again(person)
		default:
			w.pair(fmt.Sprintf("%08x-%04x-4000-8000-%010x", w.r.Uint32(), n&0xffff, w.r.Int63()&0xffffffffff), person, present)
		}
	}
}

func (w *writer) number(person string, n int) {
	res, err := w.db.Exec("UPDATE person SET "+w.column+" = ? WHERE uuid = ?", fmt.Sprint(n), person)
	if err != nil {
		return // it may or may not be in; a later number decides
	}
	if rows, _ := res.RowsAffected(); rows == 1 {
		w.l.note(func() {
			w.l.own[[2]string{w.column, person}] = n
			w.l.acked++
		})
	}
}

// name writes over a value that it has read in the same transaction.
func (w *writer) name(person, value string) {
	tx, err := w.db.Begin()
	if err != nil {
		return
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	var before string
	if tx.QueryRow("SELECT name FROM person WHERE uuid = ? FOR UPDATE", person).Scan(&before) != nil {
		return
	}
	if _, err := tx.Exec("UPDATE person SET name = ? WHERE uuid = ?", value, person); err != nil {
		return
	}
	me := &name{person: person}
	w.l.note(func() {
		w.l.names[value] = me
		if seen := w.l.names[before]; seen != nil {
			seen.by = append(seen.by, value)
		}
	})
	if tx.Commit() == nil {
		w.l.note(func() { me.acked = true; w.l.acked++ })
	}
}

// again deletes a pair of this site, or writes a deleted one again.
func (w *writer) again(person string) {
	if len(w.mine) == 0 {
		return
	}
	i := w.r.Intn(len(w.mine))
	base := w.mine[i]
	w.mine = append(w.mine[:i], w.mine[i+1:]...)
	var before fate
	w.l.note(func() { before = w.l.pairs[base] })
	w.pair(base, person, present+absent-before)
}

// pair brings the two halves of one thing to a fate, in one transaction.
func (w *writer) pair(base, person string, to fate) {
	tx, err := w.db.Begin()
	if err != nil {
		return
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	for half := 1; half <= 2; half++ {
		uuid := fmt.Sprintf("%s%02d", base, half)
		if to == absent {
			_, err = tx.Exec("DELETE FROM visit WHERE uuid = ?", uuid)
		} else {
			_, err = tx.Exec(`INSERT INTO visit (uuid, patient_id, half, at, note)
				SELECT ?, person_id, ?, NOW(6), ? FROM person WHERE uuid = ?`, uuid, half, w.site, person)
		}
		if err != nil {
			return // nothing of it is in
		}
	}
	w.l.note(func() { w.l.pairs[base] = unknown })
	if tx.Commit() != nil {
		return
	}
	w.l.note(func() { w.l.pairs[base] = to; w.l.acked += 2 })
	w.mine = append(w.mine, base)
}

// check holds a site's tables and conflicts against the ledger.
func (l *ledger) check(t *testing.T, s *site) {
	t.Helper()
	l.checkPairs(t, s)
	for at, n := range l.own {
		var got int
		if v := s.value("SELECT "+at[0]+" FROM person WHERE uuid = ?", at[1]); v != "NULL" {
			_, _ = fmt.Sscan(v, &got)
		}
		if got < n {
			t.Errorf("site %s: %s of %s is %d, acknowledged was %d", s.name, at[0], at[1], got, n)
		}
	}
	l.checkNames(t, s)
}

func (l *ledger) checkPairs(t *testing.T, s *site) {
	t.Helper()
	halves := map[string]int{}
	for uuid := range strings.FieldsSeq(s.rows("SELECT uuid FROM visit")) {
		halves[uuid[:34]]++
	}
	wrong, known := map[fate]int{}, 0
	for base, f := range l.pairs {
		n := halves[base]
		if f != unknown {
			known++
		}
		if n == 1 {
			t.Errorf("site %s shows half of the transaction %s", s.name, base)
		} else if f == present && n != 2 || f == absent && n != 0 {
			wrong[f]++
		}
		delete(halves, base)
	}
	if len(wrong) > 0 || known < 50 {
		t.Errorf("site %s: of %d acknowledged pairs %d are missing, and %d are there though deleted", s.name, known, wrong[present], wrong[absent])
	}
	if len(halves) > 0 {
		t.Errorf("site %s shows %d pairs that nobody wrote: %v", s.name, len(halves), halves)
	}
}

// checkNames: every acknowledged value is visible, or was written over by one
// who had seen it, or is the loser of a conflict.
func (l *ledger) checkNames(t *testing.T, s *site) {
	t.Helper()
	found := map[string]bool{}
	for v := range strings.SplitSeq(s.rows("SELECT name FROM person"), "\n") {
		found[v] = true
	}
	lost := 0
	for _, k := range s.conflicts("--table", "person", "--limit", "1000000").Conflicts {
		if k.Column == "name" {
			found[strings.Trim(k.Lost.Value, `"'`)] = true
			lost++
		}
	}
	var accounted func(value string) bool
	accounted = func(value string) bool {
		if found[value] {
			return true
		}
		for _, by := range l.names[value].by {
			if l.names[by].acked || accounted(by) {
				return true
			}
		}
		return false
	}
	acked := 0
	for value, n := range l.names {
		if !n.acked {
			continue
		}
		acked++
		if !accounted(value) {
			t.Errorf("site %s: the name %s of person %s is not visible, no conflict names it, and nobody who had read it wrote over it", s.name, value, n.person)
		}
	}
	t.Logf("site %s: %d names acknowledged, %d lost in conflicts", s.name, acked, lost)
}
