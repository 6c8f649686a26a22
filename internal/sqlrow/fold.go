package sqlrow

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"baraza/crdt"

	"golang.org/x/text/unicode/norm"
)

// folding is what a collation does not tell apart.
type folding struct {
	letterCase bool // a and A
	accents    bool // a and á
	marks      bool // an accent that is a character of its own, and nothing
	padding    bool // "a" and "a "
}

// accentBlind are the families whose _ci collations do not tell accents apart.
// Collations of one language (swedish, turkish …) and of one old charset do for
// the letters of theirs: for them only letter case is folded. Where this is
// finer than the server, its unique index finds the clash; the other way round
// two rows would become one.
var accentBlind = []string{"_general_", "_unicode_", "_0900_ai_", "_uca1400_ai_", "_uca1400_nopad_ai_"}

func foldingOf(collation string) folding {
	if collation == "" {
		return folding{}
	}
	f := folding{padding: !strings.Contains(collation, "_nopad_") && !strings.Contains(collation, "_0900_")}
	if !strings.HasSuffix(collation, "_ci") {
		return f
	}
	f.letterCase = true
	for _, family := range accentBlind {
		f.accents = f.accents || strings.HasPrefix(collation, "utf8") && strings.Contains(collation, family)
	}
	f.marks = f.accents && !strings.Contains(collation, "_general_")
	return f
}

// Canonical returns the form in which values of the column are equal exactly
// when the column's collation says that they are.
func (c *Column) Canonical(v crdt.Value) crdt.Value {
	if c.kind != kindText || v.Tag() != crdt.TagText {
		return v
	}
	return c.fold.value(v)
}

func (f folding) value(v crdt.Value) crdt.Value {
	end := len(v)
	for f.padding && end > 1 && v[end-1] == ' ' {
		end--
	}
	v = v[:end]
	if !f.letterCase {
		return v
	}
	upper := false
	for i := 1; i < len(v); i++ {
		if v[i] >= utf8.RuneSelf {
			return crdt.Text(f.slow(string(v[1:])))
		}
		upper = upper || ('A' <= v[i] && v[i] <= 'Z')
	}
	if !upper {
		return v
	}
	b := []byte(v)
	for i := 1; i < len(b); i++ {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return crdt.Value(b)
}

// slow folds text beyond ASCII. Only Latin and Greek letters lose their accents:
// a Cyrillic й is another letter than и everywhere, and for ё and е collations
// differ.
func (f folding) slow(s string) string {
	return strings.Map(func(r rune) rune {
		if f.accents {
			switch {
			case f.marks && unicode.Is(unicode.Mn, r):
				return -1
			case f.marks && r == 'ı': // no i for these collations
				return r
			}
			base, _ := utf8.DecodeRuneInString(norm.NFD.String(string(r)))
			if unicode.In(base, unicode.Latin, unicode.Greek) {
				r = base
			}
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, s)
}
