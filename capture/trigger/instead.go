package trigger

import (
	"fmt"
	"strings"
)

// A trigger names columns. An application's migration drops or renames one
// between two looks at the schema, and from then on every write to the table
// would fail with "unknown column", until the triggers are made anew: seconds
// while the site runs, for ever while it does not. The servers resolve names when
// a statement of the trigger runs, so a handler catches that. What the trigger
// then notes is less: of an update which columns of those that are still there it
// wrote, found in a statement for each (sameApart); of a
// delete the key only; and where even the key has another name, that something
// was changed (opLost), which a compare with another site finds.

// badField is the error of the server for a column that is not there.
const badField = 1054

// handled are the errors of the server that a change of the schema makes of a
// trigger that was right before: no such column (1054), no such table (1146), a
// key that may be NULL by now (1048), and values that a table of deleted rows has
// no room for (1264, 1265, 1366, 1406).
const handled = "1048,1054,1146,1264,1265,1366,1406"

// guarded is a trigger's body, with what to do instead where the schema is not
// any more what the body was made for. The body ends within an IF.
func guarded(instead, body string) string {
	return "BEGIN\nDECLARE EXIT HANDLER FOR " + handled + " BEGIN\nIF " + local + " THEN\n" + instead + "END IF;\nEND;\n" +
		body + "END IF;\nEND"
}

// noteLost notes that a row of the table was changed.
func noteLost(id int) string {
	return fmt.Sprintf("INSERT INTO %s.log (tbl,op,k) VALUES (%d,%d,'');\n", home, id, opLost)
}

// orLost is instead with noteLost for where the key is not there either.
func orLost(id int, instead string) string {
	return "BEGIN\nDECLARE EXIT HANDLER FOR " + handled + " " + noteLost(id) + instead + "END;\n"
}

// compared is the variable of the session that has what sameApart found. For one of
// its own a trigger makes room at every run.
const compared = "@baraza_same"

// sameApart is same, in a statement for each column: one that is not there leaves
// what is known of the others as it is, and has the byte columnGone.
func (p *plan) sameApart() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SET %s=REPEAT(CHAR(%d),%d);\nBEGIN\nDECLARE CONTINUE HANDLER FOR %d BEGIN END;\n", compared, columnGone, len(p.columns), badField)
	for i := range p.columns {
		fmt.Fprintf(&b, "SET %[1]s=INSERT(%[1]s,%[2]d,1,CHAR(%[3]s));\n", compared, i+1, p.columns[i].SameSQL("NEW", "OLD", p.signedZero))
	}
	return b.String() + "END;\n"
}

// updateInstead notes the row, with what can be told of its columns.
func (p *plan) updateInstead(id int) string {
	var same []string
	for i := range p.columns {
		if c := &p.columns[i]; p.inKey(c) {
			same = append(same, c.SameKeySQL("NEW", "OLD"))
		}
	}
	return orLost(id, "IF "+strings.Join(same, " AND ")+" THEN\n"+
		p.sameApart()+p.note(id, opUpdate, "NEW", compared)+
		"ELSE\n"+p.noteKeyDeleted(id)+p.note(id, opInsert, "NEW", "")+"END IF;\n")
}

// deleteInstead notes the row's key, and nothing else of what it was. The body
// may have added its row to the log, which then has none among the deleted ones
// and says nothing.
func (p *plan) deleteInstead(id int) string { return orLost(id, p.noteKeyDeleted(id)) }

func (p *plan) noteKeyDeleted(id int) string {
	names, values := p.goneFieldsOf("OLD", p.inKey)
	return p.note(id, opDelete, "OLD", "") +
		fmt.Sprintf("INSERT INTO %s.%s (%s,%s) VALUES (LAST_INSERT_ID(),%s);\n", home, goneTable(id), goneID, names, values)
}
