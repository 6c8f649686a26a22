package bringup_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"baraza/crdt"
	"baraza/node/bringup"
	"baraza/node/replica"
)

// around writes beneath capture, as an application does while there are no
// triggers.
func (s *site) around(f func()) {
	s.t.Helper()
	s.capture()
	f()
	reading, err := s.db.Read(s.t.Context())
	s.ok(err)
	defer reading.Close()
	part, err := reading.Next(s.t.Context(), 1000)
	s.ok(err)
	s.ok(s.db.Release(s.t.Context(), part.IDs))
}

// compared compares a table of n with p and returns the differences, and how many
// rows are under way.
func compared(n, p *site, table string) (found []bringup.Difference, underWay int) {
	n.t.Helper()
	a, b := pipe(n.t)
	served := make(chan error, 1)
	go func() {
		served <- bringup.Serve(context.Background(), b, func() (*replica.View, error) {
			return p.r.OpenView(context.Background(), p.db)
		})
		_ = b.Close()
	}()
	view, err := n.r.OpenView(context.Background(), n.db)
	n.ok(err)
	defer view.Close()
	c, err := bringup.NewComparer(context.Background(), a, view, nil)
	n.ok(err)
	t, err := c.Table(context.Background(), table)
	n.ok(err)
	for first := 0; t.Different.Any(); {
		some, next := t.Different.Some(first, t.Rows, 100)
		n.ok(t.Compare(context.Background(), some, func(d bringup.Difference) {
			if d.UnderWay {
				underWay++
			} else {
				found = append(found, d)
			}
		}))
		if first = next; next == 0 {
			break
		}
	}
	c.Close()
	_ = a.Close()
	n.ok(<-served)
	slices.SortFunc(found, func(a, b bringup.Difference) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return found, underWay
}

func describe(found []bringup.Difference) string {
	var b strings.Builder
	for _, d := range found {
		there := func(it *replica.Item) bool { return it != nil && !it.Dead() }
		fmt.Fprintf(&b, "%s here %v there %v %v\n", d.Key, there(d.Mine), there(d.Theirs), d.Columns)
	}
	return b.String()
}

// What was written around capture is found, and nothing else: not what is on its
// way. Made ordinary changes it arrives, and the sites are equal.
//
// Seen to fail when changes on their way count as differences, and when rows that
// only the other site has are passed over.
func TestCompare(t *testing.T) {
	p, n := newSite(t, 1), newSite(t, 2)
	p.fill(0, 2000, "first")
	p.open(false)
	n.open(true)
	mustJoin(t, n, p)
	n.app(insert("person", person(5000, "of n")))
	p.app(insert("person", person(5001, "of p")), remove("obs", keyOf(7)))
	exchange(p, n)
	if found, underWay := compared(n, p, "person"); len(found) > 0 || underWay > 0 {
		t.Fatalf("equal sites: %d under way, different\n%s", underWay, describe(found))
	}

	n.around(func() {
		n.app(update("person", keyOf(3), "name", "around"), update("person", keyOf(5000), "name", "around too"),
			insert("person", person(6000, "in around")), remove("obs", keyOf(1999)), remove("patient", patientKey(1999)), remove("person", keyOf(1999)))
	})
	n.app(update("person", keyOf(4), "name", "on its way from n"), insert("person", person(6001, "on its way")))
	p.app(update("person", keyOf(5), "name", "on its way from p"), remove("obs", keyOf(8)))
	found, underWay := compared(n, p, "person")
	want := fmt.Sprintf("%s here true there true [name]\n%s here false there true []\n%s here true there true [name]\n%s here true there false []\n",
		keyOf(3), keyOf(1999), keyOf(5000), keyOf(6000))
	if got := describe(found); got != want || underWay != 3 {
		t.Fatalf("%d under way, want 3; different\n%swant\n%s", underWay, got, want)
	}
	if found, underWay := compared(p, n, "obs"); len(found) != 1 || found[0].Key != keyOf(1999) || underWay != 1 {
		t.Fatalf("from the other side: %d under way, different\n%s", underWay, describe(found))
	}
	view, err := n.r.OpenView(context.Background(), n.db)
	n.ok(err)
	var strays []string
	n.ok(view.Strays(context.Background(), "person", func(key crdt.Key, gone bool) error {
		strays = append(strays, fmt.Sprint(key, gone))
		return nil
	}))
	n.ok(view.Close())
	if len(strays) > 0 { // the baseline's rows leave nothing in the store
		t.Errorf("strays: %v", strays)
	}

	for _, table := range []string{"obs", "patient", "person"} {
		found, _ := compared(n, p, table)
		n.affirm(table, found)
	}
	exchange(p, n)
	agree(t, p, n)
	for _, table := range []string{"obs", "patient", "person"} {
		if found, underWay := compared(n, p, table); len(found) > 0 || underWay > 0 {
			t.Errorf("affirmed: %d under way, different\n%s", underWay, describe(found))
		}
	}
	for key, want := range map[crdt.Key]string{keyOf(3): "around", keyOf(5000): "around too", keyOf(6000): "in around", keyOf(1999): "no row"} {
		if got := p.show("person", key, "name"); got != want {
			t.Errorf("person %s is %s, want %s", key, got, want)
		}
	}
}

func (s *site) affirm(table string, found []bringup.Difference) {
	s.t.Helper()
	var rows []replica.Affirmed
	for _, d := range found {
		a := replica.Affirmed{Key: d.Key, Columns: d.Columns}
		if d.Theirs != nil {
			a.Last = *d.Theirs
		}
		rows = append(rows, a)
	}
	n, err := s.r.Affirm(context.Background(), table, rows)
	s.ok(err)
	if n != len(rows) {
		s.t.Errorf("%d of %d rows of table %s were affirmed", n, len(rows), table)
	}
}

// A site finds by itself what the store knows to be otherwise: a row that is gone,
// and one that is back.
func TestStrays(t *testing.T) {
	p := newSite(t, 1).open(false)
	p.app(insert("person", person(1, "a")), insert("person", person(2, "b")), insert("person", person(3, "c")))
	p.capture()
	p.app(remove("person", keyOf(3)))
	p.around(func() { p.app(remove("person", keyOf(1)), insert("person", person(3, "c"))) })
	view, err := p.r.OpenView(context.Background(), p.db)
	p.ok(err)
	defer view.Close()
	var strays []string
	p.ok(view.Strays(context.Background(), "person", func(key crdt.Key, gone bool) error {
		strays = append(strays, fmt.Sprint(key, gone))
		return nil
	}))
	slices.Sort(strays)
	if want := []string{fmt.Sprint(keyOf(1), true), fmt.Sprint(keyOf(3), false)}; !slices.Equal(strays, want) {
		t.Errorf("strays: %v, want %v", strays, want)
	}
}
