package admintest

import "time"

var exampleTime = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
