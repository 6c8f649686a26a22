package dbtest

import (
	"strings"

	"baraza/crdt"
	"baraza/merge"
)

func testLock(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("person", person(2, "Bo")))
	s.transact(func(tx merge.Tx) {
		rows, err := tx.Lock(s.ctx, s.table("person"), []crdt.Key{keyOf(2), keyOf(9)})
		s.ok(err)
		if len(rows) != 1 || rows[0].Key != keyOf(2) {
			s.Fatalf("lock found %v", rows)
		}
		if got := show(rows[0], []string{"uuid", "name", "weight", "note", "person_id"}); got != "#2 Bo NULL  -" {
			s.Errorf("lock read %q", got)
		}
		if want := s.table("person").Shipped(); strings.Join(rows[0].Columns, " ") != strings.Join(want, " ") {
			s.Errorf("lock read the columns %v, want %v", rows[0].Columns, want)
		}
		rows, err = tx.Lock(s.ctx, s.table("person"), nil)
		s.ok(err)
		if len(rows) != 0 {
			s.Errorf("lock of nothing found %v", rows)
		}
	})
}

func testResolve(s *suite) {
	s.app(insert("concept", withUUID(1, "name", "pulse")), insert("person", person(2, "Bo")), insert("patient", patient(2)))
	check := func(tx merge.Tx, table string, key crdt.Key, want bool) {
		s.Helper()
		found, err := tx.Resolve(s.ctx, s.table(table), []crdt.Key{key, key})
		s.ok(err)
		if len(found) != 2 || found[0] != want || found[1] != want {
			s.Errorf("resolve %s %s: %v, want %v", table, key, found, want)
		}
	}
	s.transact(func(tx merge.Tx) {
		check(tx, "concept", keyOf(1), true)
		check(tx, "concept", keyOf(2), false)
		check(tx, "patient", patientKey(2), true)
		check(tx, "person", keyOf(3), false)
		check(tx, "patient", patientKey(3), false)
		s.insert(tx, "person", person(3, "Cy"))
		check(tx, "person", keyOf(3), true)
		check(tx, "patient", patientKey(3), false)
		s.insert(tx, "patient", patient(3))
		check(tx, "patient", patientKey(3), true)
	})
}

func testInsertReferences(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("patient", patient(1)), insert("concept", withUUID(5)))
	s.transact(func(tx merge.Tx) {
		s.insert(tx, "person", person(2, "Bo"))
		s.insert(tx, "patient", patient(2))
		s.insert(tx, "obs",
			obs(10, 1, "concept_id", refTo(5), "value_text", "old parent"),
			obs(11, 2, "value_text", "new parent"))
		s.insert(tx, "remark", withUUID(20, "person_id", refTo(2)), withUUID(21, "person_id", nil))
	})
	s.sees("obs", "uuid patient_id concept_id obs_group_id value_text", "#10 #1 #5 NULL old parent", "#11 #2 NULL NULL new parent")
	s.sees("remark", "uuid person_id body", "#20 #2 NULL", "#21 NULL NULL")
	s.transact(func(tx merge.Tx) {
		s.refused(map[crdt.Key]merge.Refusal{
			keyOf(12): merge.RefusedReference, keyOf(13): merge.RefusedReference,
		})(tx.Insert(s.ctx, s.table("obs"), []merge.Row{obs(12, 7), obs(13, 1, "concept_id", refTo(6)), obs(14, 1)}))
	})
	s.sees("obs", "uuid", "#10", "#11", "#14")
}

func testKeyIsReference(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("patient", patient(1)), insert("tag", tag(1, "vip")))
	s.transact(func(tx merge.Tx) {
		s.insert(tx, "person", person(2, "Bo"))
		s.insert(tx, "patient", patient(2))
		s.insert(tx, "tag", tag(2, "vip"), tag(1, "late"))
		rows := s.lock(tx, "patient", patientKey(1), patientKey(2))
		if got := show(rows[1], []string{"patient_id", "allergy"}); got != "#2 none" {
			s.Errorf("lock read the patient %q", got)
		}
		rows, err := tx.Lock(s.ctx, s.table("tag"), []crdt.Key{tag(1, "late").Key, tag(2, "late").Key, tag(3, "late").Key})
		s.ok(err)
		if len(rows) != 1 || rows[0].Key != tag(1, "late").Key {
			s.Errorf("lock found the tags %v", rows)
		}
		s.refused(nil)(tx.Update(s.ctx, s.table("patient"), []merge.Row{row(patientKey(1), "allergy", "nuts")}))
		s.refused(nil)(tx.Delete(s.ctx, s.table("tag"), []crdt.Key{tag(1, "late").Key}))
	})
	s.sees("patient", "patient_id allergy", "#1 nuts", "#2 none")
	s.sees("tag", "person_id label", "#1 vip", "#2 vip")
}

func testSelfReferences(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("patient", patient(1)), insert("obs", obs(9, 1)))
	s.transact(func(tx merge.Tx) {
		s.insert(tx, "obs",
			obs(12, 1, "obs_group_id", refTo(11)), // before what it refers to
			obs(10, 1, "obs_group_id", nil),
			obs(11, 1, "obs_group_id", refTo(10)),
			obs(13, 1, "obs_group_id", refTo(9)))
		s.insert(tx, "obs", obs(14, 1, "obs_group_id", refTo(12)))
	})
	s.sees("obs", "uuid obs_group_id", "#9 NULL", "#10 NULL", "#11 #10", "#12 #11", "#13 #9", "#14 #12")
	// What refers to a refused row is refused too, and nothing else is.
	s.transact(func(tx merge.Tx) {
		s.refused(map[crdt.Key]merge.Refusal{
			keyOf(20): merge.RefusedReference, keyOf(21): merge.RefusedReference, keyOf(22): merge.RefusedReference,
		})(tx.Insert(s.ctx, s.table("obs"), []merge.Row{
			obs(20, 1, "obs_group_id", refTo(21)), obs(21, 1, "obs_group_id", refTo(22)), obs(22, 8), obs(23, 1),
		}))
	})
	s.sees("obs", "uuid", "#9", "#10", "#11", "#12", "#13", "#14", "#23")
}

func testRing(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("patient", patient(1)))
	s.transact(func(tx merge.Tx) {
		s.insert(tx, "obs",
			obs(10, 1, "obs_group_id", refTo(11)), obs(11, 1, "obs_group_id", refTo(10)),
			obs(12, 1, "obs_group_id", refTo(12)), obs(13, 1, "obs_group_id", refTo(10)))
		s.insert(tx, "node", withUUID(1, "parent_id", refTo(1)))
		s.insert(tx, "node", withUUID(2, "parent_id", refTo(3)), withUUID(3, "parent_id", refTo(2)), withUUID(4, "parent_id", refTo(1)))
		s.insert(tx, "users", user(1, 1, 1, "admin"), user(2, 1, 1, "daemon"))
	})
	s.sees("obs", "uuid obs_group_id", "#10 #11", "#11 #10", "#12 #12", "#13 #10")
	s.sees("node", "uuid parent_id", "#1 #1", "#2 #3", "#3 #2", "#4 #1")
	s.sees("users", "uuid username creator", "#1 admin #1", "#2 daemon #1")
	// A refused row takes its ring with it.
	s.transact(func(tx merge.Tx) {
		s.refused(map[crdt.Key]merge.Refusal{
			keyOf(5): merge.RefusedDuplicate, keyOf(6): merge.RefusedReference,
		})(tx.Insert(s.ctx, s.table("users"), []merge.Row{user(5, 1, 6, "admin"), user(6, 1, 5, "six"), user(7, 1, 7, "seven")}))
	})
	s.sees("users", "uuid creator", "#1 #1", "#2 #1", "#7 #7")
}

func testInsertTwice(s *suite) {
	s.app(insert("person", person(1, "Ada")))
	tx, err := s.DB.Begin(s.ctx)
	s.ok(err)
	if _, err := tx.Insert(s.ctx, s.table("person"), []merge.Row{person(2, "Bo"), person(1, "Al")}); !isRetry(err) {
		s.Errorf("insert of a row that is there: %v, want ErrRetry", err)
	}
	s.ok(tx.Rollback())
	s.sees("person", "uuid name", "#1 Ada")
}

func testInsertMany(s *suite) {
	const rows = 2500
	var people, patients []merge.Row
	var keys []crdt.Key
	for n := 1; n <= rows; n++ {
		people, patients = append(people, person(n, "p")), append(patients, patient(n))
		keys = append(keys, keyOf(n))
	}
	s.transact(func(tx merge.Tx) {
		s.insert(tx, "person", people...)
		s.insert(tx, "patient", patients...)
	})
	s.transact(func(tx merge.Tx) {
		s.lock(tx, "person", keys...)
		if got := len(s.Rows("patient")); got != rows {
			s.Errorf("%d patients, want %d", got, rows)
		}
	})
}

func testInsertRefused(s *suite) {
	s.app(insert("person", person(1, "Ada")))
	s.transact(func(tx merge.Tx) { s.insert(tx, "users", user(1, 1, 1, "Ann")) })
	long := strings.Repeat("é", 21)
	s.transact(func(tx merge.Tx) {
		s.refused(map[crdt.Key]merge.Refusal{
			keyOf(11): merge.RefusedValue, keyOf(13): merge.RefusedValue, keyOf(14): merge.RefusedValue,
		})(tx.Insert(s.ctx, s.table("person"), []merge.Row{
			person(10, "ten"), person(11, long), person(12, long[:40]), withUUID(13, "note", nil), person(14, long), person(15, "x"),
		}))
		s.refused(map[crdt.Key]merge.Refusal{
			keyOf(20): merge.RefusedDuplicate, keyOf(22): merge.RefusedReference,
			keyOf(24): merge.RefusedDuplicate, keyOf(25): merge.RefusedValue,
		})(tx.Insert(s.ctx, s.table("users"), []merge.Row{
			user(20, 1, 1, "ann"), user(21, 1, 1, "bob"), user(22, 9, 1, "cyd"), user(23, 12, 1, nil), user(24, 1, 1, "bob"),
			withUUID(25, "username", "no creator", "person_id", refTo(1)), user(26, 1, 1, nil),
		}))
	})
	s.sees("person", "uuid name", "#1 Ada", "#10 ten", "#12 "+long[:40], "#15 x")
	s.sees("users", "uuid username", "#1 Ann", "#21 bob", "#23 NULL", "#26 NULL")
}

// Rows of one call need not have the same columns.
func testInsertShapes(s *suite) {
	s.transact(func(tx merge.Tx) {
		s.insert(tx, "person",
			withUUID(1, "name", "Ada", "note", "n"), withUUID(2, "weight", crdt.Float64(61.25)), withUUID(3),
			row(keyOf(4), "name", "key only"), withUUID(5, "note", "m", "name", "turned"))
		s.insert(tx, "setting", row(crdt.MakeKey(crdt.Text("1.locale")), "property", "1.locale", "value", "sw"))
	})
	s.sees("person", "uuid name weight note", "#1 Ada NULL n", "#2 NULL 61.25 ", "#3 NULL NULL ", "#4 key only NULL ", "#5 turned NULL m")
	s.sees("setting", "property value", "1.locale sw")
}
