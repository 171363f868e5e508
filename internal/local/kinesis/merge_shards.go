package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// mergeShards is the API action MergeShards.
//
//   - The shards must be open and their ranges adjacent, in either order. The
//     child's parent is ShardToMerge, its adjacent parent the other one.
//   - As with SplitShard the change is immediate, the stream UPDATING for
//     Config.StateDelay, and on-demand streams are refused.
func (s *Server) mergeShards(rq *request) error {
	in, err := rq.readReshardRequest("ShardToMerge", "AdjacentShardToMerge")
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := rq.changeable(&in.target)
	if err != nil {
		return err
	}
	r := st.reshard(rq.now)
	i, err := r.place(in.first)
	if err != nil {
		return err
	}
	k, err := r.place(in.second)
	if err != nil {
		return err
	}
	first, second := r.open[i], r.open[k]
	if i-k != 1 && k-i != 1 {
		return httpapi.Refuse("InvalidArgumentException",
			"Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
			first.id, second.id, st.name, st.account)
	}
	r.merge(min(i, k), first)
	r.commit()
	st.update(s.cfg.StateDelay, rq.now)
	return nil
}
