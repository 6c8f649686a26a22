package dbtest

import (
	"errors"
	"slices"
	"strings"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

func testUpdate(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("person", person(2, "Bo")), insert("person", person(3, "Cy")),
		insert("patient", patient(1)), insert("patient", patient(2)), insert("obs", obs(9, 1, "value_text", "keep")))
	s.transact(func(tx merge.Tx) {
		s.lock(tx, "person", keyOf(1), keyOf(2), keyOf(3))
		s.lock(tx, "obs", keyOf(9))
		s.refused(nil)(tx.Update(s.ctx, s.table("person"), []merge.Row{
			row(keyOf(1), "name", "Ann", "weight", crdt.Float64(50)),
			row(keyOf(2), "note", "two"),
			row(keyOf(3), "name", nil),
		}))
		s.refused(nil)(tx.Update(s.ctx, s.table("obs"), []merge.Row{row(keyOf(9), "patient_id", crdt.Ref(patientKey(2)))}))
	})
	s.sees("person", "uuid name weight note", "#1 Ann 50 ", "#2 Bo NULL two", "#3 NULL NULL ")
	s.sees("obs", "uuid patient_id value_text", "#9 #2 keep")
	// Rows that this transaction inserted can be updated and deleted in it.
	s.transact(func(tx merge.Tx) {
		s.insert(tx, "person", person(4, "Di"), person(5, "Ed"))
		s.refused(nil)(tx.Update(s.ctx, s.table("person"), []merge.Row{row(keyOf(4), "name", "Dina")}))
		s.refused(nil)(tx.Delete(s.ctx, s.table("person"), []crdt.Key{keyOf(5)}))
	})
	s.sees("person", "uuid name", "#1 Ann", "#2 Bo", "#3 NULL", "#4 Dina")
}

func testUpdateMany(s *suite) {
	const rows = 1200
	var people, changed []merge.Row
	var keys []crdt.Key
	for n := 1; n <= rows; n++ {
		people = append(people, person(n, "old"))
		keys = append(keys, keyOf(n))
		r := row(keyOf(n), "name", uuidOf(n)[24:])
		if n%3 == 0 {
			r = row(keyOf(n), "weight", crdt.Float64(float64(n)), "note", "third")
		}
		changed = append(changed, r)
	}
	s.transact(func(tx merge.Tx) { s.insert(tx, "person", people...) })
	s.transact(func(tx merge.Tx) {
		s.lock(tx, "person", keys...)
		s.refused(nil)(tx.Update(s.ctx, s.table("person"), changed))
	})
	for i, r := range s.Rows("person") {
		want := crdt.Text(uuidOf(i + 1)[24:])
		if (i+1)%3 == 0 {
			want = crdt.Text("old")
		}
		if r.Values[1] != want {
			s.Fatalf("row %d has the name %s, want %s", i+1, r.Values[1], want)
		}
	}
}

func testUpdateRefused(s *suite) {
	s.app(insert("person", person(1, "Ada")))
	s.transact(func(tx merge.Tx) {
		s.insert(tx, "users", user(1, 1, 1, "ann"), user(2, 1, 1, "bob"), user(3, 1, 1, "cyd"))
	})
	s.transact(func(tx merge.Tx) {
		s.lock(tx, "users", keyOf(1), keyOf(2), keyOf(3))
		s.refused(map[crdt.Key]merge.Refusal{keyOf(1): merge.RefusedDuplicate, keyOf(2): merge.RefusedReference})(
			tx.Update(s.ctx, s.table("users"), []merge.Row{
				row(keyOf(1), "username", "CYD"),
				row(keyOf(2), "person_id", refTo(7)),
				row(keyOf(3), "creator", refTo(2)),
			}))
		s.refused(map[crdt.Key]merge.Refusal{keyOf(2): merge.RefusedValue})(
			tx.Update(s.ctx, s.table("users"), []merge.Row{
				row(keyOf(1), "username", "annie"), row(keyOf(2), "username", strings.Repeat("x", 21)),
			}))
		s.refused(map[crdt.Key]merge.Refusal{keyOf(3): merge.RefusedValue})(
			tx.Update(s.ctx, s.table("users"), []merge.Row{row(keyOf(3), "creator", nil)}))
	})
	// Values passed on within one call, first against the order.
	s.transact(func(tx merge.Tx) {
		s.lock(tx, "users", keyOf(1), keyOf(2), keyOf(3))
		s.refused(nil)(tx.Update(s.ctx, s.table("users"), []merge.Row{
			row(keyOf(1), "username", "bob"), row(keyOf(2), "username", "cyd"), row(keyOf(3), "username", "dee"),
		}))
		s.refused(nil)(tx.Update(s.ctx, s.table("users"), []merge.Row{
			row(keyOf(3), "username", "cyd2"), row(keyOf(1), "username", "annie"), row(keyOf(2), "username", "bob"),
		}))
	})
	s.sees("users", "uuid username person_id creator", "#1 annie #1 #1", "#2 bob #1 #1", "#3 cyd2 #1 #2")
}

func testDelete(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("person", person(2, "Bo")), insert("patient", patient(1)),
		insert("obs", obs(10, 1)), insert("obs", obs(11, 1, "obs_group_id", refTo(10))),
		insert("obs", obs(12, 1, "obs_group_id", refTo(11))), insert("obs", obs(13, 1)))
	s.transact(func(tx merge.Tx) {
		s.lock(tx, "obs", keyOf(10), keyOf(11), keyOf(12))
		s.refused(nil)(tx.Delete(s.ctx, s.table("obs"), []crdt.Key{keyOf(11), keyOf(10), keyOf(12)}))
		s.lock(tx, "person", keyOf(2))
		s.refused(nil)(tx.Delete(s.ctx, s.table("person"), []crdt.Key{keyOf(2)}))
	})
	s.sees("obs", "uuid", "#13")
	s.sees("person", "uuid", "#1")
	// A deleted row is gone for the rest of the transaction.
	s.transact(func(tx merge.Tx) {
		s.lock(tx, "obs", keyOf(13))
		s.refused(nil)(tx.Delete(s.ctx, s.table("obs"), []crdt.Key{keyOf(13)}))
		rows, err := tx.Lock(s.ctx, s.table("obs"), []crdt.Key{keyOf(13)})
		s.ok(err)
		found, err := tx.Resolve(s.ctx, s.table("obs"), []crdt.Key{keyOf(13)})
		s.ok(err)
		if len(rows) != 0 || found[0] {
			s.Errorf("a deleted row is still found: %v %v", rows, found)
		}
		s.insert(tx, "obs", obs(13, 1, "value_text", "again"))
	})
	s.sees("obs", "uuid value_text", "#13 again")
}

func testDeleteActions(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("tag", tag(1, "a")), insert("tag", tag(1, "b")),
		insert("remark", withUUID(9, "person_id", refTo(1))))
	s.transact(func(tx merge.Tx) {
		s.lock(tx, "person", keyOf(1))
		s.refused(nil)(tx.Delete(s.ctx, s.table("person"), []crdt.Key{keyOf(1)}))
	})
	s.sees("person", "uuid")
	s.sees("tag", "person_id label")
	s.sees("remark", "uuid person_id", "#9 NULL")
}

func testReferrers(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("person", person(2, "Bo")), insert("person", person(3, "Cy")),
		insert("tag", tag(1, "a")), insert("tag", tag(1, "b")), insert("tag", tag(2, "a")), insert("remark", withUUID(9, "person_id", refTo(1))),
		insert("patient", patient(2)), insert("obs", obs(10, 2)), insert("obs", obs(11, 2, "obs_group_id", refTo(10))))
	all := schema.Referrers(s.Model)
	tagKey := func(n int, label string) crdt.Key { return tag(n, label).Key }
	s.transact(func(tx merge.Tx) {
		find := func(parent, child, column string, limit int, keys ...crdt.Key) ([]merge.Link, error) {
			s.Helper()
			for i := range all[parent] {
				if by := &all[parent][i]; by.Child.Name == child && by.Columns[0] == column {
					return tx.Referrers(s.ctx, s.table(parent), by, keys, limit)
				}
			}
			s.Fatalf("nothing refers to %s with %s.%s", parent, child, column)
			return nil, nil
		}
		for _, c := range []struct {
			parent, child, column string
			keys                  []crdt.Key
			want                  []merge.Link
		}{
			{"person", "tag", "person_id", []crdt.Key{keyOf(1), keyOf(3), keyOf(77)}, []merge.Link{{Parent: keyOf(1), Child: tagKey(1, "a")}, {Parent: keyOf(1), Child: tagKey(1, "b")}}},
			{"person", "tag", "person_id", []crdt.Key{keyOf(2), keyOf(1)}, []merge.Link{{Parent: keyOf(1), Child: tagKey(1, "a")}, {Parent: keyOf(1), Child: tagKey(1, "b")}, {Parent: keyOf(2), Child: tagKey(2, "a")}}},
			{"person", "remark", "person_id", []crdt.Key{keyOf(1)}, []merge.Link{{Parent: keyOf(1), Child: keyOf(9)}}},
			{"person", "patient", "patient_id", []crdt.Key{keyOf(1), keyOf(2)}, []merge.Link{{Parent: keyOf(2), Child: patientKey(2)}}},
			{"patient", "obs", "patient_id", []crdt.Key{patientKey(2)}, []merge.Link{{Parent: patientKey(2), Child: keyOf(10)}, {Parent: patientKey(2), Child: keyOf(11)}}},
			{"obs", "obs", "obs_group_id", []crdt.Key{keyOf(10), keyOf(11)}, []merge.Link{{Parent: keyOf(10), Child: keyOf(11)}}},
			{"person", "tag", "person_id", nil, nil},
		} {
			got, err := find(c.parent, c.child, c.column, 100, c.keys...)
			s.ok(err)
			slices.SortFunc(got, func(a, b merge.Link) int { return strings.Compare(string(a.Child), string(b.Child)) })
			if !slices.Equal(got, c.want) {
				s.Errorf("%s.%s refers to %s %v: %v, want %v", c.child, c.column, c.parent, c.keys, got, c.want)
			}
		}
		if _, err := find("person", "tag", "person_id", 2, keyOf(1)); err != nil {
			s.Errorf("as many rows as asked for: %v", err)
		}
		if _, err := find("person", "tag", "person_id", 2, keyOf(1), keyOf(2)); !errors.Is(err, merge.ErrTooMany) {
			s.Errorf("more rows than asked for: %v, want ErrTooMany", err)
		}
		// What this transaction did counts.
		s.insert(tx, "tag", tag(3, "c"))
		if got, err := find("person", "tag", "person_id", 10, keyOf(3)); err != nil || len(got) != 1 {
			s.Errorf("a row inserted just now: %v, %v", got, err)
		}
	})
}

func testHolders(s *suite) {
	badge := func(n int, number string, person, slot any) merge.Row {
		return withUUID(n, "number", number, "person_id", person, "slot", slot)
	}
	s.app(insert("person", person(1, "Ada")), insert("person", person(2, "Bo")),
		insert("badge", badge(10, "A", refTo(1), "x")), insert("badge", badge(11, "B", refTo(1), "y")), insert("badge", badge(12, "C", nil, "x")))
	s.transact(func(tx merge.Tx) {
		for _, c := range []struct {
			row  merge.Row
			want string
		}{
			{badge(20, "D", refTo(2), "x"), ""},
			{badge(20, "A", nil, "x"), "number #10"},
			{badge(20, "a ", nil, nil), "number #10"}, // by the collation
			{badge(20, "B", refTo(1), "x"), "number #11, place #10"},
			{badge(10, "A", refTo(1), "y"), "place #11"}, // not itself
			{badge(20, "E", refTo(77), "x"), ""},         // refers to nothing
		} {
			holders, err := tx.Holders(s.ctx, s.table("badge"), c.row)
			s.ok(err)
			var got []string
			for _, h := range holders {
				got = append(got, s.table("badge").Unique[h.Index].Name+" "+short(h.Key.String()))
			}
			slices.Sort(got)
			if text := strings.Join(got, ", "); text != c.want {
				s.Errorf("%v: held by %q, want %q", brief(c.row), text, c.want)
			}
		}
	})
}

func testDeleteRefused(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("person", person(2, "Bo")), insert("person", person(3, "Cy")),
		insert("tag", tag(1, "a")), insert("patient", patient(1)), insert("obs", obs(10, 1)), insert("obs", obs(11, 1, "obs_group_id", refTo(10))))
	s.transact(func(tx merge.Tx) {
		s.lock(tx, "person", keyOf(1), keyOf(2))
		s.refused(map[crdt.Key]merge.Refusal{keyOf(1): merge.RefusedReference})(
			tx.Delete(s.ctx, s.table("person"), []crdt.Key{keyOf(1), keyOf(2)}))
		s.lock(tx, "obs", keyOf(10))
		s.refused(map[crdt.Key]merge.Refusal{keyOf(10): merge.RefusedReference})(
			tx.Delete(s.ctx, s.table("obs"), []crdt.Key{keyOf(10)}))
		s.lock(tx, "person", keyOf(1)) // still known
	})
	s.sees("person", "uuid", "#1", "#3")
	s.sees("tag", "person_id label", "#1 a")
	s.sees("obs", "uuid", "#10", "#11")
}

func testMark(s *suite) {
	var last merge.Mark
	check := func(want merge.Mark) {
		s.Helper()
		got, err := s.DB.Mark(s.ctx)
		s.ok(err)
		if got != want {
			s.Errorf("the mark is %v, want %v", got, want)
		}
	}
	check(last)
	for _, n := range []merge.Mark{{Number: 3}, {Number: 9, Boot: 1, Nonce: 1<<64 - 1}, {Number: 1 << 62, Boot: 2, Nonce: 7}} {
		s.transact(func(tx merge.Tx) {
			s.insert(tx, "person", person(int(n.Boot)+1, "p"))
			s.ok(tx.SetMark(s.ctx, last, n))
		})
		check(n)
		last = n
	}
	tx, err := s.DB.Begin(s.ctx)
	s.ok(err)
	s.ok(tx.SetMark(s.ctx, last, last.Next()))
	s.ok(tx.Rollback())
	check(last)
	s.transact(func(merge.Tx) {})
	check(last)
	s.transact(func(tx merge.Tx) { s.ok(tx.SetMark(s.ctx, last, last)) })
	check(last)
	for _, wrong := range []merge.Mark{{}, {Number: last.Number, Boot: last.Boot, Nonce: 8}, last.Next()} {
		for _, after := range []merge.Mark{wrong, wrong.Next()} {
			tx, err := s.DB.Begin(s.ctx)
			s.ok(err)
			if err := tx.SetMark(s.ctx, wrong, after); !errors.Is(err, merge.ErrSetBack) {
				s.Errorf("a transaction that expects mark %v of a database that has %v: %v", wrong, last, err)
			}
			s.ok(tx.Rollback())
		}
	}
	check(last)
}

func testRollback(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("person", person(2, "Bo")), insert("tag", tag(2, "a")),
		insert("remark", withUUID(9, "person_id", refTo(2))))
	tx, err := s.DB.Begin(s.ctx)
	s.ok(err)
	s.lock(tx, "person", keyOf(1), keyOf(2))
	s.insert(tx, "person", person(3, "Cy"))
	s.refused(nil)(tx.Update(s.ctx, s.table("person"), []merge.Row{row(keyOf(1), "name", "gone")}))
	s.refused(nil)(tx.Delete(s.ctx, s.table("person"), []crdt.Key{keyOf(2)}))
	s.ok(tx.Rollback())
	s.sees("person", "uuid name", "#1 Ada", "#2 Bo")
	s.sees("tag", "person_id label", "#2 a")
	s.sees("remark", "uuid person_id", "#9 #2")
	// Nothing is remembered of what was rolled back.
	s.transact(func(tx merge.Tx) {
		found, err := tx.Resolve(s.ctx, s.table("person"), []crdt.Key{keyOf(3), keyOf(2)})
		s.ok(err)
		if found[0] || !found[1] {
			s.Errorf("after a rollback resolve finds %v", found)
		}
		s.insert(tx, "person", person(3, "Cy"))
	})
}
