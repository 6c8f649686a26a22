package e2e

// testSchema is a small schema with what matters: local numbers that collide,
// references, a key that is a reference, a self reference, a unique key.
const testSchema = `
CREATE TABLE person (
  person_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE,
  name VARCHAR(100), phone VARCHAR(40), file VARCHAR(40), born DATE, weight DOUBLE, notes TEXT
) ENGINE=InnoDB;
CREATE TABLE patient (
  patient_id INT PRIMARY KEY, file_no VARCHAR(30),
  FOREIGN KEY (patient_id) REFERENCES person (person_id)
) ENGINE=InnoDB;
CREATE TABLE visit (
  visit_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE,
  patient_id INT NOT NULL, parent_id INT, half INT, at DATETIME(6), note VARCHAR(200),
  FOREIGN KEY (patient_id) REFERENCES patient (patient_id),
  FOREIGN KEY (parent_id) REFERENCES visit (visit_id)
) ENGINE=InnoDB;
CREATE TABLE badge (
  badge_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, number VARCHAR(20) UNIQUE
) ENGINE=InnoDB;`

// The tables by portable key: what must be equal at all sites.
var testViews = []string{
	"SELECT uuid, name, phone, file, born, weight, notes FROM person ORDER BY uuid",
	"SELECT p.uuid, t.file_no FROM patient t JOIN person p ON p.person_id = t.patient_id ORDER BY 1",
	`SELECT v.uuid, p.uuid, up.uuid, v.half, v.at, v.note FROM visit v JOIN person p ON p.person_id = v.patient_id
		LEFT JOIN visit up ON up.visit_id = v.parent_id ORDER BY 1`,
	"SELECT uuid, number FROM badge ORDER BY uuid",
}
