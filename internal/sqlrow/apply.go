package sqlrow

import (
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// OpenApply returns a handle for the transactions of the merge: as Open with
// apply, with several statements in one round trip, and waiting no longer than
// lockWait, in whole seconds, for a row that an application holds.
func OpenApply(dsn string, lockWait time.Duration) (*sql.DB, error) {
	cfg, err := config(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MultiStatements = true
	cfg.Params["@baraza_apply"] = "1"
	cfg.Params["innodb_lock_wait_timeout"] = strconv.Itoa(max(1, int(lockWait/time.Second)))
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("the DSN: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}
