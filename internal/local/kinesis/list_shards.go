package kinesis

import (
	"github.com/kload/kload/internal/local/httpapi"
)

const (
	maxListed       = 10000 // the constraint on Limit and MaxResults
	maxShardsListed = 1000  // what is served at most
)

// listRequest is the input of ListShards.
type listRequest struct {
	target    target
	after     string
	hasAfter  bool
	token     string
	hasToken  bool
	limit     int64
	limited   bool
	filter    string // type of ShardFilter, "" for none
	filterID  string
	hasFilter bool
}

// listShards is the API action ListShards.
//
//   - At most 1,000 shards per answer; NextToken is valid for 300 s and takes the
//     place of the stream's name.
//   - ShardFilter: since no shard is ever closed, every type but AFTER_SHARD_ID
//     lists all shards.
//   - No shards are listed while the stream is CREATING.
//   - The rate of 1,000 calls per second and stream is not enforced.
func (s *Server) listShards(rq *request) error {
	in, err := rq.readShardsRequest()
	if err != nil {
		return err
	}
	st, err := in.stream(s, rq)
	if err != nil {
		return err
	}
	shards := shardsAfter(s.visible(st, rq.now), in.after)
	list, more := page(shards, int(min(in.limit, maxShardsListed)))
	answer := map[string]any{"Shards": list}
	if more {
		answer["NextToken"] = s.sealToken(pageToken{
			Action: "ListShards", Stream: st.name, Created: st.created.UnixNano(),
			After: shards[len(list)-1].id, Limit: in.limit, Issued: rq.now.UnixMilli(),
		})
	}
	return rq.reply(answer)
}

func (rq *request) readShardsRequest() (in listRequest, err error) {
	m, err := rq.members()
	if err != nil {
		return in, err
	}
	var v httpapi.Violations
	in.target.read(m)
	in.after, in.hasAfter = m.String("ExclusiveStartShardId")
	in.token, in.hasToken = m.String("NextToken")
	in.limit, in.limited = m.Int("MaxResults")
	filter, filtered := m.Object("ShardFilter")
	if filtered {
		in.filter, _ = filter.String("Type")
		in.filterID, in.hasFilter = filter.String("ShardId")
	}
	if err := m.Err(); err != nil {
		return in, err
	}
	if in.hasAfter {
		checkName(&v, "exclusiveStartShardId", in.after)
	}
	if in.limited {
		v.Range("maxResults", in.limit, 1, maxListed)
	}
	if in.hasToken {
		v.Length("nextToken", in.token, len(in.token), 1, 1<<20)
	}
	if filtered {
		v.Enum("shardFilter.type", in.filter, "AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON",
			"AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP")
	}
	in.target.checkGiven(&v)
	return in, v.Err()
}

// stream returns the stream to list and completes the request from its token.
func (in *listRequest) stream(s *Server, rq *request) (*stream, error) {
	if !in.limited {
		in.limit = maxShardsListed
	}
	named := in.target.hasName || in.target.hasARN
	switch {
	case named && in.hasToken:
		return nil, httpapi.Refuse("InvalidArgumentException", "NextToken and StreamName cannot be provided together.")
	case !named && !in.hasToken:
		return nil, httpapi.Refuse("InvalidArgumentException", "Either NextToken or StreamName should be provided.")
	case in.filter == "AFTER_SHARD_ID" && !in.hasFilter:
		return nil, httpapi.Refuse("InvalidArgumentException", "ShardId must be provided for ShardFilter type AFTER_SHARD_ID.")
	case in.filter == "AFTER_SHARD_ID":
		in.after = max(in.after, in.filterID)
	}
	if named {
		return in.target.resolve(s, rq.now)
	}
	t, err := s.openToken("ListShards", in.token, rq.now)
	if err != nil {
		return nil, err
	}
	st, err := s.lookup(t.Stream, s.cfg.Account, rq.now)
	if err == nil && st.created.UnixNano() != t.Created {
		return nil, httpapi.Refuse("InvalidArgumentException", "Invalid NextToken.")
	}
	in.after = t.After
	if !in.limited {
		in.limit = t.Limit
	}
	return st, err
}
