package kinesis

import (
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

// decreaseStreamRetentionPeriod is the API action DecreaseStreamRetentionPeriod:
// not below 24 hours. What is older then expires at once.
func (s *Server) decreaseStreamRetentionPeriod(rq *request) error {
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
	case hours > have:
		return httpapi.Refuse("InvalidArgumentException", "Requested retention period (%d hours) for stream %s can not be longer than "+
			"existing retention period (%d hours). Use IncreaseRetentionPeriod API.", hours, st.name, have)
	}
	st.retain(hours, rq.now)
	return nil
}
