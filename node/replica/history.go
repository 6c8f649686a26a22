package replica

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"baraza/capture"
	"baraza/merge"
)

// The log rows of a database that was restored from a backup are partly old:
// they were captured and published before the restore. So the store remembers
// which log rows went into each batch, and when the change of each was made: a
// log row is the same one if its id and its time are. After a restore ids are
// given again, but at other times; and where a backup is put back and then a later
// one, ids of what was written between the two have been given to something else.

const (
	// historyBatches is how many batches of this site are remembered, in log
	// entries. Of what is older the time alone decides.
	historyBatches = 1 << 16
	// historyTrim is how often, in log entries, what is older is forgotten.
	historyTrim = 1 << 10
	// historyTimes is how many times of changes are remembered of one batch; of
	// those after them only from when to when they were.
	historyTimes = 1 << 16
	// notedRows is how many log rows are listed at a time.
	notedRows = 5000
	// releaseRows is how many log rows one transaction releases.
	releaseRows = 10_000
)

// history is what is remembered of one batch.
type history struct {
	ids   capture.IDs
	times []span
}

// span is some log rows of a batch, and from when to when their changes were made,
// in microseconds since the Unix epoch: one moment, but for the last of very many.
type span struct {
	capture.IDRange
	from, to int64
}

func historyKey(seq uint64) []byte { return appendHistoryKey(nil, seq) }

// historyKeyBytes is the length of such a key.
const historyKeyBytes = 1 + 8

func appendHistoryKey(b []byte, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, keyHistory), seq)
}

// encode returns nothing for nothing.
func (h *history) encode() []byte {
	if len(h.times) == 0 {
		return nil
	}
	b := make([]byte, 0, spanBytes*len(h.times))
	last := span{}
	for _, s := range h.times {
		b = binary.AppendVarint(b, int64(s.First-last.Last)) // parts of transactions that committed late need not come in order
		b = binary.AppendUvarint(b, s.Last-s.First)
		b = binary.AppendVarint(b, s.from-last.to)
		b = binary.AppendUvarint(b, uint64(s.to-s.from))
		last = s
	}
	return b
}

// spanBytes is about what one time takes in the store, in bytes.
const spanBytes = 6

func decodeHistory(b []byte) (h history, ok bool) {
	r := reader{s: string(b)}
	last := span{}
	for r.s != "" {
		s := span{}
		s.First = last.Last + uint64(r.varint())
		s.Last = s.First + r.uvarint()
		s.from = last.to + r.varint()
		s.to = s.from + int64(r.uvarint())
		if r.bad || s.Last < s.First || s.to < s.from {
			return history{}, false
		}
		h.add(s)
		last = s
	}
	return h, true
}

// add adds log rows of a batch.
func (h *history) add(s span) {
	if n := len(h.ids); n > 0 && h.ids[n-1].Last+1 == s.First {
		h.ids[n-1].Last = s.Last
	} else {
		h.ids = append(h.ids, s.IDRange)
	}
	if n := len(h.times); n > 0 {
		last := &h.times[n-1]
		if last.Last+1 == s.First && (n >= historyTimes || last.from == s.from && last.to == s.to) {
			last.Last, last.from, last.to = s.Last, min(last.from, s.from), max(last.to, s.to)
			return
		}
	}
	h.times = append(h.times, s)
}

// take notes that the batch has a part of what was captured.
func (l *local) take(part *capture.Part) {
	for _, t := range part.Times {
		l.taken.add(span{t.IDRange, t.At, t.At})
	}
}

// record remembers what the batch has, and forgets what is too old.
func (l *local) record() {
	if len(l.taken.ids) == 0 {
		return
	}
	l.t.set(appendHistoryKey(l.t.mem.room(historyKeyBytes), l.seq), l.taken.encode())
	if l.seq/historyTrim == (l.first-1)/historyTrim || l.seq < historyBatches {
		return
	}
	// An error shows again in the step itself.
	_ = l.t.store.Scan([]byte{keyHistory}, historyKey(l.seq-historyBatches), func(k, _ []byte) bool {
		l.t.set(slices.Clone(k), nil)
		return true
	})
}

// releaseTaken lets the source forget what is in the log, in a transaction that
// goes through only if the database is still the one that was read. Large
// captures take several; the mark goes up with the last.
func (r *Replica) releaseTaken(ctx context.Context) error {
	if len(r.taken.ids) == 0 {
		return nil
	}
	if err := r.release(ctx, r.taken.ids); err != nil {
		r.unsettled = true
		return fmt.Errorf("release captured changes: %w", err)
	}
	r.taken = history{} // the store forgets with the next batch
	return nil
}

// release removes log rows from the database.
func (r *Replica) release(ctx context.Context, ids capture.IDs) error {
	for rest := ids; len(rest) > 0; {
		var some capture.IDs
		some, rest = splitIDs(rest, releaseRows)
		next := r.mark
		if len(rest) == 0 {
			next = next.Next()
		}
		if err := r.releaseTries(ctx, some, next); err != nil {
			return err
		}
	}
	return nil
}

// releaseTries is releaseSome that tries again where the database asks for that: a site
// that starts begins with it, and nobody above it would.
func (r *Replica) releaseTries(ctx context.Context, ids capture.IDs, next merge.Mark) error {
	err := r.releaseSome(ctx, ids, next)
	for try := 1; errors.Is(err, merge.ErrRetry) && try < markTries; try++ {
		err = r.releaseSome(ctx, ids, next)
	}
	return err
}

// splitIDs takes the first n ids.
func splitIDs(ids capture.IDs, n uint64) (some, rest capture.IDs) {
	for i, r := range ids {
		count := r.Last - r.First + 1
		if count < n {
			some, n = append(some, r), n-count
			continue
		}
		some = append(some, capture.IDRange{First: r.First, Last: r.First + n - 1})
		if count > n {
			rest = append(rest, capture.IDRange{First: r.First + n, Last: r.Last})
		}
		return some, append(rest, ids[i+1:]...)
	}
	return some, nil
}

// releaseSome is release in one transaction.
func (r *Replica) releaseSome(ctx context.Context, ids capture.IDs, next merge.Mark) error {
	tx, err := r.cfg.Database.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	if err = tx.Release(ctx, ids); err == nil {
		err = tx.SetMark(ctx, r.mark, next)
	}
	if err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	r.mark = next
	return nil
}

// takenThere reports whether the log rows that were taken last are all in the
// database still: then the crash fell before their release. A database that was
// set back to before they were written has not got them all, or others under
// their ids.
func (r *Replica) takenThere(ctx context.Context) (bool, error) {
	lister, ok := r.cfg.Source.(capture.Lister)
	if !ok {
		return true, nil
	}
	raw, err := r.cfg.Store.Get(metaTaken)
	if err != nil {
		return false, err
	}
	taken, ok := decodeHistory(raw)
	if !ok || len(taken.ids) == 0 {
		return ok, nil
	}
	first, last := taken.ids[0].First, taken.ids[0].Last
	for _, ids := range taken.ids { // parts of transactions that committed late need not come in order
		first, last = min(first, ids.First), max(last, ids.Last)
	}
	noted, err := listNoted(ctx, lister, first-1, last)
	if err != nil {
		return false, err
	}
	is := make([]bool, len(noted))
	taken.mark(noted, is)
	there := uint64(0)
	for _, yes := range is {
		if yes {
			there++
		}
	}
	return there == taken.ids.Len(), nil
}

// oldest is when the first of the changes was made.
func (h *history) oldest() int64 {
	oldest := int64(math.MaxInt64)
	for _, s := range h.times {
		oldest = min(oldest, s.from)
	}
	return oldest
}

// mark marks those of the log rows that went into the batch.
func (h *history) mark(noted []capture.Noted, is []bool) {
	for _, s := range h.times {
		from, _ := slices.BinarySearchFunc(noted, s.First, func(n capture.Noted, id uint64) int { return cmp.Compare(n.ID, id) })
		for i := from; i < len(noted) && noted[i].ID <= s.Last; i++ {
			is[i] = is[i] || s.from <= noted[i].At && noted[i].At <= s.to
		}
	}
}

// listNoted lists the log rows after an id, up to another. It tries again where the
// database asks for that, as a site may start with it.
func listNoted(ctx context.Context, lister capture.Lister, after, last uint64) ([]capture.Noted, error) {
	var all []capture.Noted
	for {
		some, err := lister.Noted(ctx, after, notedRows)
		for try := 1; errors.Is(err, merge.ErrRetry) && try < markTries; try++ {
			some, err = lister.Noted(ctx, after, notedRows)
		}
		if err != nil {
			return nil, err
		}
		for _, n := range some {
			if n.ID > last {
				return all, nil
			}
			all = append(all, n)
		}
		if len(some) < notedRows {
			return all, nil
		}
		after = some[len(some)-1].ID
	}
}

// captured returns those of the log rows, which come in order, that went into
// a batch of this site. What is older than everything that is remembered went
// into one that is forgotten.
func (r *Replica) captured(noted []capture.Noted) (capture.IDs, error) {
	if len(noted) == 0 {
		return nil, nil
	}
	is := make([]bool, len(noted))
	oldest, forgot := int64(math.MinInt64), r.log.Vector().Seq(r.cfg.Self) >= historyBatches
	var bad error
	err := r.cfg.Store.Scan([]byte{keyHistory}, []byte{keyHistory + 1}, func(k, v []byte) bool {
		h, ok := decodeHistory(v)
		if !ok {
			bad = fmt.Errorf("what the store remembers of captured changes is damaged at %x", k)
			return false
		}
		if forgot && len(h.times) > 0 {
			oldest, forgot = h.oldest(), false
		}
		h.mark(noted, is)
		return true
	})
	if err == nil {
		err = bad
	}
	var ids capture.IDs
	for i, n := range noted {
		if is[i] || n.At < oldest {
			ids.Add(n.ID)
		}
	}
	return ids, err
}
