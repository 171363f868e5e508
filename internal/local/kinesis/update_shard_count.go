package kinesis

import (
	"strconv"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
)

const (
	maxStreamShards  = 10000
	maxShardUpdates  = 10 // in a rolling day
	day              = 24 * time.Hour
	uniformScaling   = "UNIFORM_SCALING"
	maxTargetedCount = 100000 // the constraint on TargetShardCount
)

// updateShardCount is the API action UpdateShardCount.
//
//   - The open shards become as many equal ranges as CreateStream would make. As
//     in the service this is done by splits and merges of two, so short-lived
//     shards may stand between the old ones and the new; they are listed, hold
//     no records and are counted by nobody.
//   - At most double and at least half the open shards, 10,000 per stream, 10
//     successful calls in a rolling 24 hours.
//   - As with SplitShard the change is immediate, the stream UPDATING for
//     Config.StateDelay, and on-demand streams are refused.
func (s *Server) updateShardCount(rq *request) error {
	t, target, err := rq.readCountRequest()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := rq.changeable(&t)
	if err != nil {
		return err
	}
	current := len(st.layout.Load().open)
	if err := s.scalable(st, current, int(target), rq.now); err != nil {
		return err
	}
	st.scale(int(target), rq.now)
	st.scalings.add(rq.now)
	st.update(s.cfg.StateDelay, rq.now)
	return rq.reply(map[string]any{
		"StreamName": st.name, "StreamARN": st.arn, "CurrentShardCount": current, "TargetShardCount": target,
	})
}

func (rq *request) readCountRequest() (t target, count int64, err error) {
	m, err := rq.members()
	if err != nil {
		return t, 0, err
	}
	t.read(m)
	count, counted := m.Int("TargetShardCount")
	scaling, scaled := m.String("ScalingType")
	if err := m.Err(); err != nil {
		return t, 0, err
	}
	var v httpapi.Violations
	if scaled {
		v.Enum("scalingType", scaling, uniformScaling)
	} else {
		v.Missing("scalingType")
	}
	if counted {
		v.Range("targetShardCount", count, 1, maxTargetedCount)
	} else {
		v.Missing("targetShardCount")
	}
	t.check(&v)
	return t, count, v.Err()
}

// scalable refuses what the service's default limits do. s.mu is held.
func (s *Server) scalable(st *stream, current, target int, now time.Time) error {
	counts := ". Current open shard count: " + strconv.Itoa(current) + " Target shard count: " + strconv.Itoa(target)
	switch {
	case target > maxStreamShards:
		return httpapi.Refuse("LimitExceededException", "UpdateShardCount cannot scale up over %d shards%s", maxStreamShards, counts)
	case target > 2*current:
		return httpapi.Refuse("LimitExceededException",
			"UpdateShardCount cannot scale up over double your current open shard count%s", counts)
	case 2*target < current:
		return httpapi.Refuse("LimitExceededException",
			"UpdateShardCount cannot scale down below half your current open shard count%s", counts)
	case !st.scalings.below(maxShardUpdates, now):
		return httpapi.Refuse("LimitExceededException",
			"Stream %s under account %s has been scaled %d times in the last 24 hours, the limit of UpdateShardCount.",
			st.name, st.account, maxShardUpdates)
	}
	return s.shardQuota(target - current)
}

// scale cuts the open shards at every border of the wished ranges and then joins
// what lies within one of them.
func (st *stream) scale(target int, now time.Time) {
	r := st.reshard(now)
	want := shard.Split(target)
	for i, k := 0, 0; k < len(want); k++ {
		for r.open[i].hashes.End.Compare(want[k].Start) < 0 {
			i++
		}
		if r.open[i].hashes.Start != want[k].Start {
			r.split(i, want[k].Start)
			i++
		}
	}
	for i, w := range want {
		for r.open[i].hashes.End != w.End {
			r.merge(i, r.open[i])
		}
	}
	if len(r.closed) > 0 {
		r.commit()
	}
}

// rolling remembers when something was done, to limit it in a rolling day.
type rolling struct{ times []time.Time }

func (r *rolling) add(now time.Time) { r.times = append(r.times, now) }

func (r *rolling) below(limit int, now time.Time) bool {
	for len(r.times) > 0 && now.Sub(r.times[0]) >= day {
		r.times = r.times[1:]
	}
	return len(r.times) < limit
}
