package e2e

import (
	"fmt"
	"testing"
	"time"
)

// account writes an account with two bills of two items each, a memo to each
// bill, and returns the bills' uuids.
func (s *site) account(n int) (uuid string, bills []string) {
	uuid = fmt.Sprintf("40000000-0000-4000-8000-%012d", n)
	s.exec("INSERT INTO account (uuid, owner) VALUES (?, 'clinic')", uuid)
	for i := range 2 {
		bill := fmt.Sprintf("41000000-0000-4000-8000-%012d", 10*n+i)
		bills = append(bills, bill)
		s.exec("INSERT INTO bill (uuid, account_id, amount) SELECT ?, account_id, 100 FROM account WHERE uuid = ?", bill, uuid)
		s.exec("INSERT INTO item SELECT bill_id, 1, 'drug' FROM bill WHERE uuid = ?", bill)
		s.exec("INSERT INTO item SELECT bill_id, 2, 'test' FROM bill WHERE uuid = ?", bill)
		s.exec("INSERT INTO memo (uuid, bill_id, text) SELECT ?, bill_id, 'note' FROM bill WHERE uuid = ?",
			fmt.Sprintf("42000000-0000-4000-8000-%012d", 10*n+i), bill)
	}
	return uuid, bills
}

// count counts what is left of the accounts.
func (s *site) count() string {
	return s.rows(`SELECT (SELECT COUNT(*) FROM account), (SELECT COUNT(*) FROM bill), (SELECT COUNT(*) FROM item),
		(SELECT COUNT(*) FROM memo WHERE bill_id IS NOT NULL), (SELECT COUNT(*) FROM memo), (SELECT COUNT(*) FROM receipt)`)
}

// testOnDelete: R4 and the capture of what InnoDB does beneath triggers. One
// site deletes an account with all that goes with it; meanwhile others write
// what refers to parts of such accounts.
//
// Seen to fail with the trigger that notes cascades left out
// (capture/trigger/cascade.go), and with CASCADE taken for RESTRICT
// (merge/absence.go).
func testOnDelete(t *testing.T, a, b, c *site) {
	first, _ := a.account(1)
	second, bills := a.account(2)
	third, others := a.account(3)
	quiet(t, 30*time.Second, a, b, c)
	before := a.conflicts().Total

	a.exec("DELETE FROM account WHERE uuid = ?", first) // nobody minds
	quiet(t, 30*time.Second, a, b, c)
	for _, s := range []*site{a, b, c} {
		if got := s.count(); got != "2\t4\t8\t4\t6\t0\n" {
			t.Errorf("site %s, after a delete through three levels: %q", s.name, got)
		}
	}
	if n := a.conflicts().Total - before; n != 0 {
		t.Errorf("%d conflicts where there is none", n)
	}

	cut(t, []*site{a, b, c}, func() {
		a.exec("DELETE FROM account WHERE uuid = ?", second)
		a.exec("DELETE FROM account WHERE uuid = ?", third)
		// A receipt must keep its bill, and so the account; an item goes with its bill.
		b.exec("INSERT INTO receipt (uuid, bill_id, paid) SELECT '43000000-0000-4000-8000-000000000001', bill_id, 100 FROM bill WHERE uuid = ?", bills[0])
		c.exec("INSERT INTO item SELECT bill_id, 3, 'late' FROM bill WHERE uuid = ?", others[0])
		c.exec("INSERT INTO memo (uuid, bill_id, text) SELECT '42000000-0000-4000-8000-000000000099', bill_id, 'late' FROM bill WHERE uuid = ?", others[0])
	})
	quiet(t, 40*time.Second, a, b, c)
	for _, s := range []*site{a, b, c} {
		if got := s.count(); got != "1\t1\t0\t0\t7\t1\n" {
			t.Errorf("site %s, after deletes against inserts: %q", s.name, got)
		}
		rules := map[string]int{}
		for _, k := range s.conflicts("--table", "account").Conflicts {
			rules["account "+k.Rule]++
		}
		for _, table := range []string{"bill", "item", "memo"} {
			for _, k := range s.conflicts("--table", table).Conflicts {
				rules[table+" "+k.Rule]++
			}
		}
		if got := fmt.Sprint(rules); got != "map[account R4:1 bill R4:1 item R4:1 memo R4:1]" {
			t.Errorf("site %s lists the conflicts %s", s.name, got)
		}
	}

	// The receipt goes, and with it what it kept.
	b.exec("DELETE FROM receipt")
	eventually(t, 40*time.Second, "what was kept goes", func() error {
		for _, s := range []*site{a, b, c} {
			if got := s.count(); got != "0\t0\t0\t0\t7\t0\n" {
				return fmt.Errorf("site %s: %q", s.name, got)
			}
		}
		return nil
	})
	quiet(t, 30*time.Second, a, b, c)
}
