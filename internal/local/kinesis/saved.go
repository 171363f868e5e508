package kinesis

import (
	"maps"
	"slices"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

// savedState is what a server is, but for its records: all of it at the head of
// a log's segment, what changed in between.
type savedState struct {
	Key        []byte          `json:",omitempty"` // of iterators and page tokens; at heads only
	Commitment savedCommitment // of the account
	Numbers    uint64          // given to streams so far
	Streams    []savedStream
}

type savedCommitment struct{ Started, Ended time.Time }

// savedStream is a stream with all that belongs to it.
type savedStream struct {
	Number uint64
	Name   string
	savedResource
	savedSettings
	Created, Active, Updated, Deleted            time.Time
	Scalings, Switches, Encryptions, Decryptions []time.Time      `json:",omitempty"`
	Metrics                                      []string         `json:",omitempty"`
	Epochs                                       map[string]int64 `json:",omitempty"`
	Consumers                                    []savedConsumer  `json:",omitempty"`
	Shards                                       []savedShard
}

type savedResource struct {
	Tags   map[string]string `json:",omitempty"`
	Policy string            `json:",omitempty"`
}

type savedSettings struct {
	Mode      string
	MaxRecord int
	Retention time.Duration
	Floor     time.Time
	Auto      bool   `json:",omitempty"`
	KeyID     string `json:",omitempty"`
	Warm      int64  `json:",omitempty"`
}

type savedConsumer struct {
	Name string
	savedResource
	ARN                      string
	Created, Active, Deleted time.Time
}

type savedShard struct {
	Hashes  shard.Range
	Epoch   int64
	Opened  time.Time
	Ended   int64    `json:",omitempty"`
	Parents []uint32 `json:",omitempty"`
	First   uint64   `json:",omitempty"` // at heads only: counter of the first record held
	Next    uint64   `json:",omitempty"` // at heads only: counter of the next record
}

// account returns the state of the account with some streams. The server's lock
// is held.
func (s *Server) account(streams []savedStream) savedState {
	return savedState{
		Commitment: savedCommitment{s.commitment.started, s.commitment.ended}, Numbers: s.numbers, Streams: streams,
	}
}

// savedStreams returns the state of streams. The server's lock is held.
func savedStreams(list []*stream) (saved []savedStream) {
	for _, st := range list {
		saved = append(saved, st.save(st.layout.Load().shards))
	}
	return saved
}

// save returns the stream's state with those shards, which may be about to
// become its own. The server's lock is held.
func (st *stream) save(shards []*shardLog) savedStream {
	saved := savedStream{
		Number: st.number, Name: st.name, savedResource: st.saved(), savedSettings: st.settings.Load().save(),
		Created: st.created, Active: st.active, Updated: st.updated, Deleted: st.deleted,
		Scalings: st.scalings.times, Switches: st.switches.times, Encryptions: st.encryptions.times, Decryptions: st.decryptions.times,
		Metrics: st.metrics, Epochs: st.epochs,
	}
	for _, name := range slices.Sorted(maps.Keys(st.consumers)) {
		c := st.consumers[name]
		saved.Consumers = append(saved.Consumers, savedConsumer{
			Name: name, savedResource: c.saved(), ARN: c.arn, Created: c.created, Active: c.active, Deleted: c.deleted,
		})
	}
	for _, sh := range shards {
		var parents []uint32
		for _, p := range sh.parents {
			parents = append(parents, p.index)
		}
		saved.Shards = append(saved.Shards, savedShard{
			Hashes: sh.hashes, Epoch: sh.epoch, Opened: sh.opened, Ended: sh.ended.Load(), Parents: parents,
		})
	}
	return saved
}

func (set *settings) save() savedSettings {
	return savedSettings{set.mode, set.maxRecord, set.retention, set.floor, set.auto, set.keyID, set.warm}
}

func (saved savedSettings) load() *settings {
	return &settings{saved.Mode, saved.MaxRecord, saved.Retention, saved.Floor, saved.Auto, saved.KeyID, saved.Warm}
}

func (r *resource) saved() savedResource { return savedResource{r.tags, r.policy} }

func (r *resource) restore(saved savedResource) { r.tags, r.policy = saved.Tags, saved.Policy }

// load makes the stream what was saved. Shards that it has keep their records.
func (st *stream) load(saved savedStream) {
	st.settings.Store(saved.load())
	st.restore(saved.savedResource)
	st.active, st.updated, st.deleted = saved.Active, saved.Updated, saved.Deleted
	st.scalings, st.switches = rolling{saved.Scalings}, rolling{saved.Switches}
	st.encryptions, st.decryptions = rolling{saved.Encryptions}, rolling{saved.Decryptions}
	st.metrics, st.consumers, st.epochs = saved.Metrics, map[string]*consumer{}, map[string]int64{}
	maps.Copy(st.epochs, saved.Epochs)
	for _, c := range saved.Consumers {
		loaded := &consumer{
			stream: st, name: c.Name, arn: c.ARN, created: c.Created, active: c.Active, deleted: c.Deleted, lanes: map[uint32]*lane{},
		}
		loaded.restore(c.savedResource)
		loaded.owner = st
		st.consumers[c.Name] = loaded
	}
	l := &layout{}
	if old := st.layout.Load(); old != nil {
		l.shards = slices.Clip(old.shards)
	}
	for i, sh := range saved.Shards {
		if i == len(l.shards) {
			l.shards = append(l.shards, st.loadShard(l, sh))
		}
		l.shards[i].ended.Store(sh.Ended)
		if sh.Ended == 0 {
			l.open = append(l.open, l.shards[i])
		}
	}
	slices.SortFunc(l.open, func(a, b *shardLog) int { return a.hashes.Start.Compare(b.hashes.Start) })
	st.layout.Store(l)
}

// loadShard makes a shard that was saved, and tells its parents.
func (st *stream) loadShard(l *layout, saved savedShard) *shardLog {
	sh := newShardLog(st, len(l.shards), saved.Hashes, saved.Epoch, saved.Opened)
	if saved.First > 0 {
		sh.next, sh.settled, sh.read = saved.First, saved.First, saved.First
	}
	for _, index := range saved.Parents {
		parent := l.shards[index]
		sh.parents = append(sh.parents, parent)
		parent.heirs = append(parent.heirs, sh)
	}
	return sh
}

// valid reports whether a saved stream can be loaded: its shards cover the hash
// keys without gaps, and come after their parents.
func (saved *savedStream) valid() bool {
	var open []shard.Range
	for i, sh := range saved.Shards {
		if slices.ContainsFunc(sh.Parents, func(p uint32) bool { return uint64(p) >= uint64(i) }) || sh.First > sh.Next {
			return false
		}
		if sh.Ended == 0 {
			open = append(open, sh.Hashes)
		}
	}
	slices.SortFunc(open, func(a, b shard.Range) int { return a.Start.Compare(b.Start) })
	var next kload.HashKey
	for i, r := range open {
		if r.Start != next || r.End.Compare(r.Start) < 0 {
			return false
		}
		if next = after(r.End); next == (kload.HashKey{}) {
			return i == len(open)-1
		}
	}
	return false
}

// after returns the hash key above h, 0 for the last one.
func after(h kload.HashKey) kload.HashKey {
	if h.Lo++; h.Lo == 0 {
		h.Hi++
	}
	return h
}
