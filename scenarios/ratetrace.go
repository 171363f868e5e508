package scenarios

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/pace"
)

// RateTrace is a recorded load: how many records each interval had.
type RateTrace struct {
	File   string        `yaml:"file" required:"true" help:"one interval per line: a number, CSV, or JSON objects"`
	Column string        `yaml:"column" help:"CSV column or JSON attribute that holds the number of records; of CSV the last one if absent"`
	Every  time.Duration `yaml:"every" default:"1s" help:"length of an interval"`
	Scale  float64       `yaml:"scale" default:"1" help:"multiplies every number"`
}

// maxIntervals bounds the memory of a trace: 16 bytes for each.
const maxIntervals = 10_000_000

// Validate checks interval and scale.
func (t *RateTrace) Validate() []conf.Issue {
	switch {
	case t.Every <= 0:
		return []conf.Issue{{Field: "every", Msg: "must be positive"}}
	case t.Scale <= 0 || t.Scale > 1e9:
		return []conf.Issue{{Field: "scale", Msg: "must be above 0 and at most 1e9"}}
	}
	return nil
}

// schedule reads the file.
func (t *RateTrace) schedule() (pace.Schedule, float64, error) {
	f, err := os.Open(t.File)
	if err != nil {
		return nil, 0, kload.WithHint(fmt.Errorf("reading the rate trace: %w", err), "the path is relative to the working directory")
	}
	defer f.Close()
	var list []pace.Piece
	peak, carry := 0.0, 0.0
	column := -1
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		count, ok, err := t.count(lines.Text(), &column)
		switch {
		case err != nil:
			return nil, 0, fmt.Errorf("line %d of %s: %w", n, t.File, err)
		case !ok:
			continue
		case len(list) == maxIntervals || time.Duration(len(list)+1) > maxSpan/t.Every:
			return nil, 0, fmt.Errorf("%s has more intervals than a run can hold", t.File)
		}
		// What rounding leaves over goes into the next interval.
		exact := count*t.Scale + carry
		whole := uint64(exact)
		carry = exact - float64(whole)
		list = append(list, pace.Piece{Count: whole, Span: t.Every})
		peak = max(peak, float64(whole)/t.Every.Seconds())
	}
	if err := lines.Err(); err != nil {
		return nil, 0, fmt.Errorf("reading %s: %w", t.File, err)
	}
	if len(list) == 0 {
		return nil, 0, fmt.Errorf("%s has no interval", t.File)
	}
	return pace.Pieces(list), peak, nil
}

// count returns the number in one line; ok is false for empty lines, comments
// and the header, which sets the column.
func (t *RateTrace) count(line string, column *int) (n float64, ok bool, err error) {
	line = strings.TrimSpace(line)
	if line == "" || strings.HasPrefix(line, "#") {
		return 0, false, nil
	}
	text := ""
	if strings.HasPrefix(line, "{") {
		text, err = t.attribute(line)
	} else {
		cells := strings.Split(line, ",")
		if *column < 0 && t.header(cells, column) {
			return 0, false, nil
		}
		text, err = t.cell(cells, column)
	}
	if err != nil {
		return 0, false, err
	}
	n, err = strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= 1e12) {
		return 0, false, fmt.Errorf("%q is no number of records", text)
	}
	return n, true, nil
}

// header takes the first line as names if a cell of it is no number.
func (t *RateTrace) header(cells []string, column *int) bool {
	if !slices.ContainsFunc(cells, func(c string) bool { _, err := strconv.ParseFloat(strings.TrimSpace(c), 64); return err != nil }) {
		return false
	}
	*column = len(cells) - 1
	if t.Column != "" {
		if i := slices.IndexFunc(cells, func(c string) bool { return strings.TrimSpace(c) == t.Column }); i >= 0 {
			*column = i
			return true
		}
		*column = len(cells) // nowhere
	}
	return true
}

func (t *RateTrace) cell(cells []string, column *int) (string, error) {
	if *column < 0 {
		if t.Column != "" {
			return "", fmt.Errorf("there is no header that names a column %q", t.Column)
		}
		*column = len(cells) - 1
	}
	if *column >= len(cells) {
		return "", fmt.Errorf("no column %q among %d", t.Column, len(cells))
	}
	return strings.TrimSpace(cells[*column]), nil
}

func (t *RateTrace) attribute(line string) (string, error) {
	if t.Column == "" {
		return "", errors.New("of a JSON object the attribute must be named: set trace.column")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		return "", fmt.Errorf("reading JSON: %w", err)
	}
	value, ok := object[t.Column]
	if !ok {
		return "", fmt.Errorf("no attribute %q", t.Column)
	}
	return string(value), nil
}
