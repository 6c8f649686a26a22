package store

import (
	"context"
	"errors"
)

// Compact brings everything into its final form: what was overwritten or deleted
// is gone from the disk afterwards. Pebble does so by and by; this is for those
// who measure. It takes long.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.db.Flush(); err != nil {
		return s.wrap("flush", err)
	}
	if err := s.db.Compact(ctx, []byte{0}, []byte{0xff}, false); err != nil {
		return s.wrap("compact", err)
	}
	return nil
}

// Used returns about how many bytes of the disk the keys in [lower, upper) take,
// less those that were not flushed yet.
func (s *Store) Used(lower, upper []byte) (bytes uint64, err error) {
	if len(lower) == 0 || len(upper) == 0 {
		return 0, errors.New("the range has two ends")
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	if bytes, err = s.db.EstimateDiskUsage(lower, upper); err != nil {
		return 0, s.wrap("measure", err)
	}
	return bytes, nil
}
