package trust

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is a length of four bytes, big endian, and that many bytes.
const frameHeaderBytes = 4

var errFrameTooLong = errors.New("the message is longer than allowed")

func writeFrame(w io.Writer, payload []byte) error {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, frameHeaderBytes+len(payload)), uint32(len(payload)))
	_, err := w.Write(append(b, payload...))
	return err
}

// readFrame reads a frame of at most limit bytes. Memory grows with what has
// arrived, not with what the header promises.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var header [frameHeaderBytes]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(header[:])
	if uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", errFrameTooLong, n, limit)
	}
	payload, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(payload) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}
