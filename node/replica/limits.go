package replica

// limits bound what one step does and what it keeps in memory.
type limits struct {
	// captureRows is how many log rows of the source are read at a time.
	captureRows int
	// pendingRows is how many local changes an apply step takes by itself; with
	// more it asks for Capture first.
	pendingRows int
	// groupRows is how many row changes one database transaction applies, and
	// groupBytes how many bytes of log entries; a single batch may have more,
	// and is then read entry by entry.
	groupRows, groupBytes int
	// entryBytes is about how large a log entry grows before the next begins.
	entryBytes int
	// stepRows and stepBytes are what a step keeps of the store in memory;
	// beyond that it moves it to the staging area.
	stepRows, stepBytes int
}

var defaultLimits = limits{
	captureRows: 2000,
	pendingRows: 2000,
	groupRows:   4000,
	groupBytes:  8 << 20,
	entryBytes:  256 << 10,
	stepRows:    50_000,
	stepBytes:   32 << 20,
}
