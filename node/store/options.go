package store

import (
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// The store's share of the process's memory is bounded by cacheBytes and
// memtablesMax memtables. Pebble takes the memtables out of its cache, so it is
// given room for both: with none left it would read a table's whole filter from
// the file for every key.
const (
	cacheBytes     = 16 << 20
	memtableBytes  = 8 << 20
	memtablesMax   = 3 // then writers wait for a flush
	openFilesMax   = 256
	walSyncBytes   = 1 << 20 // start writing a large unsynced log back early
	l0FilesCompact = 4
	filterBits     = 10 // of a key: 1 % of the keys that are absent cost a read
)

// Options say where a store is. Dir is required.
type Options struct {
	Dir string
	// FS is the disk; nil means the machine's own.
	FS vfs.FS
	// Fatal is called when the store can no longer keep its promises, such as
	// when the disk refuses a write. It must not return. nil prints the error
	// and ends the process with exit code 2: what was synced is safe, and
	// start-up completes the rest.
	Fatal func(err error)
}

func (o *Options) defaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) {
			fmt.Fprintln(os.Stderr, "baraza:", err)
			os.Exit(2)
		}
	}
}

func (o *Options) pebble() *pebble.Options {
	opts := &pebble.Options{
		FS:                          o.FS,
		FormatMajorVersion:          pebble.FormatNewest,
		CacheSize:                   cacheBytes + memtablesMax*memtableBytes,
		MemTableSize:                memtableBytes,
		MemTableStopWritesThreshold: memtablesMax,
		MaxOpenFiles:                openFilesMax,
		WALBytesPerSync:             walSyncBytes,
		L0CompactionThreshold:       l0FilesCompact,
		Logger:                      logger{o},
	}
	opts.Levels[0].FilterPolicy = bloom.FilterPolicy(filterBits) // and of the levels below
	// Young data is compressed for speed, what has sunk to the last levels
	// (most of it) with zstd.
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	return opts
}

// logger drops what Pebble has to say, but for its last words.
type logger struct{ o *Options }

func (logger) Infof(string, ...any)  {}
func (logger) Errorf(string, ...any) {}

func (l logger) Fatalf(format string, args ...any) {
	l.o.Fatal(fmt.Errorf("the store in %s cannot go on: %s; see that the disk is whole and has room, then start again",
		l.o.Dir, oneLine(fmt.Sprintf(format, args...))))
}
