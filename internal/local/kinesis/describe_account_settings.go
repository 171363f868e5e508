package kinesis

import "time"

// describeAccountSettings is the API action DescribeAccountSettings.
func (s *Server) describeAccountSettings(rq *request) error {
	if _, err := rq.members(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return rq.reply(s.commitment.describe(rq.now))
}

// commitment is the account's MinimumThroughputBillingCommitment. The server's
// lock guards it.
type commitment struct {
	started time.Time // zero if it was never enabled
	ended   time.Time // when it ends or ended; zero while nobody asked for that
}

// minCommitment is how long a commitment binds at least.
const minCommitment = day

func (c *commitment) binding(now time.Time) bool {
	return !c.started.IsZero() && (c.ended.IsZero() || now.Before(c.ended))
}

func (c *commitment) describe(now time.Time) map[string]any {
	d := map[string]any{"Status": "DISABLED"}
	if !c.started.IsZero() {
		d["StartedAt"] = instant(c.started)
	}
	switch {
	case c.binding(now):
		d["Status"] = "ENABLED"
		d["EarliestAllowedEndAt"] = instant(c.started.Add(minCommitment))
		if !c.ended.IsZero() {
			d["Status"] = "ENABLED_UNTIL_EARLIEST_ALLOWED_END"
		}
	case !c.ended.IsZero():
		d["EndedAt"] = instant(c.ended)
	}
	return map[string]any{"MinimumThroughputBillingCommitment": d}
}
