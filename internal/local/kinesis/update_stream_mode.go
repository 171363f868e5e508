package kinesis

import "github.com/kload/kload/internal/local/httpapi"

const maxModeSwitches = 2 // in a rolling day

// updateStreamMode is the API action UpdateStreamMode.
//
//   - The stream keeps its shards and is UPDATING for Config.StateDelay. On-demand
//     streams are a state only: nothing scales them.
//   - 2 switches in a rolling 24 hours. Naming the mode the stream has is none.
//   - A provisioned stream has no distribution strategy and no warm throughput:
//     leaving on-demand takes them away.
func (s *Server) updateStreamMode(rq *request) error {
	var t target
	var mode string
	var warm int64
	var warmed bool
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		if details, ok := m.Object("StreamModeDetails"); ok {
			mode, _ = details.String("StreamMode")
			v.Enum("streamModeDetails.streamMode", mode, provisioned, onDemand)
		} else {
			v.Missing("streamModeDetails")
		}
		if warm, warmed = m.Int("WarmThroughputMiBps"); warmed {
			v.Range("warmThroughputMiBps", warm, 0, maxWarmMiBps)
		}
		t.readARN(m, v)
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := rq.activeStream(&t)
	if err != nil {
		return err
	}
	if warmed {
		if err := s.warmable(mode, st, rq.now); err != nil {
			return err
		}
	}
	if st.settings.Load().mode != mode {
		if !st.switches.below(maxModeSwitches, rq.now) {
			return httpapi.Refuse("LimitExceededException",
				"Stream %s under account %s has switched its mode %d times in the last 24 hours, the limit of UpdateStreamMode.",
				st.name, st.account, maxModeSwitches)
		}
		st.switches.add(rq.now)
	}
	st.set(func(set *settings) {
		set.mode = mode
		if mode == provisioned {
			set.auto, set.warm = false, 0
		} else if warmed {
			set.warm = warm
		}
	})
	st.update(s.cfg.StateDelay, rq.now)
	return nil
}
