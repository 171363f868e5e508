package parquet

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// kind is what a column's values become.
type kind uint8

const (
	asIs   kind = iota // as the column's type says
	asText             // a string, also of numbers
	asInt              // a whole number, also of floating-point ones
	asTime
)

// field is one attribute of the layout, with the names that its column had over
// the years, in lower case.
type field struct {
	name  string
	kind  kind
	names []string
}

// layout lists the attributes in the order of the recorded data.
func layout() []field {
	return []field{
		{"vendor_id", asText, []string{"vendorid", "vendor_name", "vendor_id"}},
		{"pickup_datetime", asTime, []string{"tpep_pickup_datetime", "lpep_pickup_datetime", "trip_pickup_datetime", "pickup_datetime"}},
		{"dropoff_datetime", asTime, []string{"tpep_dropoff_datetime", "lpep_dropoff_datetime", "trip_dropoff_datetime", "dropoff_datetime"}},
		{"passenger_count", asInt, []string{"passenger_count"}},
		{"trip_distance", asIs, []string{"trip_distance"}},
		{"pickup_longitude", asIs, []string{"pickup_longitude", "start_lon"}},
		{"pickup_latitude", asIs, []string{"pickup_latitude", "start_lat"}},
		{"rate_code", asInt, []string{"ratecodeid", "rate_code"}},
		{"store_and_fwd_flag", asText, []string{"store_and_fwd_flag", "store_and_forward"}},
		{"dropoff_longitude", asIs, []string{"dropoff_longitude", "end_lon"}},
		{"dropoff_latitude", asIs, []string{"dropoff_latitude", "end_lat"}},
		{"pickup_location_id", asInt, []string{"pulocationid"}},
		{"dropoff_location_id", asInt, []string{"dolocationid"}},
		{"payment_type", asText, []string{"payment_type"}},
		{"fare_amount", asIs, []string{"fare_amount", "fare_amt"}},
		{"surcharge", asIs, []string{"extra", "surcharge"}},
		{"mta_tax", asIs, []string{"mta_tax"}},
		{"tip_amount", asIs, []string{"tip_amount", "tip_amt"}},
		{"tolls_amount", asIs, []string{"tolls_amount", "tolls_amt"}},
		{"improvement_surcharge", asIs, []string{"improvement_surcharge"}},
		{"congestion_surcharge", asIs, []string{"congestion_surcharge"}},
		{"airport_fee", asIs, []string{"airport_fee"}},
		{"cbd_congestion_fee", asIs, []string{"cbd_congestion_fee"}},
		{"trip_type", asInt, []string{"trip_type"}},
		{"total_amount", asIs, []string{"total_amount", "total_amt"}},
	}
}

// Attribute says which attribute the column of a table of trips becomes that is
// called so, in lower case: its name, the column's own unless it is known; whether
// its values are text, also where they are numbers; and whether numbers are whole.
func Attribute(column string) (name string, text, whole bool) {
	for _, f := range layout() {
		if slices.Contains(f.names, column) {
			return f.name, f.kind == asText, f.kind == asText || f.kind == asInt
		}
	}
	return column, false, false
}

// column is a column of the file as it is to be printed.
type column struct {
	name  string
	key   []byte // what precedes a value: "name":
	rank  int    // its place in the line
	index int    // its place in the row
	kind  kind
	unit  int64 // nanoseconds of one, of a number that is a time
}

// printer makes lines of rows.
type printer struct {
	columns []column
	time    int // of columns, which has the time to sort by; -1 for none
	name    string
	cab     string // "yellow" or "green" where the columns are TLC's

	from, to int64  // the times that are credible, if month is not ""
	month    string // they belong to

	rows uint64
	line []byte // without the closing brace
}

// newPrinter looks at the columns of a file.
func newPrinter(schema *parquet.Schema, timestamp string) (*printer, error) {
	p := &printer{time: -1, name: timestamp}
	fields := layout()
	for _, path := range schema.Columns() {
		leaf, ok := schema.Lookup(path...)
		if !ok || len(path) != 1 || leaf.Node.Repeated() {
			continue // neither nested columns nor lists have a place in a line
		}
		p.columns = append(p.columns, newColumn(fields, path[0], leaf))
		switch lower := strings.ToLower(path[0]); {
		case strings.HasPrefix(lower, "tpep_"):
			p.cab = "yellow"
		case strings.HasPrefix(lower, "lpep_"):
			p.cab = "green"
		}
	}
	if len(p.columns) == 0 {
		return nil, errors.New("there are only nested columns")
	}
	slices.SortStableFunc(p.columns, func(a, b column) int { return cmp.Compare(a.rank, b.rank) })
	for i, c := range p.columns {
		if c.name == timestamp {
			p.time = i
			p.columns[i].kind = asTime
		}
	}
	if timestamp != "" && p.time < 0 {
		return nil, fmt.Errorf("no column for the attribute %q among %s", timestamp, p.names())
	}
	return p, nil
}

func (p *printer) names() string {
	var names []string
	for _, c := range p.columns {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// key returns a name as it precedes its value.
func key(name string) []byte {
	quoted, _ := json.Marshal(name) // strings always can be
	return append(quoted, ':')
}

func newColumn(fields []field, name string, leaf parquet.LeafColumn) column {
	lower := strings.ToLower(name)
	c := column{name: lower, rank: len(fields) + leaf.ColumnIndex, index: leaf.ColumnIndex, unit: unitOf(leaf.Node.Type())}
	if c.unit > 0 {
		c.kind = asTime
	}
	for rank, f := range fields {
		if slices.Contains(f.names, lower) {
			c.name, c.rank, c.kind = f.name, rank, f.kind
		}
	}
	c.key = key(c.name)
	return c
}

// unitOf returns the unit of a column of times, 0 of others.
func unitOf(t parquet.Type) int64 {
	if l := t.LogicalType(); l != nil {
		if ts, ok := l.Value.(*format.TimestampType); ok && ts.Unit.Value != nil {
			return int64(ts.Unit.Value.Duration())
		}
	}
	if c := t.ConvertedType(); c != nil {
		switch *c {
		case deprecated.TimestampMillis:
			return int64(time.Millisecond)
		case deprecated.TimestampMicros:
			return int64(time.Microsecond)
		}
	}
	return 0
}

// print makes a line of a row, and returns its time, or what is wrong with it.
func (p *printer) print(row parquet.Row) (at int64, reason string) {
	p.line = append(p.line[:0], '{')
	found := p.time < 0
	for i := range p.columns {
		c := &p.columns[i]
		v, ok := valueOf(row, c.index)
		if !ok {
			continue
		}
		start := len(p.line)
		if start > 1 {
			p.line = append(p.line, ',')
		}
		p.line = append(p.line, c.key...)
		ns, ok := p.value(c, v)
		if !ok {
			p.line = p.line[:start]
		} else if i == p.time {
			at, found = ns, true
		}
	}
	switch {
	case !found:
		return 0, fmt.Sprintf("no time in attribute %q", p.name)
	case !p.credible(at):
		return 0, fmt.Sprintf("%s %s lies outside of %s", p.name, time.Unix(0, at).UTC().Format(time.DateTime), p.month)
	}
	return at, ""
}

// credible reports whether a row may have a time.
func (p *printer) credible(at int64) bool {
	return p.month == "" || p.time < 0 || at >= p.from && at < p.to
}

// printTime makes a line of nothing but the time of a row. ok is false where print
// would reject the row.
func (p *printer) printTime(v parquet.Value) (at int64, ok bool) {
	c := &p.columns[p.time]
	p.line = append(append(p.line[:0], '{'), c.key...)
	at, ok = p.value(c, v)
	return at, ok && p.credible(at)
}

// valueOf returns the value of a column, which is where its index says unless
// nested columns come before it.
func valueOf(row parquet.Row, index int) (parquet.Value, bool) {
	if index < len(row) && row[index].Column() == index {
		return row[index], !row[index].IsNull()
	}
	for _, v := range row {
		if v.Column() == index {
			return v, !v.IsNull()
		}
	}
	return parquet.Value{}, false
}

// value prints a value as its column demands. ok is false if it is none.
func (p *printer) value(c *column, v parquet.Value) (ns int64, ok bool) {
	switch c.kind {
	case asTime:
		return p.timeValue(c, v)
	case asText:
		p.line = append(p.line, '"')
		if ok = p.plain(v, true); ok {
			p.line = append(p.line, '"')
		}
		return 0, ok
	case asInt:
		return 0, p.plain(v, true)
	case asIs:
		return 0, p.plain(v, false)
	}
	return 0, false
}

// plain prints a value as its type says. Whole numbers that are floating-point
// ones keep a decimal point, as Java prints them, unless they are whole by their
// meaning.
func (p *printer) plain(v parquet.Value, whole bool) bool {
	switch v.Kind() {
	case parquet.Boolean:
		p.line = strconv.AppendBool(p.line, v.Boolean())
	case parquet.Int32:
		p.line = strconv.AppendInt(p.line, int64(v.Int32()), 10)
	case parquet.Int64:
		p.line = strconv.AppendInt(p.line, v.Int64(), 10)
	case parquet.Float:
		return p.float(float64(v.Float()), 32, whole)
	case parquet.Double:
		return p.float(v.Double(), 64, whole)
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return p.text(v.ByteArray(), whole)
	default:
		return false
	}
	return true
}

func (p *printer) float(f float64, bits int, whole bool) bool {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return false
	}
	p.line = strconv.AppendFloat(p.line, f, 'f', -1, bits)
	if f == math.Trunc(f) && !whole {
		p.line = append(p.line, ".0"...)
	}
	return true
}

// text prints a string: with quotes, unless it is inside of them.
func (p *printer) text(b []byte, inside bool) bool {
	if !slices.ContainsFunc(b, escaped) {
		if inside {
			p.line = append(p.line, b...)
			return true
		}
		p.line = append(append(append(p.line, '"'), b...), '"')
		return true
	}
	quoted, err := json.Marshal(string(b))
	if err != nil {
		return false
	}
	if inside {
		quoted = quoted[1 : len(quoted)-1]
	}
	p.line = append(p.line, quoted...)
	return true
}

// escaped tells bytes that may not stand in a JSON string as they are.
func escaped(c byte) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }

// timeValue prints a time to the millisecond, or finer where it is.
func (p *printer) timeValue(c *column, v parquet.Value) (ns int64, ok bool) {
	var at time.Time
	switch v.Kind() {
	case parquet.Int64:
		unit := max(c.unit, 1)
		if n := v.Int64(); n > math.MaxInt64/unit || n < math.MinInt64/unit {
			return 0, false
		}
		at = time.Unix(0, v.Int64()*unit).UTC()
	case parquet.Int96:
		at = julian(v.Int96())
	case parquet.ByteArray:
		var err error
		if at, err = time.Parse(time.DateTime, string(bytes.TrimSpace(v.ByteArray()))); err != nil {
			if at, err = time.Parse(time.RFC3339, string(bytes.TrimSpace(v.ByteArray()))); err != nil {
				return 0, false
			}
		}
	default:
		return 0, false
	}
	if at.Year() < 1678 || at.Year() > 2261 {
		return 0, false
	}
	shape := `"2006-01-02T15:04:05.000Z"`
	if at.Nanosecond()%int(time.Millisecond) != 0 {
		shape = `"2006-01-02T15:04:05.000000000Z"`
	}
	p.line = at.UTC().AppendFormat(p.line, shape)
	return at.UnixNano(), true
}

// julian reads the old form of times: nanoseconds of the day, and the Julian day,
// of which 1970-01-01 is 2440588.
func julian(v deprecated.Int96) time.Time {
	day := int64(v[2]) - 2440588
	return time.Unix(day*86400, int64(v[1])<<32|int64(v[0])).UTC()
}
