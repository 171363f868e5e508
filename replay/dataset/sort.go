package dataset

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

// sortBytes is how much text is sorted in memory at once. What is more goes to
// temporary files, sorted runs of this size, and is merged from there.
const sortBytes = 64 << 20

// sorter puts rows into the order of their times; rows of the same time stay in
// the order in which they came.
type sorter struct {
	limit int // sortBytes
	text  []byte
	rows  []sortRow
	runs  []*os.File
}

type sortRow struct {
	at        int64
	off, size int
}

// add takes a row, of which it keeps a copy.
func (s *sorter) add(at int64, line []byte) error {
	s.rows = append(s.rows, sortRow{at, len(s.text), len(line)})
	s.text = append(s.text, line...)
	if len(s.text) < s.limit {
		return nil
	}
	return s.spill()
}

func (s *sorter) sort() {
	slices.SortStableFunc(s.rows, func(a, b sortRow) int { return cmp.Compare(a.at, b.at) })
}

// spill writes what is in memory to a temporary file, as time, length and line.
func (s *sorter) spill() error {
	f, err := os.CreateTemp("", "kload-sort-*")
	if err != nil {
		return fmt.Errorf("sorting: %w", err)
	}
	s.runs = append(s.runs, f)
	s.sort()
	w := bufio.NewWriterSize(f, 256<<10)
	var head [12]byte
	for _, r := range s.rows {
		binary.LittleEndian.PutUint64(head[:], uint64(r.at))
		binary.LittleEndian.PutUint32(head[8:], uint32(r.size))
		if _, err := w.Write(head[:]); err != nil {
			return fmt.Errorf("sorting: %w", err)
		}
		if _, err := w.Write(s.text[r.off : r.off+r.size]); err != nil {
			return fmt.Errorf("sorting: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("sorting: %w", err)
	}
	s.text, s.rows = s.text[:0], s.rows[:0]
	return nil
}

// each hands out all rows in order. The line is valid during the call.
func (s *sorter) each(write func(at int64, line []byte) error) error {
	if len(s.runs) == 0 {
		s.sort()
		for _, r := range s.rows {
			if err := write(r.at, s.text[r.off:r.off+r.size]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.spill(); err != nil {
		return err
	}
	return s.merge(write)
}

func (s *sorter) merge(write func(at int64, line []byte) error) error {
	var m merger
	for i, f := range s.runs {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("sorting: %w", err)
		}
		r := &sortRun{number: i, in: bufio.NewReaderSize(f, 64<<10)}
		switch err := r.next(); {
		case errors.Is(err, io.EOF):
		case err != nil:
			return fmt.Errorf("sorting: %w", err)
		default:
			m = append(m, r)
		}
	}
	heap.Init(&m)
	for len(m) > 0 {
		if err := write(m[0].at, m[0].line); err != nil {
			return err
		}
		switch err := m[0].next(); {
		case errors.Is(err, io.EOF):
			heap.Pop(&m)
		case err != nil:
			return fmt.Errorf("sorting: %w", err)
		default:
			heap.Fix(&m, 0)
		}
	}
	return nil
}

// close removes the temporary files.
func (s *sorter) close() error {
	var errs []error
	for _, f := range s.runs {
		errs = append(errs, f.Close(), os.Remove(f.Name()))
	}
	return errors.Join(errs...)
}

// sortRun is a sorted run that is read back.
type sortRun struct {
	number int
	in     *bufio.Reader
	at     int64
	line   []byte
}

func (r *sortRun) next() error {
	var head [12]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return err
	}
	r.at = int64(binary.LittleEndian.Uint64(head[:]))
	size := int(binary.LittleEndian.Uint32(head[8:]))
	r.line = slices.Grow(r.line[:0], size)[:size]
	_, err := io.ReadFull(r.in, r.line)
	return err
}

// merger is a heap of runs, the earliest row first.
type merger []*sortRun

func (m merger) Len() int { return len(m) }
func (m merger) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(m[i].at, m[j].at), cmp.Compare(m[i].number, m[j].number)) < 0
}
func (m merger) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merger) Push(x any)   { *m = append(*m, x.(*sortRun)) }
func (m *merger) Pop() any {
	last := len(*m) - 1
	r := (*m)[last]
	*m = (*m)[:last]
	return r
}
