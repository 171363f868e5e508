package kinesis

import (
	"time"

	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
)

const maxDescribed = 100

// describeStream is the API action DescribeStream.
//
//   - At most 100 shards per answer, in order of their ids; Limit lowers the
//     number, ExclusiveStartShardId continues.
//   - Closed shards are listed, with their ending sequence numbers, until the
//     retention period has passed since they were closed.
//   - No shards are listed while the stream is CREATING.
//   - The rate of 10 calls per second is not enforced.
func (s *Server) describeStream(rq *request) error {
	m, err := rq.members()
	if err != nil {
		return err
	}
	var t target
	var v httpapi.Violations
	t.read(m)
	limit, limited := m.Int("Limit")
	after, resumed := m.String("ExclusiveStartShardId")
	if err := m.Err(); err != nil {
		return err
	}
	if limited {
		v.Range("limit", limit, 1, maxListed)
	} else {
		limit = maxDescribed
	}
	if resumed {
		checkName(&v, "exclusiveStartShardId", after)
	}
	t.check(&v)
	if err := v.Err(); err != nil {
		return err
	}
	st, err := t.resolve(s, rq.now)
	if err != nil {
		return err
	}
	shards, more := page(shardsAfter(st.visible(rq.now), after), int(min(limit, maxDescribed)))
	d := s.describe(st, rq.now)
	d["Shards"] = shards
	d["HasMoreShards"] = more
	return rq.reply(map[string]any{"StreamDescription": d})
}

// page cuts a list of shards to a limit and makes it JSON.
func page(shards []*shardLog, limit int) (list []any, more bool) {
	list = []any{}
	for i, sh := range shards {
		if i == limit {
			return list, true
		}
		list = append(list, sh.describe())
	}
	return list, false
}

// describe returns the shard as listings have it.
func (sh *shardLog) describe() map[string]any {
	numbers := map[string]string{"StartingSequenceNumber": sh.firstNumber()}
	if sh.ended.Load() != 0 {
		numbers["EndingSequenceNumber"] = sh.lastNumber()
	}
	d := map[string]any{
		"ShardId": sh.id,
		"HashKeyRange": map[string]string{
			"StartingHashKey": shard.FormatHash(sh.hashes.Start),
			"EndingHashKey":   shard.FormatHash(sh.hashes.End),
		},
		"SequenceNumberRange": numbers,
	}
	for i, p := range sh.parents {
		d[[]string{"ParentShardId", "AdjacentParentShardId"}[i]] = p.id
	}
	return d
}

// shardsAfter returns the shards whose id is above the given one; all for "".
func shardsAfter(shards []*shardLog, id string) []*shardLog {
	for i, sh := range shards {
		if sh.id > id {
			return shards[i:]
		}
	}
	return nil
}

// tokenTTL is how long a page token may be used.
const tokenTTL = 300 * time.Second
