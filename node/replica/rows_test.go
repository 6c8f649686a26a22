package replica_test

import (
	"fmt"
	"math/rand/v2"

	"baraza/crdt"
	"baraza/merge"
)

// row makes a whole new row of a random table.
func (s *site) row(rnd *rand.Rand) (table string, n int, r merge.Row) {
	n = 1 + rnd.IntN(rowsMax)
	r.Key = keyOf(n)
	set := func(column string, v crdt.Value) {
		r.Columns, r.Values = append(r.Columns, column), append(r.Values, v)
	}
	if s.w.stocky && rnd.IntN(4) > 0 {
		return s.stock(n, rnd)
	}
	switch rnd.IntN(12) {
	case 0, 1:
		table = "person"
		set("uuid", crdt.Text(uuid(n)))
		set("name", s.fresh())
		set("weight", crdt.Float64(float64(rnd.IntN(3))))
		set("note", s.fresh())
	case 2:
		table = "patient"
		if s.w.mode == plain {
			n = s.parent(rnd)
		}
		r.Key = patientKey(n)
		set("patient_id", refTo(n))
		set("allergy", s.fresh())
	case 3, 4:
		table = "obs"
		set("uuid", crdt.Text(uuid(n)))
		set("patient_id", crdt.Ref(patientKey(s.parent(rnd))))
		set("obs_group_id", s.maybe(rnd, refTo(s.parent(rnd))))
		set("value_text", s.fresh())
	case 5:
		table = "tag"
		p, label := s.parent(rnd), []string{"a", "b"}[rnd.IntN(2)]
		n = 1
		r.Key = crdt.MakeKey(refTo(p), crdt.Text(label))
		set("person_id", refTo(p))
		set("label", crdt.Text(label))
		set("note", s.fresh())
	case 6:
		if rnd.IntN(2) == 0 {
			return s.stock(n, rnd)
		}
		table = "setting"
		property := crdt.Text(fmt.Sprintf("p%d", n))
		r.Key = crdt.MakeKey(property)
		set("property", property)
		set("value", s.fresh())
	case 7:
		table = "visit"
		set("uuid", crdt.Text(uuid(n)))
		set("person_id", refTo(s.parent(rnd)))
		set("parent_id", s.maybe(rnd, refTo(s.parent(rnd))))
		set("reason", s.fresh())
	case 8:
		table = "charge"
		v := s.parent(rnd)
		n = 1
		r.Key = crdt.MakeKey(refTo(v), crdt.Text("x"))
		set("visit_id", refTo(v))
		set("code", crdt.Text("x"))
		set("amount", s.fresh())
	case 9:
		table = "bill"
		set("uuid", crdt.Text(uuid(n)))
		set("visit_id", refTo(s.parent(rnd)))
		set("remark_id", s.maybe(rnd, refTo(s.parent(rnd))))
		set("note", s.fresh())
	case 10:
		if s.w.mode == clashes && rnd.IntN(2) == 0 {
			table = "locker"
			set("uuid", crdt.Text(uuid(n)))
			set("number", crdt.Int(int64(rnd.IntN(4))))
			set("note", s.fresh())
			break
		}
		table = "badge"
		number, slot := n, n
		if s.w.mode == clashes {
			number, slot = rnd.IntN(4), rnd.IntN(2)
		}
		set("uuid", crdt.Text(uuid(n)))
		set("number", crdt.Text(fmt.Sprintf("n%d", number)))
		set("person_id", s.maybe(rnd, refTo(s.parent(rnd))))
		set("slot", s.maybe(rnd, crdt.Text(fmt.Sprintf("s%d", slot))))
		set("note", s.fresh())
	case 11:
		if s.w.mode != plain && rnd.IntN(2) == 0 {
			table = "users"
			name := n
			if s.w.mode == clashes {
				name = rnd.IntN(3)
			}
			set("uuid", crdt.Text(uuid(n)))
			set("username", crdt.Text(fmt.Sprintf("u%d", name)))
			set("person_id", refTo(s.parent(rnd)))
			set("creator", refTo([]int{n, s.parent(rnd)}[rnd.IntN(2)]))
			break
		}
		table = "remark"
		set("uuid", crdt.Text(uuid(n)))
		set("person_id", s.maybe(rnd, refTo(s.parent(rnd))))
		set("body", s.fresh())
	}
	return table, n, r
}

// stock makes a row of numbers to count with.
func (s *site) stock(n int, rnd *rand.Rand) (table string, _ int, r merge.Row) {
	item := crdt.Text(fmt.Sprintf("i%d", n))
	return "stock", n, merge.Row{
		Key:     crdt.MakeKey(item),
		Columns: []string{"item", "quantity", "price", "note"},
		Values: []crdt.Value{
			item, crdt.Int(int64(rnd.IntN(100))),
			crdt.Tagged(crdt.TagDecimal, fmt.Sprintf("%d.%02d", rnd.IntN(9), rnd.IntN(100))), s.fresh(),
		},
	}
}
