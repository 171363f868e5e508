package ledger

// ackSlot is the resolution with which acknowledgements are remembered, in
// nanoseconds: a deadline that becomes known only later, at the end of a replay,
// is applied to them with this error.
const ackSlot = 100_000_000

// ackTimes counts acknowledgements by the time they came. It takes 8 bytes per
// slot, 7 MB for a day.
type ackTimes struct {
	base  int64
	slots []uint64
}

func (a *ackTimes) add(at int64) {
	if a.slots == nil {
		a.base = at
	}
	i := max(0, (at-a.base)/ackSlot)
	for int64(len(a.slots)) <= i {
		a.slots = append(a.slots, 0)
	}
	a.slots[i]++
}

// upTo returns how many came by the deadline; those of its own slot count.
func (a *ackTimes) upTo(deadline int64) (n uint64) {
	for i, c := range a.slots {
		if a.base+int64(i)*ackSlot <= deadline {
			n += c
		}
	}
	return n
}
