package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// packetBytesGood holds a row with a BLOB of 16 MB, escaped, with room.
	packetBytesGood = 64 << 20
	// clockGood is a difference that nobody notices.
	clockGood = time.Second
)

// capture looks at how local changes can be found.
func (p *patient) capture(ctx context.Context) error {
	values := map[string]string{}
	for _, name := range []string{"log_bin", "binlog_format", "binlog_row_image", "log_bin_trust_function_creators"} {
		v, err := p.variable(ctx, name)
		if err != nil {
			return err
		}
		values[name] = v
	}
	const note = "capture is by triggers; this version has no binlog capture"
	if !on(values["log_bin"]) {
		p.report.ok("capture", "%s, and the binlog is off", note)
		return nil
	}
	p.report.ok("capture", "%s (the binlog is on: format %s, row image %s)", note, values["binlog_format"], values["binlog_row_image"])
	if values["binlog_format"] == "STATEMENT" {
		p.report.add(Warning, "capture", "with binlog_format STATEMENT the server's own replicas may differ from it", "SET GLOBAL binlog_format = ROW;")
	}
	if on(values["log_bin_trust_function_creators"]) || p.mayMakeTriggersWithBinlog() {
		p.report.ok("capture", "triggers can be made with the binlog on")
		return nil
	}
	p.report.add(Problem, "capture", "with the binlog on, the server lets "+p.user+" make no triggers",
		"SET GLOBAL log_bin_trust_function_creators = ON; -- and the same in my.cnf")
	return nil
}

func (p *patient) mayMakeTriggersWithBinlog() bool {
	return p.grants != nil && p.grants.has("", "SUPER")
}

// clock compares the server's clock with this machine's: triggers note when a
// row was changed by the server's.
func (p *patient) clock(ctx context.Context) error {
	var micros int64
	var zone, system string
	before := p.opts.Now()
	err := p.db.QueryRowContext(ctx, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED), @@global.time_zone, @@global.system_time_zone").Scan(&micros, &zone, &system)
	if err != nil {
		return err
	}
	after := p.opts.Now()
	offset := time.UnixMicro(micros).Sub(before.Add(after.Sub(before) / 2)).Round(time.Millisecond)
	remedy := "set both clocks from the network with NTP (chrony or systemd-timesyncd)"
	switch {
	case offset.Abs() > p.opts.MaxDrift:
		p.report.add(Problem, "clock", fmt.Sprintf("the server's clock is %v off this machine's, more than max_drift (%v)", offset, p.opts.MaxDrift), remedy)
	case offset.Abs() > clockGood:
		p.report.add(Warning, "clock", fmt.Sprintf("the server's clock is %v off this machine's", offset), remedy)
	default:
		p.report.ok("clock", "the server's clock is %v off this machine's", offset)
	}
	if zone == "SYSTEM" {
		zone = system
	}
	p.report.ok("clock", "time zone %s; baraza's own sessions use UTC", zone)
	return nil
}

// settings looks at what makes values or commits unsafe.
func (p *patient) settings(ctx context.Context) error {
	for _, check := range []struct {
		name  string
		judge func(value string)
	}{
		{"sql_mode", p.sqlMode},
		{"max_allowed_packet", p.packet},
		{"innodb_flush_log_at_trx_commit", p.flush},
		{"foreign_key_checks", p.foreignKeys},
	} {
		value, err := p.variable(ctx, check.name)
		if err != nil {
			return err
		}
		check.judge(value)
	}
	return nil
}

func (p *patient) sqlMode(value string) {
	modes := strings.Split(value, ",")
	if slices.Contains(modes, "STRICT_TRANS_TABLES") || slices.Contains(modes, "STRICT_ALL_TABLES") {
		p.report.ok("sql_mode", "strict; baraza's own sessions set their own")
		return
	}
	p.report.add(Warning, "sql_mode", "not strict: the server cuts or changes values that do not fit when applications write, and baraza ships what is left",
		"SET GLOBAL sql_mode = CONCAT(@@global.sql_mode, ',STRICT_TRANS_TABLES');")
}

func (p *patient) packet(value string) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n >= packetBytesGood {
		p.report.ok("packet size", "max_allowed_packet is %d MiB", n>>20)
		return
	}
	p.report.add(Warning, "packet size", fmt.Sprintf("max_allowed_packet is %d MiB: a row with larger values than that cannot be applied here", n>>20),
		fmt.Sprintf("SET GLOBAL max_allowed_packet = %d; -- and the same in my.cnf", packetBytesGood))
}

func (p *patient) flush(value string) {
	if value == "1" {
		p.report.ok("durability", "every commit reaches the disk")
		return
	}
	p.report.add(Warning, "durability", "innodb_flush_log_at_trx_commit is "+value+": a power cut can take back commits that other sites already have",
		"SET GLOBAL innodb_flush_log_at_trx_commit = 1; -- and the same in my.cnf")
}

func (p *patient) foreignKeys(value string) {
	if value == "" || on(value) {
		return
	}
	p.report.add(Warning, "foreign keys", "foreign_key_checks is off for every session: applications can leave references to rows that are not there",
		"SET GLOBAL foreign_key_checks = ON;")
}
