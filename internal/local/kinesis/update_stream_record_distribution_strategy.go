package kinesis

import "github.com/kload/kload/internal/local/httpapi"

const (
	distributeAuto = "AUTO"
	distributeKey  = "USER_PARTITION_KEY"
)

// updateStreamRecordDistributionStrategy is the API action
// UpdateStreamRecordDistributionStrategy.
//
//   - AUTO is for on-demand streams only and takes effect at once: records go to
//     the open shards in turn, their keys are optional and ignored, and a record
//     without a key is read without one. SequenceNumberForOrdering is refused.
func (s *Server) updateStreamRecordDistributionStrategy(rq *request) error {
	var t target
	var strategy string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		var ok bool
		if strategy, ok = m.String("RecordDistributionStrategy"); ok {
			v.Enum("recordDistributionStrategy", strategy, distributeAuto, distributeKey)
		} else {
			v.Missing("recordDistributionStrategy")
		}
		t.readARN(m, v)
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := t.resolveLocked(s, rq.now)
	if err != nil {
		return err
	}
	if err := distributable(st.settings.Load().mode, strategy, st.name, st.account); err != nil {
		return err
	}
	st.set(func(set *settings) { set.auto = strategy == distributeAuto })
	return nil
}

func distributable(mode, strategy, name, account string) error {
	if strategy == distributeAuto && mode != onDemand {
		return httpapi.Refuse("InvalidArgumentException",
			"The record distribution strategy AUTO of stream %s under account %s is only supported in on-demand mode.", name, account)
	}
	return nil
}
