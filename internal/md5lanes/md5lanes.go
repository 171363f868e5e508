// Package md5lanes computes the MD5 of several messages at once.
//
// One MD5 cannot be computed in parallel: each step needs the one before. But
// eight of them can, side by side in the elements of AVX2 registers, in little
// more time than one. Aggregated records need one each, of about 50 KiB, and a
// busy producer has dozens ready at a time. See docs/adr/0003 for why no library does
// it here.
//
// Formula: RFC 1321.
package md5lanes

import (
	"crypto/md5"
	"encoding/binary"
	"math"
)

const (
	lanes     = 8
	blockSize = md5.BlockSize
	// worthwhile is from how many messages on lanes beat one after the other. With
	// fewer, most lanes would idle.
	worthwhile = 3
)

// Hasher computes digests. Its memory is reused: it belongs to one goroutine.
type Hasher struct {
	wide  bool
	k     [64]uint32
	state [4][lanes]uint32
	data  [lanes]*byte
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
func New() *Hasher {
	h := &Hasher{wide: wide()}
	for i := range h.k {
		h.k[i] = uint32(math.Floor(math.Abs(math.Sin(float64(i+1))) * (1 << 32)))
	}
	return h
}

// Sum writes the digest of each message to the element of sums with its index.
// It does not allocate and keeps nothing of messages.
func (h *Hasher) Sum(sums [][md5.Size]byte, messages [][]byte) {
	if !h.wide || len(messages) < worthwhile {
		for i, m := range messages {
			sums[i] = md5.Sum(m)
		}
		return
	}
	h.queue, h.taken = messages, 0
	for i := range h.lane {
		h.begin(i)
	}
	for {
		blocks := h.aim()
		if blocks == 0 {
			break
		}
		compress(&h.state, &h.data, blocks, &h.k)
		for i := range h.lane {
			if l := &h.lane[i]; l.msg >= 0 && l.advance(blocks) {
				h.finish(i, &sums[l.msg])
				h.begin(i)
			}
		}
	}
	h.queue, h.data = nil, [lanes]*byte{}
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
	h.state[0][i], h.state[1][i], h.state[2][i], h.state[3][i] = 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476
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
func (h *Hasher) aim() (blocks int) {
	var busy *byte
	for i := range h.lane {
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
	for i := range h.lane {
		if h.lane[i].msg < 0 {
			h.data[i] = busy
		}
	}
	return blocks
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
