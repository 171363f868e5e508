package consumers

import (
	"context"
	"sync"

	"github.com/kload/kload"
)

// Injector loses or doubles user records between the reader and the tap, where
// the ledger cannot see it. It exists to prove that the verdicts are earned: a
// run with an injected fault must fail. It is safe for concurrent use.
type Injector struct {
	mu        sync.Mutex
	drop, dup int
}

// NewInjector returns an injector that loses drop user records and doubles dup
// others, the first that come.
func NewInjector(drop, dup int) *Injector { return &Injector{drop: drop, dup: dup} }

// apply alters b.Users.
func (i *Injector) apply(b *kload.Batch) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := min(i.drop, len(b.Users))
	i.drop -= n
	b.Users = b.Users[:copy(b.Users, b.Users[n:])]
	n = min(i.dup, len(b.Users))
	i.dup -= n
	b.Users = append(b.Users, b.Users[:n]...)
}

// LoseWrites wraps a sink so that the first n records written through it are
// silently lost, behind the host's back.
func LoseWrites(s kload.Sink, n int) kload.Sink { return &lossySink{Sink: s, left: n} }

type lossySink struct {
	kload.Sink
	mu   sync.Mutex
	left int
}

// Write loses the first records and passes the others on.
func (l *lossySink) Write(ctx context.Context, b *kload.Batch, users []kload.Delivery) error {
	l.mu.Lock()
	n := min(l.left, len(users))
	l.left -= n
	l.mu.Unlock()
	return l.Sink.Write(ctx, b, users[n:])
}
