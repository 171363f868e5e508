package kinesis

import (
	"slices"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

const (
	maxListed       = 10000 // the constraint on Limit and MaxResults
	maxShardsListed = 1000  // what is served at most
)

// listRequest is the input of ListShards.
type listRequest struct {
	target   target
	after    string
	hasAfter bool
	token    string
	hasToken bool
	limit    int64
	limited  bool
	filter   shardFilter
}

// shardFilter is a ShardFilter. It outlives the request in page tokens.
type shardFilter struct {
	Type  string `json:",omitempty"` // "" for none
	Shard string `json:",omitempty"`
	At    int64  `json:",omitempty"` // ms since 1970
	hasID bool
	hasAt bool
}

// listShards is the API action ListShards.
//
//   - At most 1,000 shards per answer; NextToken is valid for 300 s and takes the
//     place of the stream's name.
//   - All six types of ShardFilter. A shard exists from its opening to just
//     before its closing, so AT_TRIM_HORIZON, AT_TIMESTAMP and AT_LATEST each
//     list every hash key once. Times before the trim horizon are the horizon.
//   - Closed shards vanish when the retention period has passed.
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
	shards := shardsAfter(in.filter.choose(st, rq.now), in.after)
	list, more := page(shards, int(min(in.limit, maxShardsListed)))
	answer := map[string]any{"Shards": list}
	if more {
		answer["NextToken"] = s.sealToken(pageToken{
			Action: "ListShards", Stream: st.name, Created: st.created.UnixNano(),
			After: shards[len(list)-1].id, Filter: in.filter, Limit: in.limit, Issued: rq.now.UnixMilli(),
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
		in.filter.read(filter)
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
		v.Enum("shardFilter.type", in.filter.Type, afterShardID, atTrimHorizon, fromTrimHorizon, atLatest, atTimestamp, fromTimestamp)
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
	}
	if err := in.filter.check(); err != nil {
		return nil, err
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
	in.after, in.filter = t.After, t.Filter
	if !in.limited {
		in.limit = t.Limit
	}
	return st, err
}

// The types of ShardFilter, but for atTimestamp.
const (
	afterShardID    = "AFTER_SHARD_ID"
	atTrimHorizon   = "AT_TRIM_HORIZON"
	fromTrimHorizon = "FROM_TRIM_HORIZON"
	atLatest        = "AT_LATEST"
	fromTimestamp   = "FROM_TIMESTAMP"
)

func (f *shardFilter) read(m httpapi.Members) {
	f.Type, _ = m.String("Type")
	f.Shard, f.hasID = m.String("ShardId")
	var at time.Time
	at, f.hasAt = m.Time("Timestamp")
	f.At = at.UnixMilli()
}

// check refuses a filter without what its type needs.
func (f *shardFilter) check() error {
	switch {
	case f.Type == afterShardID && !f.hasID:
		return httpapi.Refuse("InvalidArgumentException", "ShardId must be provided for ShardFilter type AFTER_SHARD_ID.")
	case (f.Type == atTimestamp || f.Type == fromTimestamp) && !f.hasAt:
		return httpapi.Refuse("InvalidArgumentException", "Timestamp must be provided for ShardFilter type %s.", f.Type)
	}
	return nil
}

// choose returns the visible shards that the filter lets through.
func (f *shardFilter) choose(st *stream, now time.Time) []*shardLog {
	shards := st.visible(now)
	at := st.horizon(now)
	if f.Type == atTimestamp || f.Type == fromTimestamp {
		at = later(at, time.UnixMilli(f.At))
	}
	// The first shards are as old as the stream.
	at = later(at, st.created)
	return slices.DeleteFunc(shards, func(sh *shardLog) bool {
		switch f.Type {
		case afterShardID:
			return sh.id <= f.Shard
		case atLatest:
			return sh.ended.Load() != 0
		case atTrimHorizon, atTimestamp:
			return sh.opened.After(at) || !sh.endsAfter(at)
		case fromTimestamp:
			return !sh.endsAfter(at) && sh.ending().Before(at)
		}
		return false
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
