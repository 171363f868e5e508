package kinesis

import (
	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
)

// splitShard is the API action SplitShard.
//
//   - The two children get the next free indexes, the one with the low hash keys
//     first. NewStartingHashKey must leave each of them a range: above the
//     parent's start plus one, below its end.
//   - The children take records at once, and the parent ends at that moment,
//     while the stream is UPDATING for Config.StateDelay: no further change is
//     taken then.
//   - Provisioned streams only; Config.ShardQuota counts open shards.
func (s *Server) splitShard(rq *request) error {
	in, err := rq.readReshardRequest("ShardToSplit", "NewStartingHashKey")
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
	parent := r.open[i]
	start, end := parent.hashes.Start, parent.hashes.End
	h, err := shard.ParseHash(in.second)
	if err != nil || h.Compare(start) <= 0 || before(h).Compare(start) <= 0 || h.Compare(end) >= 0 {
		return httpapi.Refuse("InvalidArgumentException",
			"NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s is not both greater than one plus "+
				"the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
			in.second, parent.id, st.name, st.account, shard.FormatHash(start), shard.FormatHash(end))
	}
	if err := s.shardQuota(1); err != nil {
		return err
	}
	r.split(i, h)
	r.commit()
	st.update(s.cfg.StateDelay, rq.now)
	return nil
}

// reshardRequest is the input of SplitShard and MergeShards: a shard, and a hash
// key or another shard.
type reshardRequest struct {
	target        target
	first, second string
}

func (rq *request) readReshardRequest(firstName, secondName string) (in reshardRequest, err error) {
	m, err := rq.members()
	if err != nil {
		return in, err
	}
	in.target.read(m)
	var hasFirst, hasSecond bool
	in.first, hasFirst = m.String(firstName)
	in.second, hasSecond = m.String(secondName)
	if err := m.Err(); err != nil {
		return in, err
	}
	var v httpapi.Violations
	switch {
	case !hasSecond:
		v.Missing(memberPath(secondName))
	case secondName == "NewStartingHashKey":
		v.Pattern("newStartingHashKey", in.second, hashPattern, isDecimal(in.second, 39))
	default:
		checkName(&v, memberPath(secondName), in.second)
	}
	if hasFirst {
		checkName(&v, memberPath(firstName), in.first)
	} else {
		v.Missing(memberPath(firstName))
	}
	in.target.check(&v)
	return in, v.Err()
}
