package demo

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"baraza/internal/mariadb"
	"baraza/internal/netcut"
)

// person is someone whom a clinic knew before it joined.
type person struct {
	uuid, gender, birthdate, given, family, village string
}

// known are the people of each clinic; each clinic numbers its own from 1.
var known = [][]person{
	{
		{"6f0a1d52-0001-4000-8000-000000000001", "F", "1988-03-14", "Amina", "Otieno", "Ahero"},
		{"6f0a1d52-0001-4000-8000-000000000002", "M", "1961-11-02", "Brian", "Ouma", "Maseno"},
	},
	{
		{"6f0a1d52-0002-4000-8000-000000000001", "F", "1994-07-29", "Chebet", "Koech", "Njoro"},
		{"6f0a1d52-0002-4000-8000-000000000002", "M", "2015-01-08", "David", "Kiptoo", "Molo"},
	},
	{
		{"6f0a1d52-0003-4000-8000-000000000001", "F", "1979-09-30", "Ekai", "Lokiru", "Kakuma"},
		{"6f0a1d52-0003-4000-8000-000000000002", "M", "2001-05-17", "Lokwang", "Ewoi", "Kalokol"},
	},
}

// How the rows of the story are called at every clinic.
var (
	amina      = known[kisumu][0].uuid
	brian      = known[kisumu][1].uuid
	aminaVisit = "6f0a1d52-0001-4000-8002-000000000001"
	aminaPulse = "6f0a1d52-0001-4000-8003-000000000001"
	newcomers  = []person{
		{"6f0a1d52-0001-4000-8000-000000000009", "M", "2026-11-01", "Felix", "Odhiambo", "Kondele"},
		{},
		{"6f0a1d52-0003-4000-8000-000000000009", "F", "2026-11-02", "Grace", "Akiru", "Lokichar"},
	}
)

// number is what a clinic's database calls a person; of is how SQL finds it.
const of = `(SELECT person_id FROM person WHERE uuid = ?)`

// admit writes a new patient, in one transaction, as an application would.
func (c *clinic) admit(ctx context.Context, p person) error {
	part := func(n int) string { return strings.Replace(p.uuid, "-8000-", fmt.Sprintf("-80%02d-", n), 1) }
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	for _, q := range []struct {
		text string
		args []any
	}{
		{"INSERT INTO person (uuid, gender, birthdate) VALUES (?, ?, ?)", []any{p.uuid, p.gender, p.birthdate}},
		{"INSERT INTO person_name (uuid, person_id, given, family) VALUES (?, " + of + ", ?, ?)", []any{part(10), p.uuid, p.given, p.family}},
		{"INSERT INTO person_address (uuid, person_id, village) VALUES (?, " + of + ", ?)", []any{part(11), p.uuid, p.village}},
		{"INSERT INTO patient (patient_id) VALUES (" + of + ")", []any{p.uuid}},
		{"INSERT INTO patient_identifier (uuid, patient_id, number) VALUES (?, " + of + ", ?)", []any{part(12), p.uuid, strings.ToUpper(c.name[:2]) + p.uuid[34:]}},
		{"INSERT INTO encounter (uuid, patient_id, clinic, happened, note) VALUES (?, " + of + ", ?, '2026-11-20 09:30:00.25', 'first visit')", []any{part(2), p.uuid, c.name}},
		{"INSERT INTO observation (uuid, encounter_id, what, amount, unit) VALUES (?, (SELECT encounter_id FROM encounter WHERE uuid = ?), 'pulse', 72, '/min')", []any{part(3), part(2)}},
	} {
		if _, err := tx.ExecContext(ctx, q.text, q.args...); err != nil {
			return fmt.Errorf("%s: %w in: %.60s", c.name, err, q.text)
		}
	}
	return tx.Commit()
}

// numbers says under which number each clinic has a person.
func (s *story) numbers(ctx context.Context, uuid string) (string, error) {
	var parts []string
	for _, c := range s.clinics {
		n, err := c.value(ctx, "SELECT person_id FROM person WHERE uuid = ?", uuid)
		if err != nil {
			return "", err
		}
		parts = append(parts, n+" at "+c.name)
	}
	return strings.Join(parts, ", "), nil
}

func (s *story) foundClinics(ctx context.Context) error {
	s.title("Three clinics, each with a database of its own")
	names := []string{"Kisumu", "Nakuru", "Lodwar"}
	s.clinics = make([]*clinic, len(names))
	err := s.each(func(i int) (err error) {
		if s.clinics[i], err = newClinic(ctx, s.binary, s.root, names[i], mariadb.Turn(i)); err != nil {
			return err
		}
		for _, p := range known[i] {
			if err := s.clinics[i].admit(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.say("Three MariaDB servers run on this machine. Each numbered its patients itself:")
	for _, c := range s.clinics {
		who, err := c.value(ctx, "SELECT CONCAT(given, ' ', family) FROM person_name WHERE person_id = 1")
		if err != nil {
			return err
		}
		s.detail("patient 1 at %s is %s", c.name, who)
	}
	return nil
}

func (s *story) join(ctx context.Context) error {
	s.title("They join")
	first := s.clinics[kisumu]
	if err := first.setUp(ctx, ""); err != nil {
		return err
	}
	if err := first.run(ctx); err != nil {
		return err
	}
	s.say("Kisumu is the first site: baraza init, baraza run.")
	for _, c := range s.clinics[nakuru:] {
		token, err := first.baraza(ctx, "invite", "--data", first.dir)
		if err != nil {
			return err
		}
		if err := c.setUp(ctx, token); err != nil {
			return err
		}
		if err := c.run(ctx); err != nil {
			return err
		}
		s.say("%s joins with a token of Kisumu's.", c.name)
	}
	rows, err := inStep(ctx, s.clinics)
	if err != nil {
		return err
	}
	s.say("The clinics were never copies of each other; now each has all %d rows of all seven tables.", rows)
	numbers, err := s.numbers(ctx, amina)
	if err != nil {
		return err
	}
	s.detail("Nobody was renumbered. Amina Otieno is patient %s.", numbers)
	return nil
}

func (s *story) together(ctx context.Context) error {
	s.title("With the line up")
	for i, c := range s.clinics {
		note := "seen at " + c.name
		began := time.Now()
		if err := c.exec(ctx, "UPDATE encounter SET note = ? WHERE uuid = ?", note, aminaVisit); err != nil {
			return err
		}
		for _, other := range s.clinics {
			if err := wait(ctx, "a write of "+c.name+" is seen at "+other.name, func() error { return other.has(ctx, note) }); err != nil {
				return err
			}
		}
		s.say("%s writes; %s and %s show it after %.2f s.", c.name, s.clinics[(i+1)%3].name, s.clinics[(i+2)%3].name, time.Since(began).Seconds())
	}
	return nil
}

// has reports whether Amina's visit has the note.
func (c *clinic) has(ctx context.Context, note string) error {
	got, err := c.value(ctx, "SELECT note FROM encounter WHERE uuid = ?", aminaVisit)
	if err == nil && got != note {
		err = fmt.Errorf("the note at %s is %q", c.name, got)
	}
	return err
}

// cut takes Lodwar's line away: nothing reaches it, and nothing of it reaches
// the others.
func (s *story) cut() {
	s.clinics[lodwar].relay.Cut()
	from := netcut.Of(s.clinics[lodwar].proc.Pid())
	if from == nil { // all share one address and cannot be told apart: cut all
		from = func(net.Addr) bool { return true }
	}
	s.clinics[kisumu].relay.CutFrom(from)
	s.clinics[nakuru].relay.CutFrom(from)
}

func (s *story) heal() {
	for _, c := range s.clinics {
		c.relay.Heal()
	}
}

// write is one statement of the time apart.
type write struct {
	at   int
	says string
	text string
	args []any
}

func (s *story) apart(ctx context.Context) error {
	s.title("Lodwar's line is cut")
	s.cut()
	s.say("Nothing passes between Lodwar and the others. Everyone goes on working:")
	for _, w := range []write{
		{kisumu, "Kisumu notes Amina's phone number.", "UPDATE person SET phone = '0712 000 111' WHERE uuid = ?", []any{amina}},
		{lodwar, "Lodwar notes Amina's date of birth: another column of the same row.", "UPDATE person SET birthdate = '1988-03-15' WHERE uuid = ?", []any{amina}},
		{kisumu, "Kisumu notes Brian's allergy: penicillin.", "UPDATE patient SET allergies = 'penicillin' WHERE patient_id = " + of, []any{brian}},
		{lodwar, "Lodwar, later, notes Brian's allergy: none. The same column, and neither saw the other.", "UPDATE patient SET allergies = 'none' WHERE patient_id = " + of, []any{brian}},
		{nakuru, "Nakuru deletes the pulse measured at Amina's visit.", "DELETE FROM observation WHERE uuid = ?", []any{aminaPulse}},
		{lodwar, "Lodwar, later, corrects that same pulse to 88.", "UPDATE observation SET amount = 88 WHERE uuid = ?", []any{aminaPulse}},
	} {
		if err := s.clinics[w.at].exec(ctx, w.text, w.args...); err != nil {
			return err
		}
		s.detail("%s", w.says)
		time.Sleep(50 * time.Millisecond) // later is later by more than a clock's grain
	}
	for _, i := range []int{kisumu, lodwar} {
		if err := s.clinics[i].admit(ctx, newcomers[i]); err != nil {
			return err
		}
		n, err := s.clinics[i].value(ctx, "SELECT person_id FROM person WHERE uuid = ?", newcomers[i].uuid)
		if err != nil {
			return err
		}
		s.detail("%s admits %s %s as patient %s.", s.clinics[i].name, newcomers[i].given, newcomers[i].family, n)
	}
	return s.checkCut(ctx)
}

// checkCut makes sure that the cut is one: what Kisumu wrote is not at Lodwar
// and the other way round, although there was time.
func (s *story) checkCut(ctx context.Context) error {
	const timeEnough = 2 * time.Second
	if netcut.Of(1) != nil {
		err := wait(ctx, "Nakuru still hears of Kisumu", func() error {
			n, err := s.clinics[nakuru].value(ctx, "SELECT uuid FROM person WHERE uuid = ?", newcomers[kisumu].uuid)
			if err == nil && n == "" {
				err = fmt.Errorf("the new patient is not there")
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(timeEnough):
	}
	for _, x := range []struct{ at, of int }{{lodwar, kisumu}, {kisumu, lodwar}, {nakuru, lodwar}} {
		n, err := s.clinics[x.at].value(ctx, "SELECT uuid FROM person WHERE uuid = ?", newcomers[x.of].uuid)
		if err != nil {
			return err
		}
		if n != "" {
			return fmt.Errorf("%s has a patient of %s's although the line is cut", s.clinics[x.at].name, s.clinics[x.of].name)
		}
	}
	s.say("After %v Lodwar knows nothing of the others' work, nor they of Lodwar's.", timeEnough)
	return nil
}
