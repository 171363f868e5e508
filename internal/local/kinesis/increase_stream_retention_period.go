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
	return s.changeRetention(rq, func(hours, have int64) bool { return hours >= have }, "shorter", "Decrease")
}

// changeRetention sets the retention period, where it may go that way; the other
// action goes the other way.
func (s *Server) changeRetention(rq *request, may func(hours, have int64) bool, not, other string) error {
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
		return httpapi.Refuse("InvalidArgumentException",
			"Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.", minRetentionHours, hours)
	case !may(hours, have):
		return httpapi.Refuse("InvalidArgumentException", "Requested retention period (%d hours) for stream %s can not be %s than "+
			"existing retention period (%d hours). Use %sRetentionPeriod API.", hours, st.name, not, have, other)
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

// retain changes the retention period. The server's lock is held.
func (st *stream) retain(hours int64, now time.Time) {
	horizon := st.horizon(now)
	st.set(func(set *settings) {
		set.retention = time.Duration(hours) * time.Hour
		set.floor = horizon
	})
	st.update(st.server.cfg.StateDelay, now)
}
