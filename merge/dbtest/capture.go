package dbtest

import (
	"baraza/crdt"
	"baraza/merge"
)

func testNoEcho(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("tag", tag(1, "a")), insert("person", person(2, "Bo")), insert("patient", patient(2)))
	_, ids := s.captured()
	s.ok(s.Source.Release(s.ctx, ids))
	s.transact(func(tx merge.Tx) {
		s.insert(tx, "person", person(3, "Cy"))
		s.insert(tx, "users", user(3, 3, 3, "ring"))
		s.lock(tx, "person", keyOf(1), keyOf(2))
		s.refused(nil)(tx.Update(s.ctx, s.table("person"), []merge.Row{row(keyOf(2), "name", "Bob")}))
		s.refused(map[crdt.Key]merge.Refusal{keyOf(2): merge.RefusedReference})(
			tx.Delete(s.ctx, s.table("person"), []crdt.Key{keyOf(1), keyOf(2)}))
	})
	s.captures()
	s.app(update("person", row(keyOf(2), "note", "local")))
	s.captures("person #2 note=local")
	s.captures()
}

func testCapture(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("concept", withUUID(7, "name", "pulse")))
	s.app(insert("patient", patient(1)), insert("obs", obs(9, 1, "concept_id", refTo(7))))
	s.captures(
		"person #1 name=Ada note= uuid=#1 weight=NULL",
		"patient #1 allergy=none patient_id=#1",
		"obs #9 concept_id=#7 obs_group_id=NULL patient_id=#1 uuid=#9 value_text=NULL")
	// Only changed columns; a column's own value is no change.
	s.app(update("person", row(keyOf(1), "name", "Ada", "note", "n")))
	s.app(update("person", row(keyOf(1), "name", "Adah")))
	s.captures("person #1 name=Adah note=n")
	s.app(remove("obs", keyOf(9)), remove("patient", patientKey(1)))
	s.captures(
		"obs #9 deleted concept_id=#7 obs_group_id=NULL patient_id=#1 uuid=#9 value_text=NULL",
		"patient #1 deleted allergy=none patient_id=#1")
	// A failed transaction leaves nothing.
	if err := s.App(insert("person", person(2, "Bo")), insert("person", person(1, "twice"))); err == nil {
		s.Error("an application could insert a row twice")
	}
	s.captures()
	s.sees("person", "uuid name", "#1 Adah")
}

// testCaptureDeleted: what was written before a delete in one view comes before
// it, with the values that the row last had.
func testCaptureDeleted(s *suite) {
	s.app(insert("person", person(1, "Ada")))
	_, ids := s.captured()
	s.ok(s.Source.Release(s.ctx, ids))
	s.app(update("person", row(keyOf(1), "name", "Bea")), update("person", row(keyOf(1), "name", "Cy")))
	s.app(remove("person", keyOf(1)))
	rows, _ := s.captured()
	if len(rows) != 2 || rows[0].Delete || !rows[1].Delete {
		s.Fatalf("captured %v, want a write and a delete", changes(rows))
	}
	s.captures("person #1 name=Cy", "person #1 deleted name=Cy note= uuid=#1 weight=NULL")
}

func testCaptureActions(s *suite) {
	s.app(insert("person", person(1, "Ada")), insert("person", person(2, "Bo")), insert("tag", tag(1, "a")), insert("tag", tag(1, "b")),
		insert("tag", tag(2, "a")), insert("remark", withUUID(9, "person_id", refTo(1), "body", "b")),
		insert("visit", visit(20, 1, "reason", "r")), insert("visit", visit(21, 2, "parent_id", refTo(20))),
		insert("visit", visit(22, 2, "parent_id", refTo(21))), insert("visit", visit(23, 2)),
		insert("charge", charge(22, "x")), insert("charge", charge(23, "x")))
	_, ids := s.captured()
	s.ok(s.Source.Release(s.ctx, ids))
	s.app(remove("person", keyOf(1)))
	s.captures(
		"person #1 deleted name=Ada note= uuid=#1 weight=NULL",
		"tag "+short(tag(1, "a").Key.String())+" deleted label=a note=NULL person_id=#1",
		"tag "+short(tag(1, "b").Key.String())+" deleted label=b note=NULL person_id=#1",
		"visit #20 deleted parent_id=NULL person_id=#1 reason=r uuid=#20",
		"visit #21 deleted parent_id=#20 person_id=#2 reason=NULL uuid=#21",
		"visit #22 deleted parent_id=#21 person_id=#2 reason=NULL uuid=#22",
		"charge "+short(charge(22, "x").Key.String())+" deleted amount=NULL code=x visit_id=#22",
		"remark #9 person_id=NULL")
	s.captures()
}

func testRelease(s *suite) {
	s.app(insert("person", person(1, "Ada")))
	s.app(insert("person", person(2, "Bo")))
	rows, ids := s.captured()
	if len(rows) != 2 || ids.Len() < 2 {
		s.Fatalf("captured %d rows and %d ids", len(rows), ids.Len())
	}
	s.app(insert("person", person(3, "Cy"))) // after the reading: must stay
	tx, err := s.DB.Begin(s.ctx)
	s.ok(err)
	s.ok(tx.Release(s.ctx, ids))
	s.ok(tx.Rollback())
	if rows, _ := s.captured(); len(rows) != 3 {
		s.Errorf("after a rolled back release %d rows are captured, want 3", len(rows))
	}
	s.transact(func(tx merge.Tx) {
		s.ok(tx.Release(s.ctx, ids))
		s.ok(tx.Release(s.ctx, nil))
	})
	s.ok(s.Source.Release(s.ctx, ids)) // twice is no error
	s.captures("person #3 name=Cy note= uuid=#3 weight=NULL")
}
