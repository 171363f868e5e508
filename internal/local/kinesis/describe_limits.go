package kinesis

const maxOnDemandStreams = 50

// describeLimits is the API action DescribeLimits. The number of on-demand
// streams is stated and not enforced; there are no channels.
func (s *Server) describeLimits(rq *request) error {
	if _, err := rq.members(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expunge(rq.now)
	count := 0
	for _, st := range s.streams {
		if st.settings.Load().mode == onDemand {
			count++
		}
	}
	return rq.reply(map[string]any{
		"ShardLimit": s.cfg.ShardQuota, "OpenShardCount": s.openShards(),
		"OnDemandStreamCount": count, "OnDemandStreamCountLimit": maxOnDemandStreams,
		"ChannelCount": 0, "ChannelCountLimit": 0,
	})
}
