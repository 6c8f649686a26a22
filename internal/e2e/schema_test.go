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
) ENGINE=InnoDB;
CREATE TABLE locker (
  locker_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, number INT NOT NULL UNIQUE
) ENGINE=InnoDB;
CREATE TABLE stock (
  item VARCHAR(40) PRIMARY KEY, quantity INT NOT NULL, price DECIMAL(10,2) NOT NULL DEFAULT 0, few TINYINT NOT NULL DEFAULT 0, name VARCHAR(40)
) ENGINE=InnoDB;
CREATE TABLE account (
  account_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, owner VARCHAR(40)
) ENGINE=InnoDB;
CREATE TABLE bill (
  bill_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, account_id INT NOT NULL, amount INT,
  FOREIGN KEY (account_id) REFERENCES account (account_id) ON DELETE CASCADE
) ENGINE=InnoDB;
CREATE TABLE item (
  bill_id INT NOT NULL, line INT NOT NULL, what VARCHAR(40), PRIMARY KEY (bill_id, line),
  FOREIGN KEY (bill_id) REFERENCES bill (bill_id) ON DELETE CASCADE
) ENGINE=InnoDB;
CREATE TABLE memo (
  memo_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, bill_id INT, text VARCHAR(40),
  FOREIGN KEY (bill_id) REFERENCES bill (bill_id) ON DELETE SET NULL
) ENGINE=InnoDB;
CREATE TABLE receipt (
  receipt_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, bill_id INT NOT NULL, paid INT,
  FOREIGN KEY (bill_id) REFERENCES bill (bill_id)
) ENGINE=InnoDB;`

// The tables by portable key: what must be equal at all sites.
var testViews = []string{
	"SELECT uuid, name, phone, file, born, weight, notes FROM person ORDER BY uuid",
	"SELECT p.uuid, t.file_no FROM patient t JOIN person p ON p.person_id = t.patient_id ORDER BY 1",
	`SELECT v.uuid, p.uuid, up.uuid, v.half, v.at, v.note FROM visit v JOIN person p ON p.person_id = v.patient_id
		LEFT JOIN visit up ON up.visit_id = v.parent_id ORDER BY 1`,
	"SELECT uuid, number FROM badge ORDER BY uuid",
	"SELECT uuid, number FROM locker ORDER BY uuid",
	"SELECT item, quantity, price, few, name FROM stock ORDER BY item",
	"SELECT uuid, owner FROM account ORDER BY uuid",
	"SELECT b.uuid, a.uuid, b.amount FROM bill b LEFT JOIN account a USING (account_id) ORDER BY 1",
	"SELECT b.uuid, i.line, i.what FROM item i LEFT JOIN bill b USING (bill_id) ORDER BY 1, 2",
	"SELECT m.uuid, b.uuid, m.text FROM memo m LEFT JOIN bill b USING (bill_id) ORDER BY 1",
	"SELECT r.uuid, b.uuid, r.paid FROM receipt r LEFT JOIN bill b USING (bill_id) ORDER BY 1",
}
