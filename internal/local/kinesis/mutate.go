package kinesis

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/kload/kload/internal/kpl"
)

// mutation injects faults that the ledger of a run must find, one user record
// each. A checker never seen failing proves nothing.
type mutation struct {
	drop, dup countdown

	mu  sync.Mutex
	rng *rand.Rand
}

// countdown is how often a fault is still to be injected.
type countdown struct {
	want int64
	left atomic.Int64
}

func newMutation(c Config) *mutation {
	m := &mutation{rng: rand.New(rand.NewPCG(c.Seed, 0))}
	m.drop.set(c.Drop)
	m.dup.set(c.Dup)
	return m
}

func (f *countdown) set(n int) {
	f.want = int64(n)
	f.left.Store(f.want)
}

// take claims one injection.
func (f *countdown) take() bool {
	if f.left.Load() <= 0 {
		return false
	}
	if f.left.Add(-1) < 0 {
		f.left.Add(1)
		return false
	}
	return true
}

func (f *countdown) done() uint64 { return uint64(f.want - max(0, f.left.Load())) }

// without returns the stream record with one user record left out. It returns
// nil if that leaves nothing: a plain record, or an aggregate of one.
func (m *mutation) without(data []byte) []byte {
	users := decode(data)
	if len(users) < 2 {
		return nil
	}
	m.mu.Lock()
	lost := m.rng.IntN(len(users))
	m.mu.Unlock()
	return encode(append(users[:lost:lost], users[lost+1:]...))
}

// again returns a stream record that repeats one user record of data: the plain
// record itself, or the last of an aggregate, so that the repetition directly
// follows its original.
func (m *mutation) again(data []byte) []byte {
	users := decode(data)
	if len(users) == 0 {
		return data
	}
	return encode(users[len(users)-1:])
}

// decode returns the user records of an aggregate, none for a plain record.
func decode(data []byte) []kpl.User {
	var d kpl.Decoder
	if d.Reset(data) != kpl.Aggregate {
		return nil
	}
	var users []kpl.User
	for u := (kpl.User{}); d.Next(&u); {
		users = append(users, u)
	}
	return users
}

func encode(users []kpl.User) []byte {
	var e kpl.Encoder
	e.Reset(nil)
	for _, u := range users {
		e.Add(u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
	}
	return e.Seal()
}
