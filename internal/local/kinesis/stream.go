package kinesis

import (
	"fmt"
	"sort"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
)

// stream is immutable but for its deletion time, which the server's lock guards.
type stream struct {
	name      string
	account   string
	arn       string
	mode      string // PROVISIONED or ON_DEMAND
	maxRecord int    // data and key, bytes
	shards    []*shardLog
	created   time.Time
	active    time.Time // when CREATING ends
	deleted   time.Time // when DELETING ends; zero while nobody deleted it
}

func (s *Server) newStream(name, mode string, shards, maxRecord int, now time.Time) *stream {
	st := &stream{
		name: name, account: s.cfg.Account, mode: mode, maxRecord: maxRecord,
		arn:     fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", s.cfg.Region, s.cfg.Account, name),
		created: now, active: now.Add(s.cfg.StateDelay),
	}
	for i, r := range shard.Split(shards) {
		st.shards = append(st.shards, newShardLog(s, st, i, r))
	}
	return st
}

func (st *stream) status(now time.Time) string {
	switch {
	case !st.deleted.IsZero():
		return "DELETING"
	case now.Before(st.active):
		return "CREATING"
	}
	return "ACTIVE"
}

// locate returns the index of the shard that owns a hash key. Ranges are in
// order and cover the whole space.
func (st *stream) locate(h kload.HashKey) int {
	return sort.Search(len(st.shards), func(i int) bool { return st.shards[i].hashes.End.Compare(h) >= 0 })
}

// find returns the stream unless its deletion is complete.
func (s *Server) find(name string, now time.Time) (*stream, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st, ok := s.streams[name]
	return st, ok && !st.gone(now)
}

// lookup is find with the service's complaint.
func (s *Server) lookup(name, account string, now time.Time) (*stream, error) {
	if st, ok := s.find(name, now); ok && account == s.cfg.Account {
		return st, nil
	}
	return nil, noStream(name, account)
}

// writable reports whether puts are taken: a stream being created or deleted is
// as good as missing to them.
func (s *Server) writable(st *stream, now time.Time) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if st.status(now) != "ACTIVE" {
		return noStream(st.name, s.cfg.Account)
	}
	return nil
}

func (st *stream) gone(now time.Time) bool {
	return !st.deleted.IsZero() && !now.Before(st.deleted)
}

// expunge forgets streams whose deletion is complete. s.mu is held.
func (s *Server) expunge(now time.Time) {
	for name, st := range s.streams {
		if st.gone(now) {
			delete(s.streams, name)
			for _, sh := range st.shards {
				sh.close()
			}
			s.arena.drop(func(sl *slab) bool { return sl.owner.stream == st })
		}
	}
}

func noStream(name, account string) error {
	return httpapi.Refuse("ResourceNotFoundException", "Stream %s under account %s not found.", name, account)
}

func noShard(id, stream, account string) error {
	return httpapi.Refuse("ResourceNotFoundException", "Shard %s in stream %s under account %s does not exist",
		id, stream, account)
}
