// Package md5lanes computes the MD5 of several messages at once.
//
// One MD5 cannot be computed in parallel: each step needs the one before. But
// eight of them can, side by side in the elements of AVX2 registers, in little
// more time than one, and sixteen in those of AVX-512. Aggregated records need one
// each, of about 50 KiB, and a busy producer has dozens ready at a time. See
// docs/adr/0003 for why no library does it here.
//
// Formula: RFC 1321.
package md5lanes

import (
	"crypto/md5"
	"encoding/binary"
	"math"
)

const (
	lanes     = 16
	halfLanes = 8
	blockSize = md5.BlockSize
	// worthwhile is from how many messages on lanes beat one after the other. With
	// fewer, most lanes would idle.
	worthwhile = 3
	// atOnce bounds the blocks of one call of compress, which cannot be preempted:
	// about 20 µs.
	atOnce = 128
)

// work is what a compression works on.
type work struct {
	state [4][lanes]uint32
	words [16][lanes]uint32 // of a block, by lane
	k     [64]uint32        // constants
	data  [lanes]*byte      // the next block of every lane
}

// compression takes the next blocks of 64 bytes, at least one, of every message.
type compression func(w *work, blocks int)

// Hasher computes digests. Its memory is reused: it belongs to one goroutine.
type Hasher struct {
	work
	half  compression      // of eight lanes; nil where one message is digested after the other
	full  compression      // of sixteen; nil where there are only eight
	start [4][lanes]uint32 // the state before the first block
	lane  [lanes]lane
	queue [][]byte // messages not begun
	taken int      // messages begun
}

// lane is a message under way. Its last block or two, with the padding, lie in
// end.
type lane struct {
	msg    int // index of the message, -1 for an idle lane
	body   []byte
	end    [2 * blockSize]byte
	ending []byte // what is left of end
}

// New returns a hasher for this machine.
func New() *Hasher { return newHasher(compressions()) }

func newHasher(half, full compression) *Hasher {
	h := &Hasher{half: half, full: full}
	for i := range h.k {
		h.k[i] = uint32(math.Floor(math.Abs(math.Sin(float64(i+1))) * (1 << 32)))
	}
	for w, v := range [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476} {
		for i := range h.start[w] {
			h.start[w][i] = v
		}
	}
	return h
}

// Sum writes the digest of each message to the element of sums with its index.
// It does not allocate and keeps nothing of messages, in which no sum may lie.
func (h *Hasher) Sum(sums [][md5.Size]byte, messages [][]byte) {
	if !h.Wide() || len(messages) < worthwhile {
		for i, m := range messages {
			sums[i] = md5.Sum(m)
		}
		return
	}
	width, compress := h.way(len(messages))
	h.queue, h.taken = messages, 0
	for i := range width {
		h.begin(i)
	}
	for {
		blocks := h.aim(width)
		if blocks == 0 {
			break
		}
		compress(&h.work, blocks)
		for i := range width {
			if l := &h.lane[i]; l.msg >= 0 && l.advance(blocks) {
				h.finish(i, &sums[l.msg])
				h.begin(i)
			}
		}
	}
	h.queue, h.data, h.words = nil, [lanes]*byte{}, [16][lanes]uint32{}
}

// Wide says whether this machine computes several digests at once.
func (h *Hasher) Wide() bool { return h.half != nil }

// way returns how many lanes are best for so many messages, and what fills them.
func (h *Hasher) way(messages int) (width int, _ compression) {
	if messages > halfLanes && h.full != nil {
		return lanes, h.full
	}
	return halfLanes, h.half
}

// maxShort is the longest message that fits one block with its padding.
const maxShort = blockSize - 1 - 8

// SumShort is Sum for messages of mostly at most 55 bytes, such as partition
// keys.
func (h *Hasher) SumShort(sums [][md5.Size]byte, messages [][]byte) {
	for len(messages) > 0 {
		width, compress := h.way(len(messages))
		n := min(width, len(messages))
		if !h.Wide() || n < worthwhile || !h.sumBlocks(compress, sums, messages[:n]) {
			for i, m := range messages[:n] {
				sums[i] = md5.Sum(m)
			}
		}
		sums, messages = sums[n:], messages[n:]
	}
}

// sumBlocks digests messages of one block each, no more than there are lanes. It
// returns false when one is longer.
func (h *Hasher) sumBlocks(compress compression, sums [][md5.Size]byte, messages [][]byte) bool {
	for i := range h.lane {
		end := (*[blockSize]byte)(h.lane[i].end[:])
		h.data[i] = &end[0]
		if i >= len(messages) {
			continue // whatever is there
		}
		m := messages[i]
		if len(m) > maxShort {
			return false
		}
		*end = [blockSize]byte{}
		copy(end[:], m)
		end[len(m)] = 0x80
		binary.LittleEndian.PutUint64(end[blockSize-8:], uint64(len(m))*8)
	}
	h.state = h.start
	compress(&h.work, 1)
	for i := range messages {
		h.finish(i, &sums[i])
	}
	return true
}

// begin gives lane i the next message, or none.
func (h *Hasher) begin(i int) {
	l := &h.lane[i]
	if h.taken == len(h.queue) {
		l.msg, l.body, l.ending = -1, nil, nil
		return
	}
	m := h.queue[h.taken]
	l.msg, l.body = h.taken, m[:len(m)&^(blockSize-1)]
	l.pad(m[len(l.body):], len(m))
	h.taken++
	for w := range h.state {
		h.state[w][i] = h.start[w][i]
	}
}

// pad appends a one bit, zeros and the length in bits to the rest of a message.
func (l *lane) pad(rest []byte, length int) {
	size := blockSize
	if len(rest)+1+8 > blockSize {
		size = 2 * blockSize
	}
	l.ending = l.end[:size]
	clear(l.ending)
	copy(l.ending, rest)
	l.ending[len(rest)] = 0x80
	binary.LittleEndian.PutUint64(l.ending[size-8:], uint64(length)*8)
}

// aim points every lane at its data and returns for how many blocks all of it
// lasts, 0 when no message is left. An idle lane follows a busy one.
func (h *Hasher) aim(width int) (blocks int) {
	var busy *byte
	for i := range width {
		l := &h.lane[i]
		if l.msg < 0 {
			continue
		}
		run := l.body
		if len(run) == 0 {
			run = l.ending
		}
		if n := len(run) / blockSize; blocks == 0 || n < blocks {
			blocks = n
		}
		h.data[i], busy = &run[0], &run[0]
	}
	for i := range width {
		if h.lane[i].msg < 0 {
			h.data[i] = busy
		}
	}
	return min(blocks, atOnce)
}

// advance moves on by blocks and reports whether the message is done.
func (l *lane) advance(blocks int) bool {
	if len(l.body) > 0 {
		l.body = l.body[blocks*blockSize:]
		return false
	}
	l.ending = l.ending[blocks*blockSize:]
	return len(l.ending) == 0
}

func (h *Hasher) finish(i int, sum *[md5.Size]byte) {
	for w := range h.state {
		binary.LittleEndian.PutUint32(sum[4*w:], h.state[w][i])
	}
}
