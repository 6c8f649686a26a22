package doctor

import (
	"context"
	"database/sql"
	"errors"

	"github.com/go-sql-driver/mysql"
)

// noSuch are the server's errors that mean that the schema baraza is not there,
// or not for this user.
var noSuch = map[uint16]bool{errDatabaseDenied: true, errUnknownDatabase: true, 1142: true, 1146: true}

// site looks whose database this is, and whether a process works on it.
func (p *patient) site(ctx context.Context) error {
	var id string
	var boot, user sql.NullInt64
	err := p.db.QueryRowContext(ctx, `SELECT s.id, a.boot, IS_USED_LOCK('baraza') FROM baraza.site s
		LEFT JOIN baraza.applied a ON a.db = s.db`).Scan(&id, &boot, &user)
	var refused *mysql.MySQLError
	switch {
	case errors.Is(err, sql.ErrNoRows), errors.As(err, &refused) && noSuch[refused.Number]:
		return nil // no site uses it
	case err != nil:
		return err
	case user.Valid:
		p.report.ok("site", "the database is that of site %s, which runs: start %d", id, boot.Int64)
	default:
		p.report.ok("site", "the database is that of site %s, which does not run; its last start was %d. If its data directory is lost, `baraza join` takes the database into the network again", id, boot.Int64)
	}
	return nil
}
