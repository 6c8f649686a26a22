package crdt

// Memory is where a step keeps what it makes of changes, which is much, small and
// all given up together. Without one (nil) everything has memory of its own.
type Memory struct {
	values  []Value
	names   []string
	cells   []CellStamp
	changes []Change
}

// Reset gives up all that was taken since the last time: nothing of it may be used
// any more.
func (m *Memory) Reset() {
	giveUp(&m.values)
	giveUp(&m.names)
	giveUp(&m.cells)
	giveUp(&m.changes)
}

// Values, Names and Cells return room for n, of length 0.
func (m *Memory) Values(n int) []Value {
	if m == nil {
		return make([]Value, 0, n)
	}
	return take(&m.values, n)
}

// Names is described with Values.
func (m *Memory) Names(n int) []string {
	if m == nil {
		return make([]string, 0, n)
	}
	return take(&m.names, n)
}

// Cells is described with Values.
func (m *Memory) Cells(n int) []CellStamp {
	if m == nil {
		return make([]CellStamp, 0, n)
	}
	return take(&m.cells, n)
}

// room returns n empty changes.
func (m *Memory) room(n int) []Change {
	if m == nil {
		return make([]Change, n)
	}
	return take(&m.changes, n)[:n]
}

// roomLeast is how much room is taken at a time, and roomMost the most that is kept
// for the next step, in items.
const roomLeast, roomMost = 32, 1024

// take cuts zeroed room for n items from a chunk. One that is used up is left to
// those who have its parts.
func take[T any](chunk *[]T, n int) []T {
	if n > roomMost/4 {
		return make([]T, 0, n)
	}
	at := len(*chunk)
	if cap(*chunk)-at < n {
		*chunk, at = make([]T, 0, max(n, min(2*cap(*chunk), roomMost), roomLeast)), 0
	}
	*chunk = (*chunk)[:at+n]
	return (*chunk)[at : at : at+n]
}

func giveUp[T any](chunk *[]T) {
	clear(*chunk)
	*chunk = (*chunk)[:0]
}
