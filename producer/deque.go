package producer

// deque is a queue with two ends in a ring that grows as needed. The zero value
// is empty and ready.
type deque[T any] struct {
	ring    []T
	head, n int
}

func (d *deque[T]) len() int { return d.n }

// at returns where the i-th element is.
func (d *deque[T]) at(i int) int { return (d.head + i) & (len(d.ring) - 1) }

func (d *deque[T]) grow() {
	if d.n < len(d.ring) {
		return
	}
	ring := make([]T, max(8, 2*len(d.ring)))
	for i := range d.n {
		ring[i] = d.ring[d.at(i)]
	}
	d.ring, d.head = ring, 0
}

func (d *deque[T]) pushBack(v T) {
	d.grow()
	d.ring[d.at(d.n)] = v
	d.n++
}

func (d *deque[T]) pushFront(v T) {
	d.grow()
	d.head = d.at(len(d.ring) - 1)
	d.ring[d.head] = v
	d.n++
}

// front returns the first element of a deque that has one.
func (d *deque[T]) front() T { return d.ring[d.head] }

// popFront takes the first element out of a deque that has one.
func (d *deque[T]) popFront() T {
	var none T
	v := d.ring[d.head]
	d.ring[d.head] = none
	d.head = d.at(1)
	d.n--
	return v
}
