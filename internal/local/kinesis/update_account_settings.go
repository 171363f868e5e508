package kinesis

import (
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

// updateAccountSettings is the API action UpdateAccountSettings.
//
//   - MinimumThroughputBillingCommitment binds for at least 24 hours: disabled
//     before, it goes on until then. While it binds, streams may have 50 consumers
//     in place of 20, and on-demand streams warm throughput.
//   - That warm settings must be removed before is not modelled.
func (s *Server) updateAccountSettings(rq *request) error {
	var status string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		const path = "minimumThroughputBillingCommitment"
		if in, ok := m.Object("MinimumThroughputBillingCommitment"); ok {
			status, _ = in.String("Status")
			v.Enum(path+".status", status, "ENABLED", "DISABLED")
		} else {
			v.Missing(path)
		}
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	c := &s.commitment
	binding := c.binding(rq.now)
	switch {
	case status == "ENABLED" && binding:
		c.ended = time.Time{} // it stays after all
	case status == "ENABLED":
		*c = commitment{started: rq.now}
	case binding && c.ended.IsZero():
		c.ended = later(rq.now, c.started.Add(minCommitment))
	}
	rq.lsn = s.logChange(nil)
	return rq.reply(c.describe(rq.now))
}
