package kinesis

import (
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

const maxWarmMiBps = 10 << 10

// updateStreamWarmThroughput is the API action UpdateStreamWarmThroughput.
//
//   - On-demand streams of accounts with MinimumThroughputBillingCommitment only;
//     at most 10 GiB per second. The stream is UPDATING for Config.StateDelay.
//   - The value is a state only: shards keep their number and their budgets.
func (s *Server) updateStreamWarmThroughput(rq *request) error {
	var t target
	var warm int64
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		t.read(m)
		warm = required(m, v, "WarmThroughputMiBps", 0, maxWarmMiBps)
		t.check(v)
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := rq.activeStream(&t)
	if err != nil {
		return err
	}
	set := st.settings.Load()
	if err := s.warmable(set.mode, st, rq.now); err != nil {
		return err
	}
	st.set(func(set *settings) { set.warm = warm })
	st.update(s.cfg.StateDelay, rq.now)
	return rq.reply(map[string]any{
		"StreamName": st.name, "StreamARN": st.arn,
		"WarmThroughput": map[string]any{"CurrentMiBps": set.warm, "TargetMiBps": warm},
	})
}

// warmable refuses warm throughput where it can not be had. s.mu is held.
func (s *Server) warmable(mode string, st *stream, now time.Time) error {
	if mode == onDemand && s.commitment.binding(now) {
		return nil
	}
	return httpapi.Refuse("InvalidArgumentException", "Warm throughput of stream %s under account %s can only be set in on-demand mode "+
		"with MinimumThroughputBillingCommitment enabled.", st.name, st.account)
}
