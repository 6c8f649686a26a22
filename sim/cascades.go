package sim

import (
	"fmt"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/schema"
)

// Keys that change, which takes the rows below along (ON UPDATE CASCADE, through two
// levels, and SET NULL), and tables that refer to each other in a circle, with ON
// DELETE CASCADE and without.

const (
	// cascadeOneIn is how often a statement is about such a table, and renameOneIn
	// how often one about a row that others name by its key changes that.
	cascadeOneIn, renameOneIn = 3, 2
)

// cascadeKinds are the tables as often as each is written.
var cascadeKinds = []string{"room", "room", "suite", "shelf", "guest", "guest", "ward", "ward", "nurse", "nurse"}

// addCascades adds the tables to a schema.
func addCascades(local func(string, ...schema.Column) *schema.Table, natural func(string, []string, ...schema.Column) *schema.Table) {
	natural("room", []string{"code"}, short("code", false), text("note", true))
	suite := natural("suite", []string{"room_code"}, short("room_code", false), text("note", true))
	suite.References = []schema.Reference{onUpdate("CASCADE", onDelete("CASCADE", refer("room_code", "room", "code")))}
	shelf := natural("shelf", []string{"suite_code", "label"}, short("suite_code", false), text("label", false), text("note", true))
	shelf.References = []schema.Reference{onUpdate("CASCADE", refer("suite_code", "suite", "room_code"))}
	guest := local("guest", short("room_code", true), short("former", true), text("note", true))
	guest.References = []schema.Reference{
		onUpdate("CASCADE", onDelete("SET NULL", refer("room_code", "room", "code"))), onUpdate("SET NULL", refer("former", "room", "code")),
	}
	ward := local("ward", integer("head_id", true), integer("deputy_id", true), text("note", true))
	ward.References = []schema.Reference{onDelete("CASCADE", refer("head_id", "nurse", "nurse_id")), onDelete("SET NULL", refer("deputy_id", "nurse", "nurse_id"))}
	nurse := local("nurse", integer("ward_id", false), text("note", true))
	nurse.References = []schema.Reference{onDelete("CASCADE", refer("ward_id", "ward", "ward_id"))}
}

func onUpdate(action string, ref schema.Reference) schema.Reference {
	ref.OnUpdate = action
	return ref
}

func code(n int) crdt.Value    { return crdt.Text(fmt.Sprintf("r%d", n)) }
func codeKey(n int) crdt.Key   { return crdt.MakeKey(code(n)) }
func codeRef(n int) crdt.Value { return crdt.Ref(codeKey(n)) }
func suiteKey(n int) crdt.Key  { return crdt.MakeKey(codeRef(n)) }

// cascading makes a whole row of one of the tables, and its parents where missing.
func (x *transaction) cascading() (table string, n int, r merge.Row) {
	n = x.any()
	switch x.kind {
	case "room":
		return "room", n, x.room(n)
	case "suite":
		n = x.stable()
		return "suite", n, x.suite(n)
	case "shelf":
		s, label := x.stable(), crdt.Text(fmt.Sprintf("label%d", 1+x.rnd.IntN(2)))
		x.parent("suite", suiteKey(s), func() merge.Row { return x.suite(s) })
		r.Key = crdt.MakeKey(crdt.Ref(suiteKey(s)), label)
		set(&r, field{"suite_code", crdt.Ref(suiteKey(s))}, field{"label", label}, field{"note", x.fresh()})
		return "shelf", s, r
	case "guest":
		r.Key = keyOf(n)
		set(&r, field{"uuid", uuidOf(n)}, field{"room_code", x.roomIfThere()}, field{"former", x.roomIfThere()}, field{"note", x.fresh()})
		return "guest", n, r
	case "ward":
		return "ward", n, x.ward(n)
	}
	w := x.stable()
	x.parent("ward", keyOf(w), func() merge.Row { return x.ward(w) })
	r.Key = keyOf(n)
	set(&r, field{"uuid", uuidOf(n)}, field{"ward_id", refTo(w)}, field{"note", x.fresh()})
	return "nurse", n, r
}

func (x *transaction) room(n int) merge.Row {
	r := merge.Row{Key: codeKey(n)}
	set(&r, field{"code", code(n)}, field{"note", x.fresh()})
	return r
}

func (x *transaction) suite(n int) merge.Row {
	x.parent("room", codeKey(n), func() merge.Row { return x.room(n) })
	r := merge.Row{Key: suiteKey(n)}
	set(&r, field{"room_code", codeRef(n)}, field{"note", x.fresh()})
	return r
}

func (x *transaction) ward(n int) merge.Row {
	r := merge.Row{Key: keyOf(n)}
	set(&r, field{"uuid", uuidOf(n)}, field{"head_id", x.ifThere("nurse", x.stable())}, field{"deputy_id", x.ifThere("nurse", x.stable())}, field{"note", x.fresh()})
	return r
}

func (x *transaction) roomIfThere() crdt.Value {
	n := x.stable()
	if x.rnd.IntN(4) == 0 || !x.has("room", codeKey(n)) {
		return crdt.Null
	}
	return codeRef(n)
}

// renames changes the key of a row to one that no row has, at times, and reports
// whether it did. What goes along is not known here, so no statement follows.
func (x *transaction) renames(table string, r *merge.Row) bool {
	if table != "room" || x.verb != anything && x.verb != update || x.rnd.IntN(renameOneIn) > 0 {
		return false
	}
	n := 1 + x.rnd.IntN(x.s.w.opts.Rows+2)
	if x.has("room", codeKey(n)) {
		return false
	}
	next := merge.Row{Key: r.Key}
	set(&next, field{"code", code(n)}, field{"note", x.fresh()})
	x.write(memdb.Update, table, next)
	x.over, x.renamed = true, true
	return true
}

// carry notes the values that went to another row with a key that changed: they may
// have been logged before, perhaps by another site, and belong to this transaction there.
func (l *ledger) carry(s *Site, before map[merge.RowID]merge.Row) {
	for id, old := range before {
		now, there := s.db.Row(id.Table, id.Key)
		if !there || len(old.Values) > 0 {
			continue
		}
		for i, v := range now.Values {
			if isFresh(v) {
				c := cell{id, now.Columns[i], v}
				l.carried[c] = append(l.carried[c], written{s, l.txns})
			}
		}
	}
}

// carries reports whether a site moved a value to a row.
func (l *ledger) carries(s *Site, id merge.RowID, column string, v crdt.Value) bool {
	for _, by := range l.carried[cell{id, column, v}] {
		if by.site == s {
			return true
		}
	}
	return false
}
