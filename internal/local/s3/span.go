package s3

import (
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// byteRange is a range of bytes as asked for: from first to last, or the last so
// many.
type byteRange struct {
	first, last int64
	suffix      bool // the last bytes, as many as last says
}

// takeRange removes the range that a request asks for from its headers and
// returns it. One that is malformed is
// ignored, as RFC 9110 has it in section 14.2, and so are several at once, which S3
// does not serve: the answer is the whole object.
func takeRange(h http.Header) *byteRange {
	text, ok := strings.CutPrefix(h.Get("Range"), "bytes=")
	h.Del("Range")
	from, to, dash := strings.Cut(text, "-")
	if !ok || !dash {
		return nil
	}
	first, err1 := strconv.ParseUint(from, 10, 63)
	last, err2 := strconv.ParseUint(to, 10, 63)
	if to == "" && from != "" {
		last, err2 = math.MaxInt64, nil
	}
	suffix := from == ""
	if err2 != nil || !suffix && (err1 != nil || last < first) {
		return nil
	}
	return &byteRange{int64(first), int64(last), suffix}
}

// of returns the bytes of an object of that size which are in the range.
func (r *byteRange) of(size int64) (*gofakes3.ObjectRange, error) {
	if r == nil {
		return nil, nil
	}
	first, last := r.first, min(r.last, size-1)
	if r.suffix {
		first, last = max(size-r.last, 0), size-1
	}
	if first > last {
		return nil, refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
	}
	return &gofakes3.ObjectRange{Start: first, Length: last - first + 1}, nil
}

// span returns which bytes are asked for, by range or by number of the part; nil
// stands for all.
func (c *call) span(o *object) (*gofakes3.ObjectRange, error) {
	text := c.query.Get("partNumber")
	if text == "" {
		return c.asked.of(o.size)
	}
	parts := o.Parts
	if parts == nil {
		parts = []int64{o.size}
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 1 || n > maxPart || c.asked != nil:
		return nil, badRequest("InvalidArgument", "partNumber must be a number from 1 to 10000, and excludes a range.")
	case n > len(parts):
		return nil, refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable")
	case o.size == 0:
		return nil, nil
	}
	span := &gofakes3.ObjectRange{Length: parts[n-1]}
	for _, size := range parts[:n-1] {
		span.Start += size
	}
	return span, nil
}

// contents is a span of a file, as the body of an answer.
type contents struct {
	file        *os.File
	start, left int64
}

// Read is that of io.Reader.
func (c *contents) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.file.ReadAt(p[:min(int64(len(p)), c.left)], c.start)
	c.start, c.left = c.start+int64(n), c.left-int64(n)
	if c.left > 0 {
		return n, err
	}
	return n, nil
}

// Close closes the file.
func (c *contents) Close() error { return c.file.Close() }

// limited returns the span in the form that net/http hands to the kernel.
func (c *contents) limited() (io.Reader, error) {
	if _, err := c.file.Seek(c.start, io.SeekStart); err != nil {
		return nil, err
	}
	return &io.LimitedReader{R: c.file, N: c.left}, nil
}
