// Package timesort puts lines into the order of their times, of which it holds a
// run in memory and the others in a temporary file.
package timesort

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// runBuffer is read of each run at once.
const runBuffer = 64 << 10

// Sorter sorts lines; those of the same time stay in the order in which they
// came. Lines are added, then Finish is called, then Next for each. It is used from
// one goroutine, and must be closed.
type Sorter struct {
	dir   string
	limit int

	text  []byte // lines of the run that grows
	index []entry

	file *os.File
	out  *bufio.Writer
	size int64
	runs runHeap

	line []byte // what Next returned
}

// New returns a sorter that holds so many bytes of lines in memory at once. The
// directory is for the temporary file; "" is the system's.
func New(dir string, limit int) *Sorter { return &Sorter{dir: dir, limit: limit} }

// entry is a line of the run that grows.
type entry struct {
	at       int64
	from, to uint32
}

// Add adds a line, of which it keeps a copy.
func (s *Sorter) Add(at int64, line []byte) error {
	if len(s.text) > 0 && len(s.text)+len(line) > s.limit {
		if err := s.spill(); err != nil {
			return err
		}
	}
	from := len(s.text)
	s.text = append(s.text, line...)
	s.index = append(s.index, entry{at, uint32(from), uint32(len(s.text))})
	return nil
}

func (s *Sorter) sort() {
	slices.SortStableFunc(s.index, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
}

// spill writes the run to the file and begins another.
func (s *Sorter) spill() error {
	if s.file == nil {
		file, err := os.CreateTemp(s.dir, "kload-sort-*")
		if err != nil {
			return fmt.Errorf("sorting: %w", err)
		}
		s.file, s.out = file, bufio.NewWriterSize(file, runBuffer)
	}
	s.sort()
	start := s.size
	var head [12]byte
	for _, e := range s.index {
		binary.LittleEndian.PutUint64(head[:], uint64(e.at))
		binary.LittleEndian.PutUint32(head[8:], e.to-e.from)
		_, err := s.out.Write(head[:])
		if err == nil {
			_, err = s.out.Write(s.text[e.from:e.to])
		}
		if err != nil {
			return fmt.Errorf("sorting: %w", err)
		}
		s.size += int64(len(head)) + int64(e.to-e.from)
	}
	s.runs = append(s.runs, &run{number: len(s.runs), from: io.NewSectionReader(s.file, start, s.size-start)})
	s.text, s.index = s.text[:0], s.index[:0]
	return nil
}

// Finish begins the merge. All lines have been added.
func (s *Sorter) Finish() error {
	if s.file == nil {
		s.sort()
		return nil
	}
	if err := errors.Join(s.spill(), s.out.Flush()); err != nil {
		return fmt.Errorf("sorting: %w", err)
	}
	s.text, s.index, s.out = nil, nil, nil
	open := s.runs[:0]
	for _, r := range s.runs {
		r.in = bufio.NewReaderSize(r.from, runBuffer)
		switch err := r.next(); {
		case err == nil:
			open = append(open, r)
		case !errors.Is(err, io.EOF):
			return fmt.Errorf("sorting: %w", err)
		}
	}
	s.runs = open
	heap.Init(&s.runs)
	return nil
}

// Next returns the line that is next, and its time, or io.EOF after the last one.
// The line is valid until the next call, and may be appended to.
func (s *Sorter) Next() (at int64, line []byte, err error) {
	switch {
	case s.file == nil && len(s.index) == 0, s.file != nil && len(s.runs) == 0:
		return 0, nil, io.EOF
	case s.file == nil:
		e := s.index[0]
		s.index = s.index[1:]
		s.line = append(s.line[:0], s.text[e.from:e.to]...)
		return e.at, s.line, nil
	}
	first := s.runs[0]
	at, s.line = first.at, append(s.line[:0], first.line...)
	switch err := first.next(); {
	case err == nil:
		heap.Fix(&s.runs, 0)
	case errors.Is(err, io.EOF):
		heap.Pop(&s.runs)
	default:
		return 0, nil, fmt.Errorf("merging what was sorted: %w", err)
	}
	return at, s.line, nil
}

// Close removes the temporary file. What is asked for later is io.EOF.
func (s *Sorter) Close() error {
	s.index, s.runs = nil, nil
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
		return fmt.Errorf("removing what was sorted: %w", err)
	}
	return nil
}

// run is a sorted run in the file, at one of its lines.
type run struct {
	number int
	from   io.Reader
	in     *bufio.Reader
	at     int64
	line   []byte
}

// next goes to the next line.
func (r *run) next() error {
	var head [12]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return err
	}
	r.at = int64(binary.LittleEndian.Uint64(head[:]))
	n := int(binary.LittleEndian.Uint32(head[8:]))
	r.line = slices.Grow(r.line[:0], n)[:n]
	_, err := io.ReadFull(r.in, r.line)
	return err
}

// runHeap orders runs by the times of their lines, and by their own order.
type runHeap []*run

func (h runHeap) Len() int { return len(h) }
func (h runHeap) Less(i, k int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[k].at), cmp.Compare(h[i].number, h[k].number)) < 0
}
func (h runHeap) Swap(i, k int) { h[i], h[k] = h[k], h[i] }
func (h *runHeap) Push(x any)   { *h = append(*h, x.(*run)) }
func (h *runHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
