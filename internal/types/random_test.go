package types

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"baraza/internal/mariadb"
)

var (
	seed   = flag.Uint64("seed", 0, "seed of TestRandom; 0 takes one from the clock")
	values = flag.Int("values", 12, "how many values of each type TestRandom makes")
)

// TestRandom: whatever values there are, they go to the other site and back.
func TestRandom(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	fa, fb := mariadb.Turn(0), mariadb.Turn(1)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with: %s=%s go test ./internal/types -run 'TestRandom$' -seed %d -values %d", mariadb.EnvFlavour, os.Getenv(mariadb.EnvFlavour), *seed, *values)
		}
	})
	types := Between(fa, fb)
	a := newSite(t, 0, wide(fa, types, "id + 1"))
	b := newSite(t, 1, wide(fb, types, "id + 2"))
	id := 0
	for i, typ := range types {
		rng := rand.New(rand.NewPCG(*seed, uint64(i)))
		for range *values {
			id++
			v := random(typ.Name, rng)
			a.exec("SET time_zone='"+zones[rng.IntN(len(zones))]+"'",
				fmt.Sprintf("INSERT INTO w (id, hidden, %s) VALUES (%d, %d, %s)", typ.Name, id, -id, v))
		}
	}
	there(t, a, b, types, id)
}

// random returns a literal for the column of that name in Table.
func random(name string, r *rand.Rand) string {
	if make := generators[name]; make != nil {
		return make(r)
	}
	if make := shapes[name]; make != nil {
		return geometry(make(r), r)
	}
	panic("types: no generator for column " + name)
}

func signed(bits int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		return strconv.FormatInt(int64(r.Uint64())>>(64-1-r.IntN(bits)), 10)
	}
}

func unsigned(bits int) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64()>>(64-1-r.IntN(bits)), 10) }
}

// fixed is a number of so many digits before and after the point.
func fixed(whole, frac int, sign bool) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		s := ""
		if sign && r.IntN(2) == 0 {
			s = "-"
		}
		s += digits(r, 1+r.IntN(whole))
		if frac > 0 {
			s += "." + digits(r, 1+r.IntN(frac))
		}
		return s
	}
}

func digits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

// single is any FLOAT but a negative zero, of which TestNegativeZero speaks.
func single(r *rand.Rand) string {
	for {
		if f := float64(math.Float32frombits(r.Uint32())); !math.IsNaN(f) && !math.IsInf(f, 0) && f != 0 {
			return strconv.FormatFloat(f, 'e', -1, 64)
		}
	}
}

func double(r *rand.Rand) string {
	f := math.Float64frombits(r.Uint64())
	if r.IntN(2) == 0 { // of a size that people use
		f = (r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(30)-15))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) || f == 0 {
		f = 1
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

func date(r *rand.Rand) string {
	return fmt.Sprintf("%04d-%02d-%02d", r.IntN(10000), r.IntN(13), r.IntN(32))
}

func clock(hours int) func(r *rand.Rand) string {
	return func(r *rand.Rand) string { return fmt.Sprintf("%02d:%02d:%02d", r.IntN(hours), r.IntN(60), r.IntN(60)) }
}

func fraction(r *rand.Rand, places int) string { return "." + digits(r, places) }

func moment(places int) func(r *rand.Rand) string {
	return func(r *rand.Rand) string {
		s := date(r) + " " + clock(24)(r)
		if places > 0 {
			s += fraction(r, places)
		}
		return "'" + s + "'"
	}
}

// instant leaves out the days of the clocks' changes, of which TestZones speaks.
func instant(places int) func(r *rand.Rand) string {
	return func(r *rand.Rand) string {
		s := fmt.Sprintf("%04d-%02d-%02d %s", 1971+r.IntN(66), 5+r.IntN(4), 1+r.IntN(28), clock(24)(r))
		if places > 0 {
			s += fraction(r, places)
		}
		return "'" + s + "'"
	}
}

func span(places int) func(r *rand.Rand) string {
	return func(r *rand.Rand) string {
		s := clock(838)(r)
		if r.IntN(2) == 0 {
			s = "-" + s
		}
		if places > 0 {
			s += fraction(r, places)
		}
		return "'" + s + "'"
	}
}

// text is up to n characters below a code point, as a literal that needs no
// character set of the session.
func text(n, limit int) func(r *rand.Rand) string {
	return func(r *rand.Rand) string {
		var b strings.Builder
		for range r.IntN(n + 1) {
			c := rune(r.IntN(min(limit, 0x110000)))
			switch r.IntN(4) {
			case 0:
				c = rune(r.IntN(0x80))
			case 1:
				c = []rune(" '\\\"\x00\n%_é\u0301日😀")[r.IntN(12)]
			}
			if c >= rune(limit) || c >= 0xD800 && c < 0xE000 {
				c = ' '
			}
			b.WriteRune(c)
		}
		return "_utf8mb4 x'" + hex.EncodeToString([]byte(b.String())) + "'"
	}
}

// encoded is up to n bytes in a character set of one byte a character, without
// the bytes that it does not have.
func encoded(charset string, n int, without string) func(r *rand.Rand) string {
	return func(r *rand.Rand) string {
		b := random8(r, n)
		for i := range b {
			if strings.IndexByte(without, b[i]) >= 0 {
				b[i] = ' '
			}
		}
		return charset + " x'" + hex.EncodeToString(b) + "'"
	}
}

func random8(r *rand.Rand, n int) []byte {
	b := make([]byte, r.IntN(n+1))
	for i := range b {
		b[i] = byte(r.Uint32())
		if r.IntN(3) == 0 {
			b[i] = "\x00 '\\\n"[r.IntN(5)]
		}
	}
	return b
}

func bytes(n int) func(r *rand.Rand) string {
	return func(r *rand.Rand) string { return "x'" + hex.EncodeToString(random8(r, n)) + "'" }
}

func one(of ...string) func(r *rand.Rand) string {
	return func(r *rand.Rand) string { return of[r.IntN(len(of))] }
}

// document is a JSON document, as text.
func document(r *rand.Rand, depth int) string {
	name := func() string {
		return strconv.QuoteToASCII(string([]rune("abéü日 _")[r.IntN(7)]) + digits(r, r.IntN(2)))
	}
	switch n := r.IntN(9); {
	case n == 0:
		return one("null", "true", "false", "[]", "{}", `""`)(r)
	case n == 1:
		return signed(64)(r)
	case n == 2:
		return double(r)
	case n == 3:
		return fmt.Sprintf("%d.%se%d", r.IntN(1000)-500, digits(r, 1+r.IntN(3)), r.IntN(9)-4)
	case n < 6 || depth == 0:
		return name()
	}
	var parts []string
	object := r.IntN(2) == 0
	for range r.IntN(4) {
		part := document(r, depth-1)
		if object {
			part = name() + one(":", " : ")(r) + part
		}
		parts = append(parts, part)
	}
	if object {
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func address(r *rand.Rand) string {
	var b [16]byte
	for i := range b {
		b[i] = byte(1 + r.IntN(255))
	}
	if n := r.IntN(13); n > 1 { // a run of zeros, which is left out
		clear(b[2*(n/2) : 2*(n/2)+4])
	}
	return "'" + netip.AddrFrom16(b).String() + "'"
}

func points(r *rand.Rand, least int, closed bool) string {
	var list []string
	for range least + r.IntN(4) {
		list = append(list, double(r)+" "+double(r))
	}
	if closed {
		list = append(list, list[0])
	}
	return "(" + strings.Join(list, ",") + ")"
}

// geometry writes a shape with one of the reference systems that both servers
// know and that have no bounds.
func geometry(wkt string, r *rand.Rand) string {
	return fmt.Sprintf("ST_GeomFromText('%s', %d)", wkt, []int{0, 3857}[r.IntN(2)])
}
