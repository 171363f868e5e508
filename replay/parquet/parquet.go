// Package parquet reads Parquet files of flat rows, such as TLC's
// yellow_tripdata_2024-01.parquet, as the JSON lines of the recorded layout, in
// the order of their times.
//
// # Rows
//
// Each row becomes one JSON object. Columns have the names, types and order of the
// layout whatever they were called and typed in their year; columns that nobody
// knows follow under their own names in lower case. Absent values are left out.
// Times are those of the file, labelled Z. TLC's rows get what the layout has
// beside the columns: cab_type, a trip_id that is unique and increases, and type.
//
// # Order
//
// Rows do not lie in the order of their times: TLC's files are concatenations. So
// a file is read to its end before its first row comes out: rows are sorted in
// runs of 24 MiB, kept in a temporary file where there is more than one, and
// merged. Rows of one time keep the order of the file.
//
// # Memory
//
// One run, one buffer of 64 KiB for each run, and the pages of all columns that
// are open at once. It does not grow with the file but for those buffers. A month
// of three million trips took 124 MiB and 1.4 GB on disk.
package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/kload/kload/internal/timesort"
)

// pageBytes is read of a column at once.
const pageBytes = 256 << 10

// Options says how a file becomes lines.
type Options struct {
	// Name is that of the file. Those of TLC say which cab and month it is; their
	// rows outside of the month are rejected, since their clocks were wrong. A trip
	// belongs to the month in which it began, and may end on the day after.
	Name string
	// Time is the attribute to sort by. Empty keeps the order of the file.
	Time string
	// Dir is for the temporary file. Default: the system's.
	Dir string
	// Run is how many bytes of rows are sorted at once. Default: 24 MiB.
	Run int
	// First asks for one line with the earliest time alone. Only the column with the
	// times is read.
	First bool
}

// Rejected is a row that does not become a line.
type Rejected struct {
	Row    uint64 // from 1, in the file
	Reason string
}

// maxSamples is how many rejected rows are kept.
const maxSamples = 10

// Reader gives the lines of one file. It is used from one goroutine.
type Reader struct {
	rows *timesort.Sorter // lines without their ends

	tail     string // follows every line
	numbered bool   // and trip_id, from number, and type
	number   uint64
	rest     []byte // of the line being read

	rejected uint64
	samples  []Rejected
}

// Open reads a file to its end and sorts its rows. The context governs that. The
// reader must be closed.
func Open(ctx context.Context, r io.ReaderAt, size int64, o Options) (_ *Reader, err error) {
	if o.Run == 0 {
		o.Run = 24 << 20
	}
	out := &Reader{rows: timesort.New(o.Dir, o.Run)}
	defer func() {
		// The library gives up on some damaged files by panicking.
		if p := recover(); p != nil {
			err = fmt.Errorf("reading Parquet: the file is damaged: %v", p)
		}
		if err != nil {
			err = errors.Join(err, out.Close())
		}
	}()
	file, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(pageBytes))
	if err != nil {
		return nil, fmt.Errorf("reading Parquet: %w", err)
	}
	if err := out.read(ctx, file, o); err != nil {
		return nil, err
	}
	return out, out.rows.Finish()
}

// Read reads lines in order.
func (r *Reader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.rest) == 0 {
			if err := r.take(); err != nil {
				if n > 0 && errors.Is(err, io.EOF) {
					return n, nil
				}
				return n, err
			}
		}
		k := copy(p[n:], r.rest)
		n, r.rest = n+k, r.rest[k:]
	}
	return n, nil
}

// take makes the line that is next the one being read.
func (r *Reader) take() error {
	_, line, err := r.rows.Next()
	if err != nil {
		return err
	}
	line = append(line, r.tail...)
	if r.numbered {
		line = append(line, `,"trip_id":`...)
		line = strconv.AppendUint(line, r.number, 10)
		line = append(line, `,"type":"trip"`...)
		r.number++
	}
	r.rest = append(line, "}\n"...)
	return nil
}

// Close removes the temporary file. What is read later is io.EOF.
func (r *Reader) Close() error {
	r.rest = nil
	return r.rows.Close()
}

// Rejected returns how many rows did not become lines, and the first of them.
func (r *Reader) Rejected() (n uint64, samples []Rejected) { return r.rejected, r.samples }

// read adds all rows to the sorter.
func (r *Reader) read(ctx context.Context, file *parquet.File, o Options) error {
	p, err := newPrinter(file.Schema(), o.Time)
	if err != nil {
		return fmt.Errorf("reading Parquet: %w", err)
	}
	r.describe(p, path.Base(o.Name))
	if o.First && p.time >= 0 {
		return r.readFirst(ctx, file, p)
	}
	rows := make([]parquet.Row, 256)
	for _, group := range file.RowGroups() {
		if err := r.readGroup(ctx, group, p, rows); err != nil {
			return err
		}
	}
	return nil
}

// describe sets what the name of the file says.
func (r *Reader) describe(p *printer, name string) {
	m := regexp.MustCompile(`^(yellow|green)_tripdata_(\d{4})-(\d{2})\.parquet$`).FindStringSubmatch(name)
	if m == nil {
		if p.cab == "" { // not TLC's
			return
		}
		m = []string{"", p.cab, "", ""}
	}
	first := uint64(0)
	if month, err := time.Parse("2006-01", m[2]+"-"+m[3]); err == nil {
		p.from, p.to, p.month = month.UnixNano(), month.AddDate(0, 1, 1).UnixNano(), m[2]+"-"+m[3]
		first = uint64(month.Year()*12+int(month.Month())) << 33
	}
	r.tail, r.number = `,"cab_type":"`+m[1]+`"`, first
	r.numbered = true
}

func (r *Reader) readGroup(ctx context.Context, group parquet.RowGroup, p *printer, rows []parquet.Row) (err error) {
	in := group.Rows()
	defer func() { err = errors.Join(err, in.Close()) }()
	for {
		n, err := in.ReadRows(rows)
		for _, row := range rows[:n] {
			p.rows++
			at, reason := p.print(row)
			if reason != "" {
				r.reject(p.rows, reason)
			} else if err := r.rows.Add(at, p.line); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("reading Parquet after row %d: %w", p.rows, err)
		case ctx.Err() != nil:
			return ctx.Err()
		case n == 0:
			return fmt.Errorf("reading Parquet after row %d: %w", p.rows, io.ErrNoProgress)
		}
	}
}

// readFirst adds the earliest time that a row may have, as a row of its own.
func (r *Reader) readFirst(ctx context.Context, file *parquet.File, p *printer) error {
	first, found, line := int64(0), false, []byte(nil)
	for _, group := range file.RowGroups() {
		err := eachValue(ctx, group.ColumnChunks()[p.columns[p.time].index], func(v parquet.Value) {
			if at, ok := p.printTime(v); ok && (!found || at < first) {
				first, found, line = at, true, append(line[:0], p.line...)
			}
		})
		if err != nil {
			return fmt.Errorf("reading Parquet: times: %w", err)
		}
	}
	if !found {
		return nil
	}
	return r.rows.Add(first, line)
}

// eachValue hands out the values of a column that are not absent.
func eachValue(ctx context.Context, column parquet.ColumnChunk, each func(parquet.Value)) (err error) {
	pages, values := column.Pages(), make([]parquet.Value, 256)
	defer func() { err = errors.Join(err, pages.Close()) }()
	for ctx.Err() == nil {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for in, end := page.Values(), error(nil); end == nil; {
			var n int
			n, end = in.ReadValues(values)
			for _, v := range values[:n] {
				if !v.IsNull() {
					each(v)
				}
			}
			if end != nil && !errors.Is(end, io.EOF) {
				return end
			}
		}
		parquet.Release(page)
	}
	return ctx.Err()
}

func (r *Reader) reject(row uint64, reason string) {
	r.rejected++
	if len(r.samples) < maxSamples {
		r.samples = append(r.samples, Rejected{row, strings.Clone(reason)})
	}
}
