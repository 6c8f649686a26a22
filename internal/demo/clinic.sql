-- A small clinic: people, their names and addresses, those who are patients,
-- the numbers on their cards, their visits and what was measured.
--
-- Every database numbers its rows itself, so two clinics give the same number
-- to two people. The uuid is what a row is called everywhere.

CREATE TABLE person (
  person_id  INT AUTO_INCREMENT PRIMARY KEY,
  uuid       CHAR(36) NOT NULL UNIQUE,
  gender     CHAR(1) NOT NULL,
  birthdate  DATE,
  phone      VARCHAR(30)
);

CREATE TABLE person_name (
  name_id    INT AUTO_INCREMENT PRIMARY KEY,
  uuid       CHAR(36) NOT NULL UNIQUE,
  person_id  INT NOT NULL,
  given      VARCHAR(50) NOT NULL,
  family     VARCHAR(50) NOT NULL,
  FOREIGN KEY (person_id) REFERENCES person (person_id) ON DELETE CASCADE
);

CREATE TABLE person_address (
  address_id INT AUTO_INCREMENT PRIMARY KEY,
  uuid       CHAR(36) NOT NULL UNIQUE,
  person_id  INT NOT NULL,
  village    VARCHAR(80) NOT NULL,
  FOREIGN KEY (person_id) REFERENCES person (person_id) ON DELETE CASCADE
);

-- A patient is a person: the key is a reference, and so is the identity.
CREATE TABLE patient (
  patient_id INT PRIMARY KEY,
  blood      VARCHAR(3),
  allergies  VARCHAR(200),
  FOREIGN KEY (patient_id) REFERENCES person (person_id)
);

CREATE TABLE patient_identifier (
  identifier_id INT AUTO_INCREMENT PRIMARY KEY,
  uuid       CHAR(36) NOT NULL UNIQUE,
  patient_id INT NOT NULL,
  kind       ENUM('card', 'national', 'insurance') NOT NULL DEFAULT 'card',
  number     VARCHAR(40) NOT NULL,
  KEY (number),
  FOREIGN KEY (patient_id) REFERENCES patient (patient_id)
);

CREATE TABLE encounter (
  encounter_id INT AUTO_INCREMENT PRIMARY KEY,
  uuid       CHAR(36) NOT NULL UNIQUE,
  patient_id INT NOT NULL,
  clinic     VARCHAR(40) NOT NULL,
  happened   DATETIME(6) NOT NULL,
  note       TEXT,
  FOREIGN KEY (patient_id) REFERENCES patient (patient_id)
);

CREATE TABLE observation (
  observation_id INT AUTO_INCREMENT PRIMARY KEY,
  uuid       CHAR(36) NOT NULL UNIQUE,
  encounter_id INT NOT NULL,
  what       VARCHAR(40) NOT NULL,
  amount     DECIMAL(8,2),
  unit       VARCHAR(10),
  FOREIGN KEY (encounter_id) REFERENCES encounter (encounter_id)
);
