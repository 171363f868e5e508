package kinesis

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
)

// The states of a stream.
const (
	creating = "CREATING"
	active   = "ACTIVE"
	updating = "UPDATING"
	deleting = "DELETING"
)

// stream is one incarnation of a name. What is not immutable or atomic the
// server's lock guards.
type stream struct {
	resource
	server  *Server
	number  uint64 // in the log
	name    string
	account string
	arn     string
	created time.Time

	layout   atomic.Pointer[layout]
	settings atomic.Pointer[settings]
	turn     atomic.Uint64 // of shards, where the service distributes records

	active      time.Time // when CREATING ends
	updated     time.Time // when UPDATING ends
	deleted     time.Time // when DELETING ends; zero while nobody deleted it
	scalings    rolling   // by UpdateShardCount
	switches    rolling   // by UpdateStreamMode
	encryptions rolling
	decryptions rolling
	metrics     []string             // at shard level
	consumers   map[string]*consumer // by name
	epochs      map[string]int64     // by consumer name: the last one in an ARN
}

// settings are what can be set of a stream, but for its shards. They are
// immutable: a change puts a copy in their place, under the server's lock.
type settings struct {
	mode      string // PROVISIONED or ON_DEMAND
	maxRecord int    // data and key, bytes
	retention time.Duration
	floor     time.Time // what is older had expired before retention changed
	auto      bool      // records are distributed by the service, not by key
	keyID     string    // of encryption, "" for none
	warm      int64     // MiB per second, 0 where not set
}

func (s *Server) newStream(in createRequest, now time.Time) *stream {
	s.numbers++
	st := s.emptyStream(in.name, s.numbers, now)
	st.active, st.tags = now.Add(s.cfg.StateDelay), in.tags
	st.settings.Store(&settings{
		mode: in.mode, maxRecord: int(in.recordKiB) << 10, retention: defaultRetention,
		auto: in.strategy == distributeAuto, warm: in.warm,
	})
	l := &layout{}
	for i, r := range shard.Split(int(in.shards)) {
		l.shards = append(l.shards, newShardLog(st, i, r, now.Unix(), now))
	}
	l.open = l.shards
	st.layout.Store(l)
	st.touch()
	return st
}

// emptyStream returns a stream without shards and settings.
func (s *Server) emptyStream(name string, number uint64, created time.Time) *stream {
	st := &stream{
		server: s, number: number, name: name, account: s.cfg.Account,
		arn:     fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", s.cfg.Region, s.cfg.Account, name),
		created: created, consumers: map[string]*consumer{}, epochs: map[string]int64{},
	}
	st.owner = st
	return st
}

// set changes settings. The server's lock is held.
func (st *stream) set(change func(*settings)) {
	next := *st.settings.Load()
	change(&next)
	st.settings.Store(&next)
	st.touch()
}

// update makes the stream UPDATING for a while. The server's lock is held.
func (st *stream) update(d time.Duration, now time.Time) { st.updated = now.Add(d) }

// status returns the stream's state. The server's lock is held.
func (st *stream) status(now time.Time) string {
	switch {
	case !st.deleted.IsZero():
		return deleting
	case now.Before(st.active):
		return creating
	case now.Before(st.updated):
		return updating
	}
	return active
}

// horizon returns the time before which records have expired.
func (st *stream) horizon(now time.Time) time.Time {
	set := st.settings.Load()
	if t := now.Add(-set.retention); t.After(set.floor) {
		return t
	}
	return set.floor
}

// find returns the stream unless its deletion is complete. s.mu is held.
func (s *Server) find(name string, now time.Time) (*stream, bool) {
	st, ok := s.streams[name]
	return st, ok && !st.gone(now)
}

// lookup is find with the service's complaint.
func (s *Server) lookup(name, account string, now time.Time) (*stream, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.lookupLocked(name, account, now)
}

func (s *Server) lookupLocked(name, account string, now time.Time) (*stream, error) {
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
	if status := st.status(now); status != active && status != updating {
		return noStream(st.name, s.cfg.Account)
	}
	return nil
}

// changeable returns the stream of a request that changes its shards: it must be
// ACTIVE and provisioned. s.mu is held.
func (rq *request) changeable(t *target) (*stream, error) {
	st, err := rq.activeStream(t)
	if err != nil {
		return nil, err
	}
	if mode := st.settings.Load().mode; mode != provisioned {
		return nil, httpapi.Refuse("ValidationException",
			"Stream %s under account %s is in %s mode: its shards can not be split, merged or counted by the caller.",
			st.name, st.account, mode)
	}
	return st, nil
}

// activeStream returns the stream of a request that changes it, which is refused
// while another change is under way. s.mu is held.
func (rq *request) activeStream(t *target) (*stream, error) {
	st, err := t.resolveLocked(rq.server, rq.now)
	if err != nil {
		return nil, err
	}
	if status := st.status(rq.now); status != active {
		return nil, httpapi.Refuse("ResourceInUseException", "Stream %s under account %s not ACTIVE, instead in state %s",
			st.name, st.account, status)
	}
	st.touch()
	return st, nil
}

func (st *stream) gone(now time.Time) bool {
	return !st.deleted.IsZero() && !now.Before(st.deleted)
}

// expunge forgets streams whose deletion is complete. s.mu is held.
func (s *Server) expunge(now time.Time) {
	for name, st := range s.streams {
		if st.gone(now) {
			delete(s.streams, name)
			s.discard(st)
		}
	}
}

// discard gives back the memory of a stream that is gone.
func (s *Server) discard(st *stream) {
	for _, sh := range st.layout.Load().shards {
		sh.close()
	}
	s.arena.drop(func(sl *slab) bool { return sl.owner.stream == st })
}

func noStream(name, account string) error {
	return httpapi.Refuse("ResourceNotFoundException", "Stream %s under account %s not found.", name, account)
}

func noShard(id, stream, account string) error {
	return httpapi.Refuse("ResourceNotFoundException", "Shard %s in stream %s under account %s does not exist",
		id, stream, account)
}
