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
	d["OpenShardCount"] = st.openCount(rq.now)
	d["ConsumerCount"] = s.consumerCount(st, rq.now)
	set := st.settings.Load()
	d["MaxRecordSizeInKiB"] = set.maxRecord >> 10
	d["ChannelCount"] = 0
	if set.mode == onDemand {
		d["RecordDistributionStrategy"] = distributeKey
		if set.auto {
			d["RecordDistributionStrategy"] = distributeAuto
		}
	}
	if set.warm != 0 {
		d["WarmThroughput"] = map[string]any{"CurrentMiBps": set.warm, "TargetMiBps": set.warm}
	}
	return rq.reply(map[string]any{"StreamDescriptionSummary": d})
}

// describe returns what all descriptions of a stream share.
func (s *Server) describe(st *stream, now time.Time) map[string]any {
	s.mu.RLock()
	defer s.mu.RUnlock()
	set := st.settings.Load()
	d := map[string]any{
		"StreamName":              st.name,
		"StreamARN":               st.arn,
		"StreamStatus":            st.status(now),
		"StreamModeDetails":       map[string]any{"StreamMode": set.mode},
		"StreamCreationTimestamp": st.created.Unix(),
		"RetentionPeriodHours":    int(set.retention / time.Hour),
		"EnhancedMonitoring":      []any{map[string]any{"ShardLevelMetrics": orEmpty(st.metrics)}},
		"EncryptionType":          notEncrypted,
	}
	if set.keyID != "" {
		d["EncryptionType"], d["KeyId"] = encryptedKMS, set.keyID
	}
	return d
}

func (s *Server) consumerCount(st *stream, now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.forget(now)
	return len(st.consumers)
}

// openCount is 0 while the stream is CREATING.
func (st *stream) openCount(now time.Time) int {
	if now.Before(st.active) {
		return 0
	}
	return len(st.layout.Load().open)
}

// visible returns the shards that descriptions list: none while CREATING, and
// closed ones until the retention period has passed.
func (st *stream) visible(now time.Time) (list []*shardLog) {
	if now.Before(st.active) {
		return nil
	}
	horizon := st.horizon(now)
	for _, sh := range st.layout.Load().shards {
		if sh.endsAfter(horizon) {
			list = append(list, sh)
		}
	}
	return list
}
