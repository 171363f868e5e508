package hdr

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A log holds one line per tag and interval:
//
//	Tag=<owner>/<hop>,<start s>,<length s>,<max ms>,<base64 of the compressed V2 histogram>
//
// Starts are absolute. The library's own log writer is not used: it accepts
// tags that no reader finds again, and its reader truncates times.

const (
	startNsPrefix = "#[kload start_ns: "
	maxLogLine    = 8 << 20
)

// LogWriter writes an interval log. It is used from one goroutine.
type LogWriter struct {
	w   io.Writer
	tag *regexp.Regexp
	buf bytes.Buffer
}

// NewLogWriter writes the log's header to w.
func NewLogWriter(w io.Writer, start time.Time) (*LogWriter, error) {
	ns := start.UnixNano()
	_, err := fmt.Fprintf(w, "#[Histogram log format version %s]\n"+
		"#[StartTime: %s (seconds since epoch), %s]\n"+
		"%s%d]\n"+
		"#[kload units: histogram values in ns, Interval_Max in ms, times in s]\n"+
		"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
		hdrhistogram.HISTOGRAM_LOG_FORMAT_VERSION,
		seconds(start.UnixMilli()), start.UTC().Format(time.RFC3339Nano), startNsPrefix, ns)
	if err != nil {
		return nil, fmt.Errorf("writing the header of the interval log: %w", err)
	}
	return &LogWriter{w: w, tag: regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)}, nil
}

// Write appends one interval of the owner as one line, in one call of the
// underlying writer. Times are kept to the millisecond. An owner with other
// characters than letters, digits, '.', '_', '/' and '-' is refused: readers
// of the format would drop its lines.
func (l *LogWriter) Write(owner string, iv Interval, from, to time.Time) error {
	tag := owner + "/" + iv.Hop.String()
	if owner == "" || !l.tag.MatchString(tag) {
		return fmt.Errorf("writing interval of %q: a tag may hold only letters, digits, '.', '_', '/' and '-'", tag)
	}
	payload, err := iv.Histogram.EncodeV2()
	if err != nil {
		return fmt.Errorf("encoding interval of %s: %w", tag, err)
	}
	start, end := from.UnixMilli(), to.UnixMilli()
	l.buf.Reset()
	fmt.Fprintf(&l.buf, "Tag=%s,%s,%s,%.6f,%s\n", tag, seconds(start), seconds(end-start), float64(iv.Max)/1e6, payload)
	if _, err := l.w.Write(l.buf.Bytes()); err != nil {
		return fmt.Errorf("writing interval of %s: %w", tag, err)
	}
	return nil
}

// seconds renders milliseconds as seconds without going through a float.
func seconds(ms int64) string {
	return fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
}

// LogEntry is one line of a log.
type LogEntry struct {
	Tag        string // owner/hop
	Start, End time.Time
	Max        int64 // as the line states it, in nanoseconds where values are; exact in logs of this package
	Histogram  *Histogram
}

// LogInfo says how a log began and ended.
type LogInfo struct {
	Start time.Time // zero when the log does not state it in nanoseconds
	// Torn says that the last line was cut off, as a killed run leaves it. The
	// entries before it were delivered.
	Torn bool
}

// ReadLog calls each for every interval of the log in r, in file order, and
// stops at the first error. A histogram takes 197 KB: keep sums, not entries.
func ReadLog(r io.Reader, each func(LogEntry) error) (LogInfo, error) {
	var info LogInfo
	br := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, err := readLine(br)
		if errors.Is(err, io.EOF) {
			info.Torn = len(line) > 0
			return info, nil
		}
		if err == nil {
			err = info.line(string(line), each)
		}
		if err != nil {
			return info, fmt.Errorf("reading line %d of the interval log: %w", n, err)
		}
	}
}

// readLine returns a line without its newline; with io.EOF, what follows the
// last newline.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLogLine:
			return nil, fmt.Errorf("longer than %d bytes", maxLogLine)
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return line, err
		default:
			return bytes.TrimRight(line, "\r\n"), nil
		}
	}
}

func (info *LogInfo) line(line string, each func(LogEntry) error) error {
	switch {
	case strings.HasPrefix(line, startNsPrefix):
		ns, err := strconv.ParseInt(strings.TrimSuffix(line[len(startNsPrefix):], "]"), 10, 64)
		if err != nil {
			return fmt.Errorf("parsing the start time: %w", err)
		}
		info.Start = time.Unix(0, ns)
		return nil
	case line == "" || line[0] == '#' || line[0] == '"':
		return nil
	}
	e, err := parseEntry(line)
	if err != nil {
		return err
	}
	return each(e)
}

func parseEntry(line string) (LogEntry, error) {
	var e LogEntry
	if rest, ok := strings.CutPrefix(line, "Tag="); ok {
		e.Tag, line, _ = strings.Cut(rest, ",")
	}
	fields := strings.SplitN(line, ",", 4)
	if len(fields) != 4 {
		return e, fmt.Errorf("expected start, length, maximum and histogram, found %d fields", len(fields))
	}
	start, err := millis(fields[0])
	if err != nil {
		return e, fmt.Errorf("parsing the interval's start: %w", err)
	}
	length, err := millis(fields[1])
	if err != nil {
		return e, fmt.Errorf("parsing the interval's length: %w", err)
	}
	e.Start, e.End = time.UnixMilli(start), time.UnixMilli(start+length)
	largest, err := strconv.ParseFloat(fields[2], 64)
	if err != nil {
		return e, fmt.Errorf("parsing the interval's maximum: %w", err)
	}
	if largest > 0 && largest < math.MaxInt64/1e7 {
		e.Max = int64(math.Round(largest * 1e6))
	}
	if e.Histogram, err = hdrhistogram.Decode([]byte(fields[3])); err != nil {
		return e, fmt.Errorf("decoding the histogram of %s: %w", e.Tag, err)
	}
	return e, nil
}

// millis parses decimal seconds to the nearest millisecond.
func millis(s string) (int64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, err
	}
	if !(f >= 0 && f < 1e12) {
		return 0, fmt.Errorf("%s seconds are out of range", s)
	}
	return int64(math.Round(f * 1000)), nil
}
