package replica

import "encoding/binary"

// reader reads what the store holds. After the first mistake bad is set and
// every read gives zero.
type reader struct {
	s   string
	bad bool
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint([]byte(r.s[:min(len(r.s), binary.MaxVarintLen64)]))
	if size <= 0 {
		r.bad, r.s = true, ""
		return 0
	}
	r.s = r.s[size:]
	return n
}

func (r *reader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.s)) {
		r.bad, r.s = true, ""
		return ""
	}
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

func (r *reader) byte() byte {
	if r.s == "" {
		r.bad = true
		return 0
	}
	c := r.s[0]
	r.s = r.s[1:]
	return c
}
