package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"baraza/internal/mariadb"
)

// The yardstick must be right too: a cut holds rows back, healing brings them,
// and a target that differs is noticed.
func TestReplicaPairIsCutAndHealed(t *testing.T) {
	if err := mariadb.Installed(); err != nil {
		t.Skip(err)
	}
	ctx := t.Context()
	l, err := newLab(&Options{Dir: t.TempDir()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	}()
	p, err := l.replicaPair(ctx, 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := arrived(ctx, p); err != nil {
		t.Fatal(err)
	}
	rows := func(s *server) (n int) {
		if err := s.db.QueryRow("SELECT COUNT(*) FROM obs").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := p.cut(ctx); err != nil {
		t.Fatal(err)
	}
	n, err := missed(ctx, p, 40)
	if err != nil {
		t.Fatal(err)
	}
	if err := awaitMark(ctx, p.target(), n, time.Millisecond, 300*time.Millisecond, p.alive); !errors.Is(err, context.DeadlineExceeded) || rows(p.target()) != 0 {
		t.Errorf("the cut lets rows pass: %v, %d rows", err, rows(p.target()))
	}
	if err := equal(ctx, p.source(), p.target()); !errors.Is(err, errDiffer) {
		t.Errorf("40 rows against none: %v", err)
	}
	if _, _, err := l.cutAndHeal(ctx, p, job{rows: 20, perTx: 1, conns: 2, seed: 2}, ""); err != nil {
		t.Error(err)
	}
	if got := rows(p.target()); got != 60 {
		t.Errorf("%d rows at the target, want 60", got)
	}
	if _, err := p.target().db.Exec("UPDATE obs SET value_text = 'other' LIMIT 1"); err != nil {
		t.Fatal(err)
	}
	if err := equal(ctx, p.source(), p.target()); !errors.Is(err, errDiffer) {
		t.Errorf("a row that differs: %v", err)
	}
}

func missed(ctx context.Context, p pair, rows int) (int64, error) {
	if _, err := write(ctx, p.source().db, job{rows: rows, perTx: 1, conns: 2, seed: 1}); err != nil {
		return 0, err
	}
	return sendMark(ctx, p.source())
}
