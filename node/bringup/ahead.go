package bringup

import (
	"baraza/node/replica"
)

// aheadChunks is how many chunks may wait to be taken over, besides the one that
// is being read and the one that is being taken over. While the database works
// on a chunk the next are read and decoded, and the member goes on.
const aheadChunks = 1

// arrival is what has come from the member: a chunk, or only the news how many
// rows it has looked at.
type arrival struct {
	chunk *replica.Chunk
	rows  int64
	err   error
}

// readAhead calls each for what comes, until the member has sent all.
func (f *fetcher) readAhead(each func(*arrival) error) error {
	come := make(chan *arrival, aheadChunks)
	stop := make(chan struct{})
	go func() {
		defer close(come)
		for {
			a, last := f.next()
			if last && a.err == nil {
				return
			}
			select {
			case come <- a:
			case <-stop:
				return
			}
			if last {
				return
			}
		}
	}()
	for a := range come {
		err := a.err
		if err == nil {
			err = each(a)
		}
		if err != nil {
			close(stop)
			f.stopReading()
			for range come { // until the reader is gone
			}
			return err
		}
	}
	return nil
}

// next reads what comes next; last when nothing will follow it.
func (f *fetcher) next() (a *arrival, last bool) {
	a = &arrival{}
	kind, body, err := f.frame()
	if err != nil {
		a.err = receiveError(err)
		return a, true
	}
	switch kind {
	case kindEnd:
		return a, true
	case kindAlive:
		var m alive
		a.err = decode(body, &m)
		a.rows = m.Rows
	case kindChunk:
		var m chunk
		if a.err = decode(body, &m); a.err == nil {
			a.rows = m.Rows
			a.chunk, a.err = replica.DecodeChunk(m.Body)
		}
	case kindFail:
		a.err = gaveUp(body)
	default:
		a.err = unexpected(kind)
	}
	return a, a.err != nil
}
