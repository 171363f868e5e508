package polling

import (
	"context"
	"slices"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/invariants"
)

// answer is a batch with the memory of the response that its records are parts
// of. It belongs to whoever holds the batch, until the last release.
type answer struct {
	kload.Batch
	memory protocol.Buffer
}

// under returns the context for the call that is to fill the answer.
func (a *answer) under(ctx context.Context) context.Context {
	return protocol.WithBuffer(ctx, &a.memory)
}

// answer returns an empty answer, a used one where there is one.
func (op *Opener) answer() *answer {
	op.mu.Lock()
	defer op.mu.Unlock()
	if n := len(op.free); n > 0 {
		a := op.free[n-1]
		op.free = op.free[:n-1]
		op.bytes -= a.memory.Cap()
		return a
	}
	a := new(answer)
	a.Recycle = func(*kload.Batch) { op.recycle(a) }
	return a
}

// What is kept for reuse at most: answers, and bytes of their memory. A GetRecords
// answer has up to 10 MiB.
const (
	maxFree      = 32
	maxFreeBytes = 24 << 20
)

// recycle takes back an answer that nobody holds. Where invariants are checked,
// whoever kept its bytes finds them overwritten.
func (op *Opener) recycle(a *answer) {
	if invariants.Enabled {
		for i := range a.Records {
			invariants.Poison(a.Records[i].Data)
			invariants.Poison(a.Records[i].Key)
		}
	}
	clear(a.Records)
	a.Records, a.Users, a.Children, a.End = a.Records[:0], nil, nil, false
	op.mu.Lock()
	defer op.mu.Unlock()
	if invariants.Enabled {
		invariants.Check(!slices.Contains(op.free, a), "a batch was released twice")
	}
	if size := a.memory.Cap(); len(op.free) < maxFree && op.bytes+size <= maxFreeBytes {
		op.free = append(op.free, a)
		op.bytes += size
	}
}
