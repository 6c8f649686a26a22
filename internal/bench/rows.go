package bench

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// schemaSQL is the tables of the measurements. obs has the ten columns of a
// clinical observation; its integer key is each site's own, its uuid is its
// identity. mark tells the end of what was written before it.
const schemaSQL = `
CREATE TABLE obs (
  obs_id        INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  uuid          CHAR(36) NOT NULL,
  person_id     INT NOT NULL,
  encounter_id  INT NOT NULL,
  concept_id    INT NOT NULL,
  obs_datetime  DATETIME NOT NULL,
  value_numeric DOUBLE NULL,
  value_text    VARCHAR(255) NULL,
  voided        TINYINT NOT NULL DEFAULT 0,
  date_created  DATETIME NOT NULL,
  UNIQUE KEY (uuid),
  KEY (person_id, encounter_id)
);
CREATE TABLE mark (n BIGINT NOT NULL PRIMARY KEY)`

const insertHead = "INSERT INTO obs (uuid,person_id,encounter_id,concept_id,obs_datetime,value_numeric,value_text,voided,date_created) VALUES "

var phrases = []string{
	"patient resting", "no complaints", "fever since two days", "cough, productive", "refer to district hospital",
	"review in one week", "blood pressure controlled", "weight loss reported", "adherence good", "missed last visit",
}

// generator makes rows. The same seed makes the same rows, so that two servers
// can be given equal tables, and every variant of a measurement the same work.
type generator struct {
	rand *rand.Rand
	now  time.Time
	buf  []byte
}

func newGenerator(seed, stream uint64) *generator {
	return &generator{
		rand: rand.New(rand.NewPCG(seed, stream)),
		now:  time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC),
	}
}

// insert returns a statement for n rows of one person, with encounters first,
// first+1, …
func (g *generator) insert(person, first, n int) string {
	b := append(g.buf[:0], insertHead...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '(')
		b = g.uuid(b)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(person), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(first+i), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(1000+g.rand.IntN(500)), 10)
		b = g.datetime(b)
		b = g.values(append(b, ','), "", ",")
		b = append(b, ",0"...)
		b = g.datetime(b)
		b = append(b, ')')
	}
	g.buf = b
	return string(b)
}

// update returns a statement that changes two columns of the n rows from
// obs_id first on.
func (g *generator) update(first, n int) string {
	b := append(g.buf[:0], "UPDATE obs SET value_numeric="...)
	b = g.values(b, "", ",value_text=")
	if n == 1 {
		b = fmt.Appendf(b, " WHERE obs_id=%d", first)
	} else {
		b = fmt.Appendf(b, " WHERE obs_id BETWEEN %d AND %d", first, first+n-1)
	}
	g.buf = b
	return string(b)
}

// values appends a measured number and a remark.
func (g *generator) values(b []byte, before, between string) []byte {
	b = append(b, before...)
	b = strconv.AppendFloat(b, float64(g.rand.IntN(100_000))/10, 'f', 1, 64)
	b = append(b, between...)
	b = append(b, '\'')
	b = append(b, phrases[g.rand.IntN(len(phrases))]...)
	b = append(b, ' ')
	b = strconv.AppendUint(b, g.rand.Uint64N(1_000_000), 10)
	return append(b, '\'')
}

// datetime appends a comma and the time, a little later than the last one.
func (g *generator) datetime(b []byte) []byte {
	g.now = g.now.Add(time.Duration(g.rand.IntN(2000)) * time.Millisecond)
	b = append(b, ",'"...)
	b = g.now.AppendFormat(b, time.DateTime)
	return append(b, '\'')
}

func (g *generator) uuid(b []byte) []byte {
	var raw [16]byte
	for i := 0; i < 16; i += 8 {
		v := g.rand.Uint64()
		for j := range 8 {
			raw[i+j] = byte(v >> (8 * j))
		}
	}
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	var text [32]byte
	hex.Encode(text[:], raw[:])
	b = append(b, '\'')
	for i, end := range []int{8, 12, 16, 20, 32} {
		if i > 0 {
			b = append(b, '-')
		}
		b = append(b, text[len(text)-32+[]int{0, 8, 12, 16, 20}[i]:end]...)
	}
	return append(b, '\'')
}
