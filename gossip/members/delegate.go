package members

import (
	"bytes"
	"context"
	"log"
	"log/slog"

	"github.com/hashicorp/memberlist"
)

// delegate gives memberlist what it sends of ours.
type delegate struct{ m *Members }

func (d delegate) NodeMeta(limit int) []byte {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	b, err := d.m.self.meta(limit)
	if err != nil {
		return nil // New and SetSelf have seen to it
	}
	return b
}

func (d delegate) NotifyMsg([]byte) {}

func (d delegate) GetBroadcasts(int, int) [][]byte { return nil }

func (d delegate) LocalState(bool) []byte {
	if d.m.cfg.State == nil {
		return nil
	}
	return d.m.cfg.State()
}

func (d delegate) MergeRemoteState(b []byte, _ bool) {
	if d.m.cfg.Merge != nil && len(b) > 0 {
		d.m.cfg.Merge(b)
	}
}

// events takes what memberlist finds out.
type events struct{ m *Members }

// tell is called while memberlist holds its lock on the node.
func (e events) tell(k Kind, n *memberlist.Node) {
	member, err := memberOf(n)
	if err != nil {
		return
	}
	e.m.upMu.Lock()
	if k == Down {
		delete(e.m.up, member.Site)
	} else {
		e.m.up[member.Site] = member
	}
	e.m.upMu.Unlock()
	if member.Site != e.m.cfg.Self.Site {
		e.m.cfg.Event(Event{k, member})
	}
}

func (e events) NotifyJoin(n *memberlist.Node)   { e.tell(Up, n) }
func (e events) NotifyLeave(n *memberlist.Node)  { e.tell(Down, n) }
func (e events) NotifyUpdate(n *memberlist.Node) { e.tell(Changed, n) }

// NotifyConflict is told of two nodes with one name; a clash with this very
// site is one, too.
func (e events) NotifyConflict(_, other *memberlist.Node) {
	if member, err := memberOf(other); err == nil {
		e.m.cfg.Event(Event{Clash, member})
	}
}

// NotifyAlive refuses nodes that are none of ours.
func (e events) NotifyAlive(n *memberlist.Node) error {
	_, err := memberOf(n)
	return err
}

// logger passes memberlist's lines on: "[WARN] memberlist: text".
func logger(to *slog.Logger) *log.Logger { return log.New(lines{to}, "", 0) }

type lines struct{ to *slog.Logger }

func (l lines) Write(p []byte) (int, error) {
	text := bytes.TrimSpace(p)
	level := slog.LevelInfo
	for prefix, of := range map[string]slog.Level{
		"[DEBUG]": slog.LevelDebug, "[INFO]": slog.LevelInfo, "[WARN]": slog.LevelWarn,
		// A peer that cannot be reached is an error to memberlist, and daily
		// bread here.
		"[ERR]": slog.LevelWarn, "[ERROR]": slog.LevelWarn,
	} {
		if rest, ok := bytes.CutPrefix(text, []byte(prefix)); ok {
			text, level = bytes.TrimSpace(rest), of
		}
	}
	l.to.Log(context.Background(), level, string(bytes.TrimPrefix(text, []byte("memberlist: "))), "from", "memberlist")
	return len(p), nil
}
