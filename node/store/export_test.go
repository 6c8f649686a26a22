package store

// OpenSmall opens a store with the sizes of a toy: memtables are full, and
// tables are merged, after a few writes.
func OpenSmall(o Options) (*Store, error) {
	o.defaults()
	opts := o.pebble()
	opts.MemTableSize = 32 << 10
	opts.L0CompactionThreshold = 2
	opts.LBaseMaxBytes = 64 << 10
	for i := range opts.TargetFileSizes {
		opts.TargetFileSizes[i] = 16 << 10
	}
	opts.WALBytesPerSync = 4 << 10
	return openWith(&o, opts)
}

// CacheMisses returns how many blocks were not in the cache when they were
// asked for.
func (s *Store) CacheMisses() int64 { return s.db.Metrics().BlockCache.Misses }
