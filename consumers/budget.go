package consumers

import "sync"

// budget bounds the bytes of answers that are being fetched, or have been and
// are not yet processed. Whoever wants to fetch takes what the answer may have,
// first come, first served, and corrects that when it is there: the size of an
// answer is not known before.
type budget struct {
	size int64

	mu        sync.Mutex // guards what follows
	changed   sync.Cond
	taken     int64
	most      int64  // of what was taken
	held      uint64 // fetches that had to wait
	in, ahead uint64 // tickets given out, tickets served
}

func newBudget(size int64) *budget {
	b := &budget{size: size}
	b.changed.L = &b.mu
	return b
}

// take waits until as many bytes are free as are wanted, or everything is: nothing
// is too large for an empty budget. What is wanted may grow meanwhile.
func (b *budget) take(wants func() int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	ticket := b.in
	b.in++
	for waited := false; ; waited = true {
		if ticket == b.ahead {
			if n := wants(); b.taken == 0 || b.taken+n <= b.size {
				b.ahead++
				b.add(n)
				b.changed.Broadcast() // for the next in line
				return n
			}
		}
		if !waited {
			b.held++
		}
		b.changed.Wait()
	}
}

// correct replaces what was taken by what is needed, without waiting: the memory
// is in use already.
func (b *budget) correct(taken, needed int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(needed - taken)
	b.changed.Broadcast()
}

func (b *budget) add(n int64) {
	b.taken += n
	b.most = max(b.most, b.taken)
}

// counts returns how many fetches had to wait, and the most bytes taken at a time.
func (b *budget) counts() (held uint64, most int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held, b.most
}
