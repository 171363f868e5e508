package kinesis

import (
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

const (
	minRetentionHours = 24
	maxRetentionHours = 8760
)

// increaseStreamRetentionPeriod is the API action IncreaseStreamRetentionPeriod.
//
//   - 24 to 8760 hours, at once; the stream is UPDATING for Config.StateDelay.
//   - What has expired is not revived. What is kept longer still has to fit into
//     Config.StoreBytes.
func (s *Server) increaseStreamRetentionPeriod(rq *request) error {
	t, hours, err := rq.readRetention()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := rq.activeStream(&t)
	if err != nil {
		return err
	}
	have := int64(st.settings.Load().retention / time.Hour)
	switch {
	case hours < minRetentionHours:
		return tooShort(hours)
	case hours < have:
		return httpapi.Refuse("InvalidArgumentException", "Requested retention period (%d hours) for stream %s can not be shorter than "+
			"existing retention period (%d hours). Use DecreaseRetentionPeriod API.", hours, st.name, have)
	}
	st.retain(hours, rq.now)
	return nil
}

func (rq *request) readRetention() (t target, hours int64, err error) {
	err = rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		t.read(m)
		hours = required(m, v, "RetentionPeriodHours", 1, maxRetentionHours)
		t.check(v)
	})
	return t, hours, err
}

func tooShort(hours int64) error {
	return httpapi.Refuse("InvalidArgumentException",
		"Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.", minRetentionHours, hours)
}

// retain changes the retention period. The server's lock is held.
func (st *stream) retain(hours int64, now time.Time) {
	horizon := st.horizon(now)
	st.set(func(set *settings) {
		set.retention = time.Duration(hours) * time.Hour
		set.floor = horizon
	})
	st.update(st.server.cfg.StateDelay, now)
}
