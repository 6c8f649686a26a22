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
// which log rows went into each batch, and when the changes were made: a log
// row is the same one if its id is among them and its time is within theirs.
// After a restore ids are given again, but at other times.

const (
	// historyBatches is how many batches of this site are remembered, in log
	// entries. Of what is older the time alone decides.
	historyBatches = 1 << 16
	// historyTrim is how often, in log entries, what is older is forgotten.
	historyTrim = 1 << 10
	// notedRows is how many log rows are listed at a time.
	notedRows = 5000
	// releaseRows is how many log rows one transaction releases.
	releaseRows = 10_000
)

// history is what is remembered of one batch.
type history struct {
	from, to int64 // microseconds since the Unix epoch
	ids      capture.IDs
}

func historyKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyHistory}, seq)
}

// encode returns nothing for nothing.
func (h *history) encode() []byte {
	if len(h.ids) == 0 {
		return nil
	}
	b := binary.AppendVarint(nil, h.from)
	b = binary.AppendVarint(b, h.to-h.from)
	return append(b, encodeIDs(h.ids)...)
}

func decodeHistory(b []byte) (h history, ok bool) {
	if len(b) == 0 {
		return h, true
	}
	from, n := binary.Varint(b)
	if n <= 0 {
		return h, false
	}
	span, m := binary.Varint(b[n:])
	if m <= 0 {
		return h, false
	}
	return history{from, from + span, decodeIDs(b[n+m:])}, true
}

// take notes that the batch has a part of what was captured.
func (l *local) take(part *capture.Part) {
	if len(l.taken.ids) == 0 {
		l.taken.from, l.taken.to = part.From, part.To
	}
	l.taken.from, l.taken.to = min(l.taken.from, part.From), max(l.taken.to, part.To)
	l.taken.ids = append(l.taken.ids, part.IDs...)
}

// record remembers what the batch has, and forgets what is too old.
func (l *local) record() {
	if len(l.taken.ids) == 0 {
		return
	}
	l.t.set(historyKey(l.seq), l.taken.encode())
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
	if err := r.release(ctx, r.taken.ids, true); err != nil {
		r.unsettled = true
		return fmt.Errorf("release captured changes: %w", err)
	}
	r.taken = history{} // the store forgets with the next batch
	return nil
}

// release removes log rows from the database. It tries again where the database
// asks for that: a site that starts begins with it, and nobody above it would.
func (r *Replica) release(ctx context.Context, ids capture.IDs, advance bool) error {
	for rest := ids; len(rest) > 0; {
		var some capture.IDs
		some, rest = splitIDs(rest, releaseRows)
		next := r.mark
		if advance && len(rest) == 0 {
			next = next.Next()
		}
		err := r.releaseSome(ctx, some, next)
		for try := 1; errors.Is(err, merge.ErrRetry) && try < markTries; try++ {
			err = r.releaseSome(ctx, some, next)
		}
		if err != nil {
			return err
		}
	}
	return nil
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

// mark marks those of the log rows that went into the batch.
func (h *history) mark(noted []capture.Noted, is []bool) {
	for _, ids := range h.ids {
		from, _ := slices.BinarySearchFunc(noted, ids.First, func(n capture.Noted, id uint64) int { return cmp.Compare(n.ID, id) })
		for i := from; i < len(noted) && noted[i].ID <= ids.Last; i++ {
			is[i] = is[i] || h.from <= noted[i].At && noted[i].At <= h.to
		}
	}
}

// listNoted lists the log rows after an id, up to another.
func listNoted(ctx context.Context, lister capture.Lister, after, last uint64) ([]capture.Noted, error) {
	var all []capture.Noted
	for {
		some, err := lister.Noted(ctx, after, notedRows)
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
		if forgot {
			oldest, forgot = h.from, false
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
