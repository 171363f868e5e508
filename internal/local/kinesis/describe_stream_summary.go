package kinesis

import "time"

// describeStreamSummary is the API action DescribeStreamSummary.
//
//   - OpenShardCount is 0 until the stream is ACTIVE.
//   - The rate of 20 calls per second is not enforced.
func (s *Server) describeStreamSummary(rq *request) error {
	t, err := rq.readTarget()
	if err != nil {
		return err
	}
	st, err := t.resolve(s, rq.now)
	if err != nil {
		return err
	}
	d := s.describe(st, rq.now)
	d["OpenShardCount"] = len(s.visible(st, rq.now))
	d["ConsumerCount"] = 0
	d["MaxRecordSizeInKiB"] = st.maxRecord >> 10
	if st.mode == onDemand {
		d["RecordDistributionStrategy"] = "USER_PARTITION_KEY"
	}
	return rq.reply(map[string]any{"StreamDescriptionSummary": d})
}

// describe returns what all descriptions of a stream share.
func (s *Server) describe(st *stream, now time.Time) map[string]any {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return map[string]any{
		"StreamName":              st.name,
		"StreamARN":               st.arn,
		"StreamStatus":            st.status(now),
		"StreamModeDetails":       map[string]any{"StreamMode": st.mode},
		"StreamCreationTimestamp": st.created.Unix(),
		"RetentionPeriodHours":    int(retention / time.Hour),
		"EnhancedMonitoring":      []any{map[string]any{"ShardLevelMetrics": []string{}}},
		"EncryptionType":          "NONE",
	}
}

// visible returns the shards that descriptions list: none while CREATING.
func (s *Server) visible(st *stream, now time.Time) []*shardLog {
	if now.Before(st.active) {
		return nil
	}
	return st.shards
}
