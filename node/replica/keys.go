package replica

import (
	"encoding/binary"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
)

// The store's key space. Strings inside keys are length-prefixed, so that no
// key is a prefix of another by accident.
const (
	keyLog     = 'l' // origin, seq -> log entry
	keyState   = 's' // table, key -> row state
	keyLoss    = 'c' // table, key, column, stamp -> loss
	keyWaiting = 'w' // table, key of the missing row; table, key of the row that waits
	keyAside   = 'a' // table, key of a row that is held or set aside -> place
	keyName    = 'd' // number -> interned name
	keyTaken   = 'b' // table, key of a row taken over in a bring-up -> takeover
	keyShows   = 'v' // table, key of a numbered row in a database that is brought up again -> the life that its table shows
	keyGave    = 'g' // table, key of a numbered row, mark -> the life that its table showed until the transaction after that mark
	keyLeft    = 'k' // table, key of a tombstone whose row stayed in its table for a while (R4) -> what must be settled before it goes
	keyMeta    = 'm' // see meta...
	keyDoubt   = 'q' // table that was written around capture -> since when, why
	keyHistory = 'h' // own seq -> the log rows that were taken for that batch
	keyStaged  = 'i' // the staging area: any key of the above -> staged write
)

var (
	metaHave    = []byte("mhave/")  // origin -> seq
	metaFirst   = []byte("mfrst/")  // origin -> the first entry that the log has
	metaStable  = []byte("mstable") // what every member had applied when entries were dropped last
	metaApplied = []byte("mappl/")  // origin -> seq, through, content
	metaContext = []byte("mctx/")   // origin -> context of its last applied batch
	metaClock   = []byte("mclock")  // greatest timestamp given or seen
	metaTaken   = []byte("mtook")   // log rows taken and perhaps not released yet
	metaStaged  = []byte("mstaged") // number of the group in the staging area
	metaSite    = []byte("msite")   // the site whose store this is
	metaBringUp = []byte("mbring")  // the site waits for its first rows
	metaMark    = []byte("mmark")   // the mark that the database has, see recover.go
	metaRenewed = []byte("mrenew")  // the mark that it may have got on start
	metaBoots   = []byte("mboots")  // the starts of the site, see instance.go
	metaRecover = []byte("mrecov")  // the database was set back: when that was noticed
)

func logKey(origin clock.SiteID, seq uint64) []byte {
	return appendLogKey(make([]byte, 0, logKeyBytes), origin, seq)
}

// logKeyBytes is the length of an entry's key.
const logKeyBytes = 1 + len(clock.SiteID{}) + 8

func appendLogKey(b []byte, origin clock.SiteID, seq uint64) []byte {
	b = append(append(b, keyLog), origin[:]...)
	return binary.BigEndian.AppendUint64(b, seq)
}

func siteKey(prefix []byte, site clock.SiteID) []byte {
	return append(append(make([]byte, 0, len(prefix)+len(site)), prefix...), site[:]...)
}

// siteKey is the function of that name, in the step's memory.
func (t *txn) siteKey(prefix []byte, site clock.SiteID) []byte {
	return append(append(t.mem.room(len(prefix)+len(site)), prefix...), site[:]...)
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func rowKey(kind byte, id merge.RowID) []byte {
	return appendRowKey(make([]byte, 0, rowKeyMax(id)), kind, id)
}

// rowKeyMax bounds the length of a row's key, but for extraordinary names.
func rowKeyMax(id merge.RowID) int { return 5 + len(id.Table) + len(id.Key) }

func appendRowKey(b []byte, kind byte, id merge.RowID) []byte {
	b = appendString(append(b, kind), id.Table)
	return appendKey(b, id.Key)
}

// A key that is one lower-case uuid takes 17 bytes in place of 38.
const packedUUID = 0xff

// appendKey appends a row key, length-prefixed; uuids are packed.
func appendKey(b []byte, k crdt.Key) []byte {
	if u, ok := packUUID(string(k)); ok {
		b = binary.AppendUvarint(b, 1+uint64(len(u)))
		return append(append(b, packedUUID), u[:]...)
	}
	return appendString(b, string(k))
}

// uuidPairs are the places of a uuid's pairs of digits in a key, and digitOf what
// a lower-case hexadecimal digit stands for; noDigit for anything else.
var (
	uuidPairs = [16]int{1, 3, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27, 29, 31, 33, 35}
	digitOf   = func() (d [256]byte) {
		for i := range d {
			d[i] = noDigit
		}
		for i, c := range []byte("0123456789abcdef") {
			d[c] = byte(i)
		}
		return d
	}()
)

const noDigit = 0x80

func packUUID(k string) (u [16]byte, ok bool) {
	if len(k) != 37 || k[0] != crdt.TagText || k[9] != '-' || k[14] != '-' || k[19] != '-' || k[24] != '-' {
		return u, false
	}
	for i, at := range uuidPairs {
		high, low := digitOf[k[at]], digitOf[k[at+1]]
		if high|low >= noDigit {
			return u, false
		}
		u[i] = high<<4 | low
	}
	return u, true
}

func unpackKey(s string) crdt.Key {
	if len(s) != 17 || s[0] != packedUUID {
		return crdt.Key(s)
	}
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 37)
	b = append(b, crdt.TagText)
	for i := 1; i < len(s); i++ {
		if i == 5 || i == 7 || i == 9 || i == 11 {
			b = append(b, '-')
		}
		b = append(b, digits[s[i]>>4], digits[s[i]&15])
	}
	return crdt.Key(b)
}

// rowIDs reads the row ids that follow the kind byte of a key.
func rowIDs(key []byte) []merge.RowID {
	r := reader{s: string(key[1:])}
	var ids []merge.RowID
	for r.s != "" && !r.bad {
		ids = append(ids, merge.RowID{Table: r.string(), Key: unpackKey(r.string())})
	}
	return ids
}
