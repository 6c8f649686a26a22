package config

import (
	"maps"
	"slices"
	"strings"
)

// profile is what is known of an application's tables. It is written into the
// settings at init, where an administrator sees it and can change it.
type profile struct {
	exclude    []string
	identity   map[string][]string
	references map[string]string
}

var profiles = map[string]profile{"openmrs": openmrs()}

// openmrs is what OpenMRS core's tables need (core 2.x and 3.0).
func openmrs() profile {
	p := profile{
		exclude: []string{
			// state of one server: schema version, locks, tasks, queues
			"liquibasechangelog*", "LIQUIBASECHANGELOG*", "databasechangelog*", "DATABASECHANGELOG*", "shedlock",
			"scheduler_task_config", "scheduler_task_config_property", "outbox_event",
			"hl7_in_queue", "hl7_in_error", "hl7_in_archive",
			"notification_alert", "notification_alert_recipient",
			// configuration and counters that differ from server to server
			"global_property", "user_property",
			"idgen_seq_id_gen", "idgen_id_pool", "idgen_pooled_identifier", "idgen_reserved_identifier",
			// other replicators' and feeds' own state
			"sync_*", "event_records*", "failed_events*", "markers",
			// no key at all
			"concept_name_tag_map", "concept_proposal_tag_map",
		},
		// uuid columns without a unique index, and tables whose natural key is
		// the same on servers that were installed apart, while the uuid is not.
		identity: map[string][]string{
			"users": {"uuid"}, "concept_stop_word": {"uuid"},
			"allergy": {"uuid"}, "allergy_reaction": {"uuid"}, "conditions": {"uuid"}, "obs_reference_range": {"uuid"},
			"role": {"role"}, "privilege": {"privilege"},
		},
		references: map[string]string{
			"orders.concept_id": "concept.concept_id", "concept_set.concept_id": "concept.concept_id",
		},
	}
	// Who did it, in tables where OpenMRS forgot the foreign key.
	for column := range strings.FieldsSeq(`
		orders.changed_by person_name.changed_by cohort_member.voided_by cohort_member.changed_by
		privilege.creator privilege.changed_by privilege.retired_by program.retired_by
		program_workflow_state.retired_by provider_role.creator provider_role.changed_by provider_role.retired_by
		concept_name_tag.creator concept_name_tag.voided_by concept_datatype.changed_by`) {
		p.references[column] = "users.user_id"
	}
	return p
}

// ApplyProfile adds what the profile says to the settings. What is set already
// stays as it is.
func (c *Config) ApplyProfile() {
	p := profiles[c.Profile]
	for _, pattern := range p.exclude {
		if !slices.Contains(c.Exclude, pattern) && !slices.Contains(c.Tables, pattern) {
			c.Exclude = append(c.Exclude, pattern)
		}
	}
	c.Identity = fill(c.Identity, p.identity)
	c.References = fill(c.References, p.references)
}

// fill returns the settings with those of a profile that they lack.
func fill[V any](set, from map[string]V) map[string]V {
	if len(set)+len(from) == 0 {
		return set
	}
	all := maps.Clone(from)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, set)
	return all
}
