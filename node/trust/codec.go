package trust

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"baraza/clock"
)

// The signed form of a record is a heading that no other record has, and then
// the fields in msgpack in a fixed order. The encoder writes a value in one
// way only, so the signed form is canonical.
const (
	admissionHeading = "baraza admission 1\n"
	expulsionHeading = "baraza expulsion 1\n"
	contactHeading   = "baraza contact 1\n"
)

const (
	admissionFields = 7
	expulsionFields = 4
	contactFields   = 4
	signatureBytes  = 64
	keyBytes        = 32
	siteIDBytes     = 16
	nameBytesMax    = 4 * NameCharsMax
)

// writer and reader are msgpack with a sticky error, so that a record reads as
// the list of its fields.
type writer struct {
	buf bytes.Buffer
	enc *msgpack.Encoder
	err error
}

func newWriter() *writer {
	w := &writer{}
	w.enc = msgpack.NewEncoder(&w.buf)
	w.enc.UseCompactInts(true)
	return w
}

func (w *writer) do(err error) {
	if w.err == nil {
		w.err = err
	}
}
func (w *writer) array(n int)         { w.do(w.enc.EncodeArrayLen(n)) }
func (w *writer) bytes(b []byte)      { w.do(w.enc.EncodeBytes(b)) }
func (w *writer) site(s clock.SiteID) { w.bytes(s[:]) }
func (w *writer) text(s string)       { w.do(w.enc.EncodeString(s)) }
func (w *writer) int(n int64)         { w.do(w.enc.EncodeInt(n)) }
func (w *writer) texts(list []string) {
	w.array(len(list))
	for _, s := range list {
		w.text(s)
	}
}

// done returns what was written. Writing to memory fails only by a mistake in
// this package.
func (w *writer) done() []byte {
	if w.err != nil {
		panic("trust: encoding to memory failed: " + w.err.Error())
	}
	return w.buf.Bytes()
}

var errForm = errors.New("the message has not the form it must have")

type reader struct {
	src *bytes.Reader
	dec *msgpack.Decoder
	err error
}

func newReader(b []byte) *reader {
	src := bytes.NewReader(b)
	return &reader{src: src, dec: msgpack.NewDecoder(src)}
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errForm
	}
}

// array reads the length of a list that has at most limit items.
func (r *reader) array(limit int) int {
	if r.err != nil {
		return 0
	}
	n, err := r.dec.DecodeArrayLen()
	if err != nil || n < 0 || n > limit {
		r.fail()
		return 0
	}
	return n
}

// exactly reads the length of a list that must have n items.
func (r *reader) exactly(n int) {
	if r.array(n) != n {
		r.fail()
	}
}

// bytes reads a byte string of at most limit bytes. The length is checked
// before anything is allocated for it.
func (r *reader) bytes(limit int) []byte {
	if r.err != nil {
		return nil
	}
	n, err := r.dec.DecodeBytesLen()
	if err != nil || n > limit || n > r.src.Len() {
		r.fail()
		return nil
	}
	b := make([]byte, max(n, 0))
	if err := r.dec.ReadFull(b); err != nil {
		r.fail()
	}
	return b
}

func (r *reader) fixed(n int) []byte {
	b := r.bytes(n)
	if len(b) != n {
		r.fail()
		return make([]byte, n)
	}
	return b
}

func (r *reader) site() clock.SiteID    { return clock.SiteID(r.fixed(siteIDBytes)) }
func (r *reader) text(limit int) string { return string(r.bytes(limit)) }

func (r *reader) int() int64 {
	if r.err != nil {
		return 0
	}
	n, err := r.dec.DecodeInt64()
	if err != nil {
		r.fail()
	}
	return n
}

func (r *reader) addresses() []string {
	n := r.array(AddressesMax)
	list := make([]string, 0, n)
	for range n {
		list = append(list, r.text(AddressBytesMax))
	}
	return list
}

// done returns the first error; bytes left over are one.
func (r *reader) done(what string) error {
	if r.err == nil && r.src.Len() > 0 {
		r.fail()
	}
	if r.err != nil {
		return fmt.Errorf("reading %s: %w", what, r.err)
	}
	return nil
}

func (a *Admission) signed() []byte {
	w := newWriter()
	w.buf.WriteString(admissionHeading)
	a.writeFields(w)
	return w.done()
}

func (a *Admission) writeFields(w *writer) {
	w.site(a.Site)
	w.bytes(a.PublicKey)
	w.text(a.Name)
	w.texts(a.Addresses)
	w.site(a.By)
	w.int(a.Time)
}

func (a *Admission) write(w *writer) {
	w.array(admissionFields)
	a.writeFields(w)
	w.bytes(a.Signature)
}

func readAdmission(r *reader) Admission {
	r.exactly(admissionFields)
	return Admission{
		Site: r.site(), PublicKey: r.fixed(keyBytes), Name: r.text(nameBytesMax),
		Addresses: r.addresses(),
		By:        r.site(), Time: r.int(), Signature: r.fixed(signatureBytes),
	}
}

func (e *Expulsion) signed() []byte {
	w := newWriter()
	w.buf.WriteString(expulsionHeading)
	w.site(e.Site)
	w.site(e.By)
	w.int(e.Time)
	return w.done()
}

func (e *Expulsion) write(w *writer) {
	w.array(expulsionFields)
	w.site(e.Site)
	w.site(e.By)
	w.int(e.Time)
	w.bytes(e.Signature)
}

func readExpulsion(r *reader) Expulsion {
	r.exactly(expulsionFields)
	return Expulsion{Site: r.site(), By: r.site(), Time: r.int(), Signature: r.fixed(signatureBytes)}
}

func (c *Contact) signed() []byte {
	w := newWriter()
	w.buf.WriteString(contactHeading)
	c.writeFields(w)
	return w.done()
}

func (c *Contact) writeFields(w *writer) {
	w.site(c.Site)
	w.texts(c.Addresses)
	w.int(c.Time)
}

func (c *Contact) write(w *writer) {
	w.array(contactFields)
	c.writeFields(w)
	w.bytes(c.Signature)
}

func readContact(r *reader) Contact {
	r.exactly(contactFields)
	return Contact{
		Site: r.site(), Addresses: r.addresses(),
		Time: r.int(), Signature: r.fixed(signatureBytes),
	}
}

func writeAdmissions(w *writer, list []Admission) {
	w.array(len(list))
	for i := range list {
		list[i].write(w)
	}
}

func readAdmissions(r *reader, limit int) []Admission {
	n := r.array(limit)
	var list []Admission
	for range n {
		list = append(list, readAdmission(r))
		if r.err != nil {
			return nil
		}
	}
	return list
}

func writeExpulsions(w *writer, list []Expulsion) {
	w.array(len(list))
	for i := range list {
		list[i].write(w)
	}
}

func readExpulsions(r *reader, limit int) []Expulsion {
	n := r.array(limit)
	var list []Expulsion
	for range n {
		list = append(list, readExpulsion(r))
		if r.err != nil {
			return nil
		}
	}
	return list
}

// Marshal returns the record as it is stored and gossiped.
func (a *Admission) Marshal() []byte {
	w := newWriter()
	a.write(w)
	return w.done()
}

// UnmarshalAdmission reads what Marshal wrote. It does not verify.
func UnmarshalAdmission(b []byte) (Admission, error) {
	r := newReader(b)
	a := readAdmission(r)
	return a, r.done("an admission")
}

// Marshal returns the record as it is stored and gossiped.
func (e *Expulsion) Marshal() []byte {
	w := newWriter()
	e.write(w)
	return w.done()
}

// UnmarshalExpulsion reads what Marshal wrote. It does not verify.
func UnmarshalExpulsion(b []byte) (Expulsion, error) {
	r := newReader(b)
	e := readExpulsion(r)
	return e, r.done("an expulsion")
}

func writeContacts(w *writer, list []Contact) {
	w.array(len(list))
	for i := range list {
		list[i].write(w)
	}
}

func readContacts(r *reader, limit int) []Contact {
	n := r.array(limit)
	var list []Contact
	for range n {
		list = append(list, readContact(r))
		if r.err != nil {
			return nil
		}
	}
	return list
}

// Marshal returns the record as it is stored and gossiped.
func (c *Contact) Marshal() []byte {
	w := newWriter()
	c.write(w)
	return w.done()
}

// UnmarshalContact reads what Marshal wrote. It does not verify.
func UnmarshalContact(b []byte) (Contact, error) {
	r := newReader(b)
	c := readContact(r)
	return c, r.done("a contact")
}
