package types

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// generators make literals for the columns of Table.
var generators = map[string]func(*rand.Rand) string{
	"ti": signed(8), "tu": unsigned(8), "bo": signed(8), "si": signed(16), "su": unsigned(16), "mi": signed(24), "mu": unsigned(24),
	"i": signed(32), "iu": unsigned(32), "iz": unsigned(32), "bi": signed(64), "bu": unsigned(64),
	"b1": unsigned(1), "b17": unsigned(17), "b64": unsigned(64),
	"f": single, "f73": fixed(4, 3, true), "d": double, "d102": fixed(8, 2, true), "d25530": fixed(30, 30, true),
	"n6530": fixed(35, 30, true), "n50": fixed(5, 0, false),
	"y":  func(r *rand.Rand) string { return fmt.Sprint(1901 + r.IntN(255)) },
	"da": func(r *rand.Rand) string { return "'" + date(r) + "'" },
	"dt": moment(0), "dt6": moment(6), "dt3": moment(3), "ts": instant(0), "ts6": instant(6), "tm": span(0), "tm6": span(6),
	"c": text(10, 0x110000), "vc": text(40, 0x110000), "vb": text(40, 0x110000), "l1": encoded("_latin1", 40, ""), "l1b": encoded("_latin1", 40, ""),
	"cp": encoded("_cp1251", 40, "\x98"), "u2": text(40, 0x10000), "u32": text(40, 0x110000), "u3": text(40, 0x10000), "ac": text(40, 0x80), "cb": bytes(40),
	"tt": text(60, 0x110000), "tx": text(300, 0x110000), "mt": text(1000, 0x110000), "lt": text(3000, 0x110000),
	"bn": bytes(4), "vbn": bytes(40), "tb": bytes(255), "bl": bytes(1000), "mb": bytes(1000), "lb": bytes(3000),
	"en": one("'a'", "'B'", "'c d'", "'é'", "'x,y'"), "st": one("''", "'x'", "'y,z'", "'x,z'", "'x,y,z'"),
	"js": func(r *rand.Rand) string { return "'" + strings.ReplaceAll(document(r, 4), `\`, `\\`) + "'" },
	"uu": func(r *rand.Rand) string { // of RFC 4122: MariaDB refuses some others
		return fmt.Sprintf("'%08x-%04x-%d%03x-%x%03x-%012x'", r.Uint32(), r.IntN(1<<16), 1+r.IntN(7), r.IntN(1<<12), 8+r.IntN(4), r.IntN(1<<12), r.Int64N(1<<48))
	},
	"ip": address, "i4": func(r *rand.Rand) string {
		return fmt.Sprintf("'%d.%d.%d.%d'", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256))
	},
	"ve": func(r *rand.Rand) string {
		return fmt.Sprintf("x'%08x%08x'", r.Uint32N(0x7F0000)<<8, r.Uint32N(0x7F0000)<<8)
	},
}

// shapes make the text of geometries.
var shapes = map[string]func(*rand.Rand) string{
	"g":   func(r *rand.Rand) string { return one("POINT(1 2)", "LINESTRING"+points(r, 2, false))(r) },
	"gp":  func(r *rand.Rand) string { return "POINT(" + double(r) + " " + double(r) + ")" },
	"gl":  func(r *rand.Rand) string { return "LINESTRING" + points(r, 2, false) },
	"gg":  func(r *rand.Rand) string { return "POLYGON(" + points(r, 3, true) + ")" },
	"gmp": func(r *rand.Rand) string { return "MULTIPOINT" + points(r, 1, false) },
	"gml": func(r *rand.Rand) string {
		return "MULTILINESTRING(" + points(r, 2, false) + "," + points(r, 2, false) + ")"
	},
	"gmg": func(r *rand.Rand) string { return "MULTIPOLYGON((" + points(r, 3, true) + "))" },
	"gc": func(r *rand.Rand) string {
		return "GEOMETRYCOLLECTION(POINT(1 1),POLYGON(" + points(r, 3, true) + "))"
	},
}

// Each column of Table has its generator.
func TestGenerators(t *testing.T) {
	for _, typ := range Table {
		if (generators[typ.Name] == nil) == (shapes[typ.Name] == nil) {
			t.Errorf("column %s (%s) needs a generator", typ.Name, typ.SQL)
		}
	}
}
