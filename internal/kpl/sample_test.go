package kpl_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
)

// pack seals the users into one aggregate.
func pack(users []kpl.User) []byte {
	var e kpl.Encoder
	e.Reset(nil)
	for _, u := range users {
		e.Add(u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
	}
	return e.Seal()
}

// unpack decodes data and copies what the decoder lends.
func unpack(d *kpl.Decoder, data []byte) (kpl.Kind, []kpl.User) {
	kind := d.Reset(data)
	var users []kpl.User
	for u := (kpl.User{}); d.Next(&u); {
		u.Key, u.Tag, u.Data = slices.Clone(u.Key), slices.Clone(u.Tag), slices.Clone(u.Data)
		users = append(users, u)
	}
	return kind, users
}

// diffUsers compares byte slices as a whole, and tells nil from empty.
func diffUsers(want, got []kpl.User) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b []byte) bool {
		return (a == nil) == (b == nil) && bytes.Equal(a, b)
	}))
}

// sampler makes user records of every shape: few or many keys, Unicode keys,
// explicit hash keys, tags, empty and large data.
type sampler struct {
	rng  *rand.Rand
	keys int
}

func newSampler(seed uint64) *sampler {
	rng := rand.New(rand.NewPCG(seed, 42))
	return &sampler{rng: rng, keys: 1 + rng.IntN(1<<rng.IntN(12))}
}

func (s *sampler) users(n int) []kpl.User {
	users := make([]kpl.User, n)
	for i := range users {
		users[i] = s.user(int64(i))
	}
	return users
}

func (s *sampler) user(sub int64) kpl.User {
	u := kpl.User{Key: s.key(), Data: s.bytes(), Sub: sub}
	if s.rng.IntN(3) == 0 {
		u.HasHash = true
		u.Hash = kload.HashKey{Hi: s.rng.Uint64N(uint64(s.keys)) << s.rng.IntN(64), Lo: s.rng.Uint64N(3)}
	}
	if s.rng.IntN(3) == 0 {
		u.Tag = fmt.Appendf([]byte{}, "%0*x", s.rng.IntN(200), s.rng.Uint64())
	}
	return u
}

func (s *sampler) key() []byte {
	k := s.rng.IntN(s.keys)
	switch k % 4 {
	case 0:
		return fmt.Appendf(nil, "ключ-🔑-%d", k)
	case 1:
		return fmt.Appendf(nil, "%0200d", k)
	}
	return fmt.Appendf(nil, "key-%d", k)
}

func (s *sampler) bytes() []byte {
	b := make([]byte, s.rng.IntN(1<<s.rng.IntN(10)))
	for i := range b {
		b[i] = byte(s.rng.Uint32())
	}
	return b
}
