package replica

import (
	"encoding/binary"
	"errors"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
)

// A row state is written sparse: a flags byte, the row stamp, and only what is
// there of the rest. The state of a row that all its columns got in one write
// is 10 bytes.
const (
	stateDeleted = 1 << iota
	stateCells
	stateKnownRow
	stateKnownCells
	stateHasLoss
	stateNotPlaced
	stateValues
)

// stateBytes is room for most states.
const stateBytes = 48

var errState = errors.New("a row state in the store is damaged")

func (n *names) appendStamp(b []byte, s clock.Stamp) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(s.Time))
	return binary.AppendUvarint(b, n.ofSite(s.Site))
}

func (n *names) stamp(r *reader) clock.Stamp {
	if len(r.s) < 8 {
		r.bad = true
		return clock.Stamp{}
	}
	s := clock.Stamp{Time: clock.Timestamp(binary.BigEndian.Uint64([]byte(r.s[:8])))}
	r.s = r.s[8:]
	name, ok := n.lookup(r.uvarint())
	if !ok || len(name) != len(s.Site) {
		r.bad = true
		return s
	}
	copy(s.Site[:], name)
	return s
}

func (n *names) encodeState(s *merge.State) []byte {
	return n.appendState(make([]byte, 0, stateBytes), s)
}

func (n *names) appendState(b []byte, s *merge.State) []byte {
	flags := byte(0)
	set := func(f byte, on bool) {
		if on {
			flags |= f
		}
	}
	set(stateDeleted, !s.Deleted.IsZero())
	set(stateCells, len(s.Cells) > 0)
	set(stateKnownRow, s.KnownRow)
	set(stateKnownCells, len(s.KnownCells) > 0)
	set(stateHasLoss, s.HasLoss)
	set(stateNotPlaced, s.Place != merge.InDatabase)
	set(stateValues, len(s.Columns) > 0)
	b = n.appendStamp(append(b, flags), s.Row)
	if flags&stateDeleted != 0 {
		b = n.appendStamp(b, s.Deleted)
	}
	if flags&stateCells != 0 {
		b = binary.AppendUvarint(b, uint64(len(s.Cells)))
		for i := range s.Cells {
			b = binary.AppendUvarint(b, n.intern(s.Cells[i].Column))
			b = n.appendStamp(b, s.Cells[i].Stamp)
		}
	}
	if flags&stateKnownCells != 0 {
		b = binary.AppendUvarint(b, uint64(len(s.KnownCells)))
		for _, c := range s.KnownCells {
			b = binary.AppendUvarint(b, n.intern(c))
		}
	}
	if flags&stateNotPlaced != 0 {
		b = appendString(append(b, byte(s.Place)), s.Reason)
		b = binary.AppendUvarint(b, uint64(len(s.Missing)))
		for _, m := range s.Missing {
			b = appendString(appendString(b, m.Table), string(m.Key))
		}
	}
	if flags&stateValues != 0 {
		b = binary.AppendUvarint(b, uint64(len(s.Columns)))
		for i, c := range s.Columns {
			b = binary.AppendUvarint(b, n.intern(c))
			b = appendString(b, string(s.Values[i]))
		}
	}
	return b
}

func (n *names) decodeState(b []byte) (*merge.State, error) {
	s := &merge.State{}
	if err := n.decodeStateTo(s, string(b), nil); err != nil {
		return nil, err
	}
	return s, nil
}

// decodeStateTo reads a state into s, which is empty, and m.
func (n *names) decodeStateTo(s *merge.State, encoded string, m *crdt.Memory) error {
	r := reader{s: encoded}
	flags := r.byte()
	s.KnownRow, s.HasLoss = flags&stateKnownRow != 0, flags&stateHasLoss != 0
	s.Row = n.stamp(&r)
	if flags&stateDeleted != 0 {
		s.Deleted = n.stamp(&r)
	}
	if flags&stateCells != 0 {
		cells := r.uvarint()
		s.Cells = m.Cells(int(min(cells, uint64(len(r.s)))))
		for range cells {
			c := n.column(&r)
			s.Cells = append(s.Cells, crdt.CellStamp{Column: c, Stamp: n.stamp(&r)})
			if r.bad {
				return errState
			}
		}
	}
	if flags&stateKnownCells != 0 {
		for range r.uvarint() {
			s.KnownCells = append(s.KnownCells, n.column(&r))
			if r.bad {
				return errState
			}
		}
	}
	if flags&stateNotPlaced != 0 {
		s.Place, s.Reason = merge.Place(r.byte()), r.string()
		for range r.uvarint() {
			s.Missing = append(s.Missing, merge.RowID{Table: r.string(), Key: crdt.Key(r.string())})
			if r.bad {
				return errState
			}
		}
	}
	if flags&stateValues != 0 {
		count := r.uvarint()
		room := int(min(count, uint64(len(r.s))))
		s.Columns, s.Values = m.Names(room), m.Values(room)
		for range count {
			s.Columns, s.Values = append(s.Columns, n.column(&r)), append(s.Values, crdt.Value(r.string()))
			if r.bad {
				return errState
			}
		}
	}
	if r.bad || r.s != "" {
		return errState
	}
	return nil
}

func (n *names) column(r *reader) string {
	c, ok := n.lookup(r.uvarint())
	if !ok {
		r.bad = true
	}
	return c
}

func (n *names) lossKey(id merge.RowID, l *crdt.Loss) []byte {
	b := appendString(rowKey(keyLoss, id), l.Column)
	b = binary.BigEndian.AppendUint64(b, uint64(l.Stamp.Time))
	return append(b, l.Stamp.Site[:]...)
}

const (
	lossWinnerDelete = 1 << iota
	lossVisible
	lossApart
)

// encodeLoss writes a loss whole, so that it can be read without its key.
func (n *names) encodeLoss(l *crdt.Loss) []byte {
	b := appendString(nil, l.Column)
	b = appendString(b, string(l.Value))
	b = n.appendStamp(b, l.Stamp)
	b = n.appendStamp(b, l.Winner)
	flags := byte(0)
	if l.WinnerDelete {
		flags |= lossWinnerDelete
	}
	if l.Visible {
		flags |= lossVisible
	}
	if l.Apart {
		flags |= lossApart
	}
	b = append(b, flags)
	return appendString(b, string(l.WinnerValue))
}

func (n *names) decodeLoss(b []byte) (crdt.Loss, error) {
	r := reader{s: string(b)}
	l := crdt.Loss{Column: r.string(), Value: crdt.Value(r.string())}
	l.Stamp, l.Winner = n.stamp(&r), n.stamp(&r)
	flags := r.byte()
	l.WinnerDelete, l.Visible, l.Apart = flags&lossWinnerDelete != 0, flags&lossVisible != 0, flags&lossApart != 0
	l.WinnerValue = crdt.Value(r.string())
	if r.bad || r.s != "" {
		return l, errState
	}
	return l, nil
}

// vectorEntry is what an entry of a vector takes in the store, in bytes.
const vectorEntry = 32

func encodeVector(v clock.VersionVector) []byte {
	return appendVector(make([]byte, 0, vectorEntry*len(v)), v)
}

func appendVector(b []byte, v clock.VersionVector) []byte {
	for _, e := range v {
		b = append(b, e.Site[:]...)
		b = binary.BigEndian.AppendUint64(b, e.Seq)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Through))
	}
	return b
}

func decodeVector(b []byte) clock.VersionVector {
	v := make(clock.VersionVector, 0, len(b)/vectorEntry)
	for ; len(b) >= vectorEntry; b = b[vectorEntry:] {
		e := clock.Entry{Seq: binary.BigEndian.Uint64(b[16:]), Through: clock.Timestamp(binary.BigEndian.Uint64(b[24:]))}
		copy(e.Site[:], b)
		v.Set(e)
	}
	return v
}
