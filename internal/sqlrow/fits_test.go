package sqlrow

import (
	"testing"

	"baraza/crdt"
	"baraza/schema"
)

func TestFits(t *testing.T) {
	dec := func(s string) crdt.Value { return crdt.Tagged(crdt.TagDecimal, s) }
	at := func(s string) crdt.Value { return crdt.Tagged(crdt.TagTime, s) }
	for _, c := range []struct {
		base, sqlType string
		v             crdt.Value
		fits          bool
	}{
		{"decimal", "decimal(10,2)", dec("1.25"), true},
		{"decimal", "decimal(10,2)", dec("1.2500"), true},
		{"decimal", "decimal(10,2) unsigned", dec("1.251"), false},
		{"decimal", "decimal(10,0)", dec("1"), true},
		{"decimal", "decimal(10,0)", dec("-0.5"), false},
		{"decimal", "decimal(65,30)", dec("0.000000000000000000000000000001"), true},
		{"int", "int(11)", dec("7.00"), true},
		{"int", "int", dec("7.01"), false},
		{"int", "int", crdt.Float64(1.5), false},
		{"int", "int", crdt.Float64(2), true},
		{"int", "int", crdt.Int(7), true},
		{"datetime", "datetime(6)", at("2024-01-01 00:00:00.123456"), true},
		{"datetime", "datetime(3)", at("2024-01-01 00:00:00.123456"), false},
		{"datetime", "datetime", at("2024-01-01 00:00:00.000000"), true},
		{"time", "time", at("-10:00:00.5"), false},
		{"timestamp", "timestamp(1)", at("2024-01-01 00:00:00.5"), true},
		{"date", "date", at("2024-01-01"), true},
		{"date", "date", at("2024-01-01 00:00:00"), true},
		{"date", "date", at("2024-01-01 10:00:00"), false},
		{"float", "float", crdt.Float64(0.5), true},
		{"float", "float", crdt.Float64(0.1), false},
		{"float", "float", crdt.Float32(0.1), true},
		{"float", "float", crdt.Float64(1e300), true},
		{"float", "float(7,3)", crdt.Float64(0.1), true},
		{"double", "double", crdt.Float64(0.1), true},
		{"double", "double(10,2)", dec("1.234"), true},
		{"varchar", "varchar(10)", crdt.Text("1.234567"), true},
		{"varchar", "varchar(10)", dec("1.234567"), true},
		{"int", "int", crdt.Null, true},
	} {
		col, err := NewColumn(&schema.Column{Name: "c", Base: c.base, Type: c.sqlType})
		if err != nil {
			t.Fatal(err)
		}
		if err := col.Fits(c.v); (err == nil) != c.fits {
			t.Errorf("%s in %s: %v", c.v, c.sqlType, err)
		}
	}
}
