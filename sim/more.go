package sim

import (
	"fmt"

	"baraza/crdt"
	"baraza/merge"
)

// The rows of the tables that R4 and R5 are about: references with each ON
// DELETE action, and unique values.

// more makes a whole row of the statement's table, and its parents where
// missing.
func (x *transaction) more() (table string, n int, r merge.Row) {
	switch x.kind {
	case numbered:
		return x.ticket()
	case "room", "suite", "shelf", "guest", "ward", "nurse":
		return x.cascading()
	case "stock":
		return x.stock()
	case "account":
		return x.account()
	}
	n = x.any()
	r.Key = keyOf(n)
	id := uuidOf(n)
	switch x.kind {
	case "remark":
		set(&r, field{"uuid", id}, field{"person_id", x.ifThere("person", x.stable())}, field{"body", x.fresh()})
	case "visit":
		return "visit", n, x.visit(n, x.ifThere("visit", x.stable()))
	case "charge":
		v, code := x.owner(), 1+x.rnd.IntN(2)
		x.parent("visit", keyOf(v), func() merge.Row { return x.visit(v, crdt.Null) })
		c := crdt.Text(fmt.Sprintf("code%d", code))
		r.Key = crdt.MakeKey(refTo(v), c)
		set(&r, field{"visit_id", refTo(v)}, field{"code", c}, field{"amount", x.fresh()})
		return "charge", code, r
	case "bill":
		v := x.stable()
		x.parent("visit", keyOf(v), func() merge.Row { return x.visit(v, crdt.Null) })
		set(&r, field{"uuid", id}, field{"visit_id", refTo(v)}, field{"remark_id", x.ifThere("remark", x.stable())}, field{"note", x.fresh()})
	case "badge":
		person, slot := x.ifThere("person", x.stable()), x.unique("slot", n)
		if x.rnd.IntN(4) == 0 {
			slot = crdt.Null
		}
		set(&r, field{"uuid", id}, field{"number", x.unique("number", n)}, field{"person_id", person}, field{"slot", slot}, field{"note", x.fresh()})
	case "users":
		x.users(n, &r)
	}
	return x.kind, n, r
}

func (x *transaction) visit(n int, parent crdt.Value) merge.Row {
	p := x.stable()
	x.parent("person", keyOf(p), func() merge.Row { return x.person(p) })
	r := merge.Row{Key: keyOf(n)}
	set(&r, field{"uuid", uuidOf(n)}, field{"person_id", refTo(p)}, field{"parent_id", parent}, field{"reason", x.fresh()})
	return r
}

// users makes a user; who created it is another, or itself.
func (x *transaction) users(n int, r *merge.Row) {
	p, creator := x.stable(), x.stable()
	x.parent("person", keyOf(p), func() merge.Row { return x.person(p) })
	if x.verb == insert || !x.has("users", keyOf(creator)) {
		creator = n
	}
	name := x.unique("name", n)
	if x.rnd.IntN(4) == 0 {
		name = crdt.Null
	}
	set(r, field{"uuid", uuidOf(n)}, field{"username", name}, field{"person_id", refTo(p)}, field{"creator", refTo(creator)}, field{"note", x.fresh()})
}

// ifThere refers to a row if it is there, and else, or at times, to none.
func (x *transaction) ifThere(table string, n int) crdt.Value {
	if x.rnd.IntN(4) == 0 || !x.has(table, keyOf(n)) {
		return crdt.Null
	}
	return refTo(n)
}

// unique is a value of a unique index for the row n: its own, or one of a few.
func (x *transaction) unique(what string, n int) crdt.Value {
	if x.mix.Rules == Clashes {
		n = x.rnd.IntN(x.s.w.opts.Rows + 2)
	}
	return crdt.Text(fmt.Sprintf("%s%d", what, n))
}
