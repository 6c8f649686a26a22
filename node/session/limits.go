package session

import "time"

const (
	// EntriesBytes is about how many bytes of entries a message carries: enough
	// for throughput, little enough that origins and pings take turns.
	EntriesBytes = 256 << 10
	// ReceiveBudget is how many bytes of a peer's entries may wait to be
	// stored, besides one message, before no more are read from it.
	ReceiveBudget = 2 << 20
	// StoreGroupBytes bounds what is stored in one go.
	StoreGroupBytes = 8 << 20
	// WindowBytes is the compression window, each way. Encoder and decoder of
	// a session hold a few times that.
	WindowBytes = 1 << 20
	// SocketBytes bounds what the kernel holds to be sent. What is there when
	// the peer turns to another provider goes out for nothing; what is not there
	// limits the speed of a line with a long delay to SocketBytes a round trip.
	SocketBytes = 512 << 10
	// DeadAfter is how long a connection may carry nothing at all in a
	// direction that should, before it counts as dead. Pings go every 5 s.
	DeadAfter = 15 * time.Second
	// crossing is how long after a session began a connection that the other end
	// dialled may still be one that crossed it.
	crossing = 5 * time.Second
	// writeChunk is what must get through within DeadAfter: the slowest line
	// that is not taken for dead carries about 550 bytes/s.
	writeChunk = 8 << 10
	// readChunk is how much of a large message is read, and made room for, at
	// a time.
	readChunk = 256 << 10
)
