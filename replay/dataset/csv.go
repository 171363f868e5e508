package dataset

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/parquet"
)

// table turns CSV with a header into JSON lines. Columns of the TLC's trip records
// get the names that the public data set gives them, all others their own in
// snake case. Empty values are left out.
type table struct {
	in      *csv.Reader
	columns []column
	time    int // which column holds the time
	line    []byte
}

type column struct {
	name        string // quoted, with its colon
	text, whole bool   // values are text, or numbers without a fraction
}

func newTable(in io.Reader, timestamp string) (*table, error) {
	t := &table{in: csv.NewReader(in), time: -1}
	t.in.ReuseRecord, t.in.LazyQuotes = true, true
	header, err := t.in.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: reading the header: %w", kload.ErrInvalid, err)
	}
	var names []string
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		name, text, whole := parquet.Attribute(strings.ReplaceAll(name, " ", "_"))
		if slices.Contains(names, name) {
			return nil, kload.WithHint(fmt.Errorf("%w: two columns are named %q", kload.ErrInvalid, name), "rename one of them in the first line")
		}
		if name == timestamp {
			t.time = i
		}
		names = append(names, name)
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, fmt.Errorf("naming column %d: %w", i+1, err)
		}
		t.columns = append(t.columns, column{name: string(quoted) + ":", text: text, whole: whole || name == "trip_id"})
	}
	if t.time < 0 {
		return nil, kload.WithHint(fmt.Errorf("%w: there is no column %q", kload.ErrInvalid, timestamp),
			"name the column with the time by --timestamp: one of "+strings.Join(names, ", "))
	}
	return t, nil
}

// next returns the next row, or what is wrong with it. The line is valid until the
// next call.
func (t *table) next() (at int64, line []byte, reason string, err error) {
	values, err := t.in.Read()
	var bad *csv.ParseError
	switch {
	case errors.As(err, &bad):
		return 0, nil, bad.Err.Error(), nil
	case err != nil:
		return 0, nil, "", err
	}
	when, wrong := replay.ParseInstant(strings.TrimSpace(values[t.time]))
	if wrong != nil {
		return 0, nil, fmt.Sprintf("%s is not a time: %.40q", strings.TrimSuffix(t.columns[t.time].name, ":"), values[t.time]), nil
	}
	t.line = append(t.line[:0], '{')
	for i, v := range values {
		if v = strings.TrimSpace(v); i == t.time {
			v = instant(when) // a replay reads no date without a time of day
		}
		t.add(&t.columns[i], v)
	}
	t.line = append(t.line, '}')
	return when.Time().UnixNano(), t.line, "", nil
}

// place returns the line, from 1, on which the row that was read last begins.
func (t *table) place() uint64 {
	line, _ := t.in.FieldPos(0)
	return uint64(line)
}

// add appends one value, as a number, a time or text.
func (t *table) add(c *column, v string) {
	if v == "" || strings.EqualFold(v, "null") || strings.EqualFold(v, "nan") {
		return
	}
	if len(t.line) > 1 {
		t.line = append(t.line, ',')
	}
	t.line = append(t.line, c.name...)
	if c.whole {
		v = strings.TrimSuffix(v, ".0")
	}
	if !c.text && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') && json.Valid([]byte(v)) {
		t.line = append(t.line, v...)
		return
	}
	if when, err := replay.ParseInstant(v); err == nil && len(v) > len(time.DateOnly) {
		v = instant(when)
	}
	quoted, _ := json.Marshal(v) // a string has a JSON form
	t.line = append(t.line, quoted...)
}

// instant is the form that times of the public data set have, with more decimals
// only where there are more.
func instant(when replay.Instant) string {
	t := when.Time()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		return t.Format("2006-01-02T15:04:05.000000000Z")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}
