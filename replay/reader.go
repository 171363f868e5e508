package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
	"github.com/kload/kload/replay/origin"
)

// maxSamples is how many malformed lines are kept with their place.
const maxSamples = 10

// reader fills blocks with the rows of all objects, one object after the other.
// It belongs to the prefetch goroutine.
type reader struct {
	from    *origin.Ahead
	objects []origin.Object // not yet opened
	decoder *decoder
	done    int64 // stored bytes of the objects before the current one

	timestamp string // the attribute with the time; "" if rows have none
	finder    jsonfield.Finder
	keepLF    bool
	strict    bool
	tolerant  bool

	text    int64       // decoded bytes of the current object
	line    uint64      // lines of the current object that ended
	carry   []byte      // the start of a line whose end is still to be read
	cut     bool        // inside a line that is too long
	failed  error       // what ended the current object's data; io.EOF at its end
	opened  uint64      // objects that were not counted in a block yet
	damaged []Malformed // objects forgiven that were not
	damage  error       // of the first object that was forgiven
	torn    uint64      // reads taken up again that were
	samples int

	orderly bool  // rows are expected in the order of their times
	latest  int64 // the highest time so far
	late    int   // samples of rows with lower ones
}

func newReader(cfg *Config, from origin.Origin, objects []origin.Object) *reader {
	r := &reader{
		from:     origin.NewAhead(from, objects),
		objects:  objects,
		decoder:  newDecoder(),
		keepLF:   cfg.Newline == newlineKeep,
		strict:   cfg.Strict,
		tolerant: cfg.Tolerant,
		latest:   math.MinInt64,
		orderly:  cfg.Timestamp != timestampNone && cfg.Reorder == 0,
	}
	if cfg.Timestamp != timestampNone {
		r.decoder.timestamp = cfg.Timestamp
		r.timestamp, r.finder = cfg.Timestamp, jsonfield.NewFinder(cfg.Timestamp)
	}
	return r
}

// close ends the current object, and reading ahead.
func (r *reader) close() error {
	defer r.from.Close()
	return r.decoder.close()
}

// next opens the object that follows. After the last one it returns io.EOF.
func (r *reader) next(ctx context.Context) error {
	for {
		if err := r.decoder.close(); err != nil {
			return err
		}
		if len(r.objects) == 0 {
			r.failed = io.EOF
			return io.EOF
		}
		object := r.objects[0]
		r.objects = r.objects[1:]
		r.done += r.decoder.source.n
		r.text, r.line, r.failed = 0, 0, nil
		r.opened++
		err := r.decoder.open(ctx, r.from, object)
		if err == nil && r.strict && r.decoder.rejected > 0 {
			return r.refuse(r.decoder.samples[0])
		}
		if err == nil || !r.forgive(ctx, object, err) {
			return err
		}
	}
}

// begin opens the first object. There may be none that can be opened, where that
// is forgiven.
func (r *reader) begin(ctx context.Context) error {
	if err := r.next(ctx); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// forgive counts an object that is damaged, or cannot be read, where that may be
// and goes on to be read behind it. It reports whether it may.
func (r *reader) forgive(ctx context.Context, object origin.Object, err error) bool {
	if !r.tolerant || ctx.Err() != nil {
		return false
	}
	if r.damage == nil {
		r.damage = err
	}
	reason := strings.TrimPrefix(err.Error(), kload.ErrInvalid.Error()+": ")
	r.damaged = append(r.damaged, Malformed{Object: object.Name, Line: r.line + 1, Reason: reason})
	return true
}

// skip leaves out the first bytes of the current object's text, which hold so
// many lines.
func (r *reader) skip(offset int64, lines uint64) error {
	n, err := io.CopyN(io.Discard, r.decoder, offset)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("skipping to byte %d of the text of %s: %w", offset, r.decoder.object.Name, err)
	}
	r.text, r.line = n, lines
	return nil
}

// rewind starts over with other objects.
func (r *reader) rewind(objects []origin.Object) {
	r.objects, r.carry, r.cut, r.latest = objects, r.carry[:0], false, math.MinInt64
}

// fill reads rows into an empty block until it is full. An error, which io.EOF
// is too, may come with rows.
func (r *reader) fill(ctx context.Context, b *block) error {
	b.place = place{object: r.decoder.object.Name, offset: r.text - int64(len(r.carry)), line: r.line}
	b.end = copy(b.data, r.carry)
	err := r.fillRows(ctx, b)
	r.carry = append(r.carry[:0], b.data[b.start:b.end]...)
	r.account(b)
	return err
}

// account passes on what was counted since the last block.
func (r *reader) account(b *block) {
	b.tally.objects, r.opened = r.opened, 0
	b.tally.damaged = uint64(len(r.damaged))
	some := min(len(r.damaged), maxSamples-r.samples)
	r.samples += some
	b.samples = append(b.samples, r.damaged[:some]...)
	r.damaged = r.damaged[:0]
	b.tally.malformed += r.decoder.rejected
	some = min(len(r.decoder.samples), maxSamples-r.samples)
	r.samples += some
	b.samples = append(b.samples, r.decoder.samples[:some]...)
	r.decoder.rejected, r.decoder.samples = 0, r.decoder.samples[:0]
	torn := r.from.Torn()
	b.tally.torn, r.torn = torn-r.torn, torn
	b.read = r.done
	if !r.decoder.sorted { // which is read to its end before its first row
		b.read += r.decoder.source.n
	}
}

func (r *reader) fillRows(ctx context.Context, b *block) error {
	for len(b.rows) < maxRows {
		var err error
		if from, to, ok := b.nextLine(); ok {
			err = r.addLine(b, from, to)
		} else if b.start > 0 && b.end >= fillBytes {
			return nil
		} else if b.end == len(b.data) {
			err = r.cutLine(b)
		} else if r.failed == nil {
			err = r.read(ctx, b)
		} else {
			err = r.endObject(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read adds a chunk of text to the block. What ends the text is kept until the
// lines before it are split off.
func (r *reader) read(ctx context.Context, b *block) error {
	n, err := r.decoder.Read(b.data[b.end:min(b.end+chunkBytes, len(b.data))])
	b.end += n
	r.text += int64(n)
	r.failed = err
	return ctx.Err()
}

// endObject takes a last line that has no LF, and goes on to the next object.
func (r *reader) endObject(ctx context.Context, b *block) error {
	if r.failed != io.EOF { //nolint:errorlint // the decoder wraps every other error
		if !r.forgive(ctx, r.decoder.object, r.failed) {
			return r.failed
		}
		b.rest() // half a line
		r.cut = false
		return r.next(ctx)
	}
	if from, to := b.rest(); from < to || r.cut {
		if err := r.addLine(b, from, to); err != nil {
			return err
		}
	}
	return r.next(ctx)
}

// cutLine drops what there is of a line that is longer than a block.
func (r *reader) cutLine(b *block) error {
	b.start, b.seen, b.end = 0, 0, 0
	if r.cut {
		return nil
	}
	r.cut = true
	return r.reject(b, r.line+1, nil)
}

// addLine makes a row of a line.
func (r *reader) addLine(b *block, from, to int) error {
	r.line++
	if r.cut {
		r.cut = false // it was counted when it got too long
		return nil
	}
	line := trimEOL(b.data[from:to])
	if len(line) == 0 {
		b.tally.blank++
		return nil
	}
	at, ok := r.timeOf(line)
	if !ok || len(line) > maxLine {
		return r.reject(b, r.line, line)
	}
	if r.orderly && r.late < maxSamples {
		r.sampleLate(b, at)
	}
	size := len(line)
	if r.keepLF {
		size = to - from
	}
	b.rows = append(b.rows, row{off: uint32(from), size: uint32(size), at: at})
	return nil
}

// sampleLate keeps a row's place if time runs backwards there.
func (r *reader) sampleLate(b *block, at int64) {
	if at < r.latest {
		r.late++
		b.late = append(b.late, Malformed{r.decoder.object.Name, r.line, "its time is " + time.Duration(r.latest-at).String() + " before that of an earlier row"})
	}
	r.latest = max(r.latest, at)
}

// trimEOL removes LF or CR LF.
func trimEOL(line []byte) []byte {
	n := len(line)
	if n > 0 && line[n-1] == '\n' {
		n--
	}
	if n > 0 && line[n-1] == '\r' {
		n--
	}
	return line[:n]
}

func (r *reader) timeOf(line []byte) (at int64, ok bool) {
	if r.timestamp == "" {
		return 0, true
	}
	value, isString, ok := r.finder.Lookup(line)
	if !ok || !isString {
		return 0, false
	}
	return parseTime(value)
}

// reject counts a malformed line, which is nil if it was cut.
func (r *reader) reject(b *block, number uint64, line []byte) error {
	b.tally.malformed++
	if r.samples == maxSamples && !r.strict {
		return nil
	}
	m := Malformed{Object: r.decoder.object.Name, Line: number, Reason: r.reason(line)}
	if r.strict {
		return r.refuse(m)
	}
	r.samples++
	b.samples = append(b.samples, m)
	return nil
}

// refuse is why a strict replay ends.
func (r *reader) refuse(m Malformed) error {
	return kload.WithHint(fmt.Errorf("%w: reading %s: line %d: %s", kload.ErrInvalid, m.Object, m.Line, m.Reason),
		"mend the line, or leave out strict to count such lines and go on")
}

// reason says what is wrong with a line.
func (r *reader) reason(line []byte) string {
	if line == nil || len(line) > maxLine {
		return "longer than 1 MiB"
	}
	value, isString, ok := r.finder.Lookup(line)
	switch {
	case !bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("{")):
		return "not a JSON object"
	case !ok:
		return fmt.Sprintf("no attribute %q", r.timestamp)
	case !isString:
		return fmt.Sprintf("attribute %q is not a string", r.timestamp)
	}
	return fmt.Sprintf("attribute %q is not a time: %.40q", r.timestamp, value)
}
