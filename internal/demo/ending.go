package demo

import (
	"context"
	"fmt"
	"strings"
	"time"
)

func (s *story) reunion(ctx context.Context) error {
	s.title("The line comes back")
	began := time.Now()
	s.heal()
	rows, err := inStep(ctx, s.clinics)
	if err != nil {
		return err
	}
	s.say("%.1f s later all three have the same %d rows: every table compared, row by row, by uuid.", time.Since(began).Seconds(), rows)
	for _, c := range s.clinics {
		for _, claim := range []struct{ what, want, query, key string }{
			{"Amina's phone and date of birth", "0712 000 111, 1988-03-15", "SELECT CONCAT(phone, ', ', birthdate) FROM person WHERE uuid = ?", amina},
			{"Brian's allergy", "none", "SELECT allergies FROM patient WHERE patient_id = " + of, brian},
			{"the pulse", "88.00", "SELECT amount FROM observation WHERE uuid = ?", aminaPulse},
			{"Felix's given name", "Felix", "SELECT given FROM person_name WHERE person_id = " + of, newcomers[kisumu].uuid},
			{"Grace's given name", "Grace", "SELECT given FROM person_name WHERE person_id = " + of, newcomers[lodwar].uuid},
		} {
			got, err := c.value(ctx, claim.query, claim.key)
			if err != nil {
				return err
			}
			if got != claim.want {
				return fmt.Errorf("%s is %q at %s and should be %q", claim.what, got, c.name, claim.want)
			}
		}
	}
	s.detail("Amina has Kisumu's phone number and Lodwar's date of birth: both writes stand.")
	s.detail("Brian's allergy is Lodwar's, the later one. The pulse is back at 88: it was corrected after it was deleted.")
	for _, i := range []int{kisumu, lodwar} {
		numbers, err := s.numbers(ctx, newcomers[i].uuid)
		if err != nil {
			return err
		}
		s.detail("%s %s is patient %s.", newcomers[i].given, newcomers[i].family, numbers)
	}
	return nil
}

// conflicts holds every clinic to list exactly the two conflicts, with both
// sides.
func (s *story) conflicts(ctx context.Context) error {
	s.title("What was decided is on record")
	var lines []string
	for _, c := range s.clinics {
		list, err := c.conflicts(ctx)
		if err != nil {
			return err
		}
		if len(list) != 2 {
			return fmt.Errorf("%s lists %d conflicts, not 2: %+v", c.name, len(list), list)
		}
		allergy, pulse := list[0], list[1]
		if allergy.Table != "patient" {
			allergy, pulse = pulse, allergy
		}
		if allergy.Table != "patient" || allergy.Column != "allergies" || !strings.Contains(allergy.Key, brian) ||
			!strings.Contains(allergy.Won.Value, "none") || allergy.Won.Site != "Lodwar" ||
			!strings.Contains(allergy.Lost.Value, "penicillin") || allergy.Lost.Site != "Kisumu" {
			return fmt.Errorf("%s does not list Brian's allergy with both values: %+v", c.name, allergy)
		}
		if pulse.Table != "observation" || !strings.Contains(pulse.Key, aminaPulse) || !pulse.Lost.Delete ||
			pulse.Lost.Site != "Nakuru" || pulse.Won.Site != "Lodwar" {
			return fmt.Errorf("%s does not list the deleted pulse: %+v", c.name, pulse)
		}
		lines = []string{
			fmt.Sprintf("patient, allergies of Brian Ouma: %s (%s) won over %s (%s)", allergy.Won.Value, allergy.Won.Site, allergy.Lost.Value, allergy.Lost.Site),
			fmt.Sprintf("observation, the pulse of Amina Otieno: the correction (%s) won over the deletion (%s)", pulse.Won.Site, pulse.Lost.Site),
		}
	}
	s.say("baraza conflicts list, the same at all three clinics:")
	for _, line := range lines {
		s.detail("%s", line)
	}
	s.detail("Someone at a clinic should ask Brian. Nothing that anyone wrote is gone.")
	fmt.Fprintln(s.out)
	return nil
}
