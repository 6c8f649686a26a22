package schema

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// loader reads information_schema: one query for each kind of thing, never one
// for each table.
type loader struct {
	ctx context.Context
	q   Queryer
	m   *Model
}

// each runs a query whose only parameters are database names and calls row for
// every row with its fields as strings; NULL is "".
func (l *loader) each(query string, row func(f []string)) error {
	args := make([]any, strings.Count(query, "?"))
	for i := range args {
		args[i] = l.m.Database
	}
	rows, err := l.q.QueryContext(l.ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	fields := make([]sql.NullString, len(names))
	dest := make([]any, len(names))
	for i := range fields {
		dest[i] = &fields[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		f := make([]string, len(fields))
		for i := range fields {
			f[i] = fields[i].String
		}
		row(f)
	}
	return rows.Err()
}

func (l *loader) database() error {
	if err := l.each("SELECT DATABASE()", func(f []string) { l.m.Database = f[0] }); err != nil {
		return err
	}
	if l.m.Database == "" {
		return ErrNoDatabase
	}
	return nil
}

// zone reads how far the server's local time is ahead of UTC now. Summer time of
// other seasons is not known: such dates are an hour off.
func (l *loader) zone() (err error) {
	e := l.each("SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone))", func(f []string) {
		if f[0] != "" { // NULL: the server does not know its own zone's name
			l.m.ZoneSeconds, err = strconv.Atoi(f[0])
		}
	})
	return errors.Join(e, err)
}

// numbers reads which numbers the server gives out. Sessions may have others.
func (l *loader) numbers() (err error) {
	e := l.each("SELECT @@global.auto_increment_increment, @@global.auto_increment_offset", func(f []string) {
		var e1, e2 error
		l.m.Increment, e1 = strconv.ParseUint(f[0], 10, 64)
		l.m.Offset, e2 = strconv.ParseUint(f[1], 10, 64)
		err = errors.Join(e1, e2)
	})
	return errors.Join(e, err)
}

// circles asks who looks after foreign keys.
func (l *loader) circles() error {
	return l.each("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'", func(f []string) { l.m.BreaksCircles = f[1] == "OFF" })
}

func (l *loader) tables() error {
	return l.each(`SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')`,
		func(f []string) { l.m.Tables[f[0]] = &Table{Name: f[0], Engine: f[1]} })
}

func (l *loader) columns() error {
	return l.each(`SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, IS_NULLABLE, CHARACTER_SET_NAME,
			COLLATION_NAME, CHARACTER_MAXIMUM_LENGTH, EXTRA, GENERATION_EXPRESSION, COLUMN_DEFAULT IS NOT NULL
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, ORDINAL_POSITION`,
		func(f []string) {
			t := l.m.Tables[f[0]]
			if t == nil {
				return
			}
			extra := strings.ToLower(f[8])
			c := Column{
				Name: f[1], Type: f[2], Base: strings.ToLower(f[3]),
				Unsigned: strings.Contains(strings.ToLower(f[2]), "unsigned"),
				Nullable: f[4] == "YES", Charset: f[5], Collation: f[6],
				Generated:   f[9] != "",
				OnUpdateNow: strings.Contains(extra, "on update"),
			}
			if c.Charset != "" {
				c.MaxChars = number(f[7]) / bytesPerChar(c)
			}
			// A nullable column without a default has one all the same: NULL.
			c.HasDefault = f[10] == "1" || c.Nullable || strings.Contains(extra, "auto_increment")
			if strings.Contains(extra, "auto_increment") {
				t.AutoIncrement = c.Name
			}
			t.Columns = append(t.Columns, c)
		})
}

// documents finds MariaDB's columns of the type JSON: the catalogue calls them
// longtext, with utf8mb4_bin and a check of their own. MySQL says json.
func (l *loader) documents() error {
	mariadb := false
	if err := l.each("SELECT VERSION()", func(f []string) { mariadb = strings.Contains(f[0], "MariaDB") }); err != nil || !mariadb {
		return err
	}
	return l.each(`SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS
		WHERE CONSTRAINT_SCHEMA = ? AND CHECK_CLAUSE LIKE 'json_valid(%)'`,
		func(f []string) {
			if t := l.m.Tables[f[0]]; t != nil {
				if c := t.Column(f[1]); c != nil && c.Collation == "utf8mb4_bin" && c.Base == "longtext" && f[2] == "json_valid(`"+c.Name+"`)" {
					c.Base = "json"
				}
			}
		})
}

// bytesPerChar: the catalogue gives the limit of the TEXT types in bytes.
func bytesPerChar(c Column) int64 {
	if !strings.HasSuffix(c.Base, "text") {
		return 1
	}
	switch c.Charset {
	case "utf8mb4", "utf32", "utf16", "utf16le":
		return 4
	case "utf8", "utf8mb3":
		return 3
	case "ucs2", "gbk", "big5", "sjis", "cp932", "euckr":
		return 2
	}
	return 1
}

func number(s string) int64 {
	var n int64
	for _, r := range s {
		if r < '0' || r > '9' || n > 1<<40 {
			return n
		}
		n = n*10 + int64(r-'0')
	}
	return n
}

func (l *loader) indexes() error {
	skip := make(map[[2]string]bool) // indexes on a prefix or an expression
	err := l.each(`SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS
		WHERE TABLE_SCHEMA = ? AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`,
		func(f []string) {
			t := l.m.Tables[f[0]]
			if t == nil {
				return
			}
			if f[1] == "PRIMARY" {
				t.PrimaryKey = append(t.PrimaryKey, f[2])
				return
			}
			if f[2] == "" || f[3] != "" {
				skip[[2]string{f[0], f[1]}] = true
			}
			if n := len(t.Unique); n > 0 && t.Unique[n-1].Name == f[1] {
				t.Unique[n-1].Columns = append(t.Unique[n-1].Columns, f[2])
				return
			}
			t.Unique = append(t.Unique, Index{Name: f[1], Columns: []string{f[2]}})
		})
	for name, t := range l.m.Tables {
		t.Unique = slices.DeleteFunc(t.Unique, func(ix Index) bool { return skip[[2]string{name, ix.Name}] })
	}
	return err
}

func (l *loader) foreignKeys() error {
	type rule struct{ onDelete, onUpdate string }
	rules := make(map[[2]string]rule)
	err := l.each(`SELECT TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE
		FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ?`,
		func(f []string) { rules[[2]string{f[0], f[1]}] = rule{f[2], f[3]} })
	if err != nil {
		return err
	}
	keys := make(map[[2]string]*ForeignKey)
	var order [][2]string
	err = l.each(`SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME,
			REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE
		WHERE TABLE_SCHEMA = ? AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION`,
		func(f []string) {
			id := [2]string{f[0], f[1]}
			fk := keys[id]
			if fk == nil {
				fk = &ForeignKey{Table: f[4], OnDelete: rules[id].onDelete, OnUpdate: rules[id].onUpdate}
				if !strings.EqualFold(f[3], l.m.Database) {
					fk.Table = f[3] + "." + f[4] // Check refuses it
				}
				keys[id] = fk
				order = append(order, id)
			}
			fk.Columns, fk.Targets = append(fk.Columns, f[2]), append(fk.Targets, f[5])
		})
	for _, id := range order {
		if t := l.m.Tables[id[0]]; t != nil {
			t.addForeignKey(*keys[id])
		}
	}
	return err
}

func (t *Table) addForeignKey(fk ForeignKey) {
	if len(fk.Columns) > 1 {
		t.Composite = append(t.Composite, fk)
		return
	}
	t.References = append(t.References, Reference{
		Column: fk.Columns[0], Table: fk.Table, Target: fk.Targets[0],
		Declared: true, OnDelete: fk.OnDelete, OnUpdate: fk.OnUpdate,
	})
}

func (l *loader) triggers() error {
	return l.each(`SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS
		WHERE TRIGGER_SCHEMA = ? ORDER BY EVENT_OBJECT_TABLE, TRIGGER_NAME`,
		func(f []string) {
			if t := l.m.Tables[f[0]]; t != nil && !strings.HasPrefix(f[1], ownTriggers) {
				t.Triggers = append(t.Triggers, f[1])
			}
		})
}
