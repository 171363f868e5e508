package kinesis

import (
	"slices"

	"github.com/kload/kload/internal/local/httpapi"
)

// enableEnhancedMonitoring is the API action EnableEnhancedMonitoring: the answer
// has the metrics before and after. ALL stands for all seven. It is a state
// only: there is no CloudWatch to send them to.
func (s *Server) enableEnhancedMonitoring(rq *request) error {
	return s.monitor(rq, func(have, named []string) []string { return append(have, named...) })
}

// monitor answers both operations on shard-level metrics.
func (s *Server) monitor(rq *request, change func(have, named []string) []string) error {
	var t target
	var named []string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		t.read(m)
		named = readMetrics(m, v)
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
	before := st.metrics
	after := change(slices.Clone(before), named)
	slices.Sort(after)
	st.metrics = slices.Compact(after)
	return rq.reply(map[string]any{
		"StreamName": st.name, "StreamARN": st.arn,
		"CurrentShardLevelMetrics": orEmpty(before), "DesiredShardLevelMetrics": orEmpty(st.metrics),
	})
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func allMetrics() []string {
	return []string{
		"IncomingBytes", "IncomingRecords", "IteratorAgeMilliseconds", "OutgoingBytes", "OutgoingRecords",
		"ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded",
	}
}

// readMetrics reads the metrics named, ALL spelled out.
func readMetrics(m httpapi.Members, v *httpapi.Violations) []string {
	const path = "shardLevelMetrics"
	named, ok := m.List("ShardLevelMetrics")
	if !ok {
		v.Missing(path)
		return nil
	}
	all := allMetrics()
	if len(named) < 1 || len(named) > len(all) {
		v.Length(path, "["+joined(named)+"]", len(named), 1, len(all))
	}
	everything := false
	for _, name := range named {
		everything = everything || name == "ALL"
		if name != "ALL" && !slices.Contains(all, name) {
			v.Add(path, "["+joined(named)+"]", "Member must satisfy constraint: [Member must satisfy enum value set: ["+joined(append(all, "ALL"))+"]]")
			break
		}
	}
	if everything {
		return all
	}
	return named
}
